from django.apps import AppConfig


class AccueilConfig(AppConfig):
    name = "virage.platforms.accueil"
    label = "accueil"
