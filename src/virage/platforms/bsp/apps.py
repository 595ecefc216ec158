from django.apps import AppConfig


class BspConfig(AppConfig):
    name = "virage.platforms.bsp"
    label = "bsp"
    default_auto_field = "django.db.models.BigAutoField"
