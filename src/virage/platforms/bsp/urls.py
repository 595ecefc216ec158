"""Addresses of the professional's desk."""

from django.urls import path

from virage.platforms.bsp import pages

app_name = "bsp"
urlpatterns = [
    path("", pages.home, name="home"),
    path("patients.csv", pages.home_csv, name="home-csv"),
    path("alertes/<int:alert>/lu", pages.acknowledge, name="acknowledge"),
    path("identites/", pages.search, name="search"),
    path("identites/traits", pages.by_traits, name="by-traits"),
    path("identites/ins", pages.by_ins, name="by-ins"),
    path("patients/<str:patient>/", pages.record, name="record"),
    path("patients/<str:patient>/documents.csv", pages.record_csv, name="record-csv"),
    path("patients/<str:patient>/consentement", pages.consent, name="consent"),
    path("patients/<str:patient>/urgence", pages.glass, name="glass"),
    path("patients/<str:patient>/publier", pages.publish, name="publish"),
    path("patients/<str:patient>/publier/verification", pages.check, name="check"),
    path("patients/<str:patient>/documents/<str:ident>/", pages.document, name="document"),
    path("patients/<str:patient>/documents/<str:ident>/fichier", pages.download, name="download"),
    path("patients/<str:patient>/documents/<str:ident>/retrait", pages.withdraw, name="withdraw"),
]
