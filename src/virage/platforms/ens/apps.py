from django.apps import AppConfig


class EnsConfig(AppConfig):
    name = "virage.platforms.ens"
    label = "ens"
    default_auto_field = "django.db.models.BigAutoField"
