from django.apps import AppConfig


class DmpConfig(AppConfig):
    name = "virage.services.dmp"
    label = "dmp"
    default_auto_field = "django.db.models.BigAutoField"
