from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "virage.core.web"
    label = "web"
