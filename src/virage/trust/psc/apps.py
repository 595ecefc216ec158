from django.apps import AppConfig


class PscConfig(AppConfig):
    name = "virage.trust.psc"
    label = "psc"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Pro Santé Connect"
