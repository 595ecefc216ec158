"""The public addresses."""

from django.urls import path

from virage.platforms.accueil import pages

app_name = "accueil"
urlpatterns = [
    path("", pages.home, name="home"),
    path("editeurs/", pages.vendors, name="vendors"),
]
