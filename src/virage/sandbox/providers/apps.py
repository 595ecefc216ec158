from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "virage.sandbox.providers"
    label = "sandbox_providers"
