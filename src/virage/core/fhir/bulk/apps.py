from django.apps import AppConfig


class BulkConfig(AppConfig):
    """Jobs that export and import resources in the background."""

    name = "virage.core.fhir.bulk"
    label = "bulk"
    default_auto_field = "django.db.models.BigAutoField"
