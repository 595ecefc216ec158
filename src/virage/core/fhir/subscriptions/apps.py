from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Hears of changes once somebody subscribed to their type."""

    name = "virage.core.fhir.subscriptions"
    label = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from virage.core import events

        def changed(event: events.Event) -> None:
            # The store is not loaded before the first event.
            from virage.core.fhir.subscriptions.evaluation import changed

            changed(event)

        events.hear("fhir.changed", "core.fhir.subscriptions", changed)
