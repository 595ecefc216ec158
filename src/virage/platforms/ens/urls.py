"""Addresses of the citizen's space."""

from django.urls import path

from virage.platforms.ens import pages

app_name = "ens"
urlpatterns = [
    path("", pages.home, name="home"),
    path("documents/", pages.documents, name="documents"),
    path("documents/<str:ident>/", pages.document, name="document"),
    path("documents/<str:ident>/fichier", pages.download, name="download"),
    path("documents/<str:ident>/visibilite", pages.visibility, name="visibility"),
    path("acces/", pages.accesses, name="accesses"),
    path("acces.csv", pages.accesses_csv, name="accesses-csv"),
    path("professionnels/", pages.professionals, name="professionals"),
    path("professionnels/acces", pages.permission, name="permission"),
    path("dossier/", pages.record, name="record"),
    path("documents.csv", pages.documents_csv, name="documents-csv"),
    path("avis/", pages.notices, name="notices"),
    path("avis/lus", pages.acknowledge_all, name="acknowledge-all"),
    path("avis/<int:notice>/lu", pages.acknowledge, name="acknowledge"),
]
