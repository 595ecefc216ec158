"""The portals' way in and out, under /connexion/."""

from django.urls import path

from virage.core.accounts import pages

app_name = "accounts"
urlpatterns = [
    path("", pages.choose, name="choose"),
    path("fin", pages.sign_out, name="sign-out"),
    path("<slug:provider>", pages.sign_in, name="sign-in"),
    path("<slug:provider>/retour", pages.come_back, name="come-back"),
]
