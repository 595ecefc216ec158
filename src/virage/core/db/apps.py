from django.apps import AppConfig


class DbConfig(AppConfig):
    """The database engine: its backend and the state of long data steps."""

    name = "virage.core.db"
    label = "db"
    default_auto_field = "django.db.models.BigAutoField"
