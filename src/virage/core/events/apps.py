from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Outbox, dead letters and background tasks."""

    name = "virage.core.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"
