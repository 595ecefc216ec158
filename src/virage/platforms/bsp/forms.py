"""The professional's forms."""

from datetime import date
from typing import Any

from django import forms

from virage.core import web
from virage.platforms.bsp.rules import REASON_LENGTH
from virage.trust import interop

# Identities of others: the browser of a shared desk must not offer them to the next person.
_NOT_REMEMBERED = {"autocomplete": "off"}


class TraitsForm(forms.Form):
    """Strict traits, as INSi asks for them. The date is three fields, as people say it."""

    nom = forms.CharField(
        label="Nom de naissance",
        max_length=100,
        widget=forms.TextInput(attrs=_NOT_REMEMBERED),
        error_messages={"required": "Écrivez le nom de naissance, tel qu’il est sur la pièce d’identité."},
    )
    prenom = forms.CharField(
        label="Prénom de naissance",
        max_length=100,
        help_text="Le premier, ou plusieurs séparés par une espace.",
        widget=forms.TextInput(attrs=_NOT_REMEMBERED),
        error_messages={"required": "Écrivez au moins le premier prénom de naissance."},
    )
    sexe = forms.ChoiceField(
        label="Sexe",
        choices=(("", "Choisir"), ("F", "Féminin"), ("M", "Masculin")),
        error_messages={"required": "Choisissez le sexe enregistré sur la pièce d’identité."},
    )
    jour = web.number("Jour", 1, 31, asks="Donnez le jour, de 1 à 31.")
    mois = web.number("Mois", 1, 12, asks="Donnez le mois, de 1 à 12.")
    annee = web.number("Année", 1880, 2200, asks="Donnez l’année en quatre chiffres.")
    lieu = forms.RegexField(
        r"^[0-9][0-9ABab][0-9]{3}$",
        label="Code de la commune ou du pays de naissance",
        required=False,
        help_text="Cinq caractères du code officiel géographique, par exemple 63220. Utile quand plusieurs personnes répondent.",
        widget=forms.TextInput(attrs=_NOT_REMEMBERED),
        error_messages={"invalid": "Le code a cinq caractères, par exemple 63220 ou 2A004."},
    )

    def clean(self) -> dict[str, Any]:
        """The three numbers as one date."""
        data = super().clean() or {}
        if all(isinstance(data.get(name), int) for name in ("jour", "mois", "annee")):
            try:
                data["naissance"] = date(data["annee"], data["mois"], data["jour"])
            except ValueError:
                self.add_error("jour", "Cette date n’existe pas.")
        return data


class DocumentFilter(forms.Form):
    """Filters of the documents of a record; all optional, all in the address."""

    categorie = forms.ChoiceField(label="Catégorie", required=False)
    depuis = web.number(
        "Depuis l’année",
        1900,
        2200,
        asks="Donnez une année en quatre chiffres, par exemple 2024.",
        required=False,
        help_text="Par exemple 2024.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "Toutes"), *((code, label) for code, label in interop.classes().items())]
        self.fields["categorie"].choices = choices  # type: ignore[attr-defined]

    def params(self) -> list[tuple[str, str]]:
        """As FHIR search parameters of DocumentReference; none for a filter that does not hold."""
        if not self.is_bound or not self.is_valid():
            return []
        found = []
        if self.cleaned_data.get("categorie"):
            found.append(("category", self.cleaned_data["categorie"]))
        if self.cleaned_data.get("depuis"):
            found.append(("period-start", f"ge{date(self.cleaned_data['depuis'], 1, 1).isoformat()}"))
        return found


class InsForm(forms.Form):
    """A matricule, as read on a document."""

    ins = forms.RegexField(
        r"^[0-9 ABab]{15,21}$",
        label="Matricule INS",
        help_text="13 caractères et 2 chiffres de clé, avec ou sans espaces.",
        widget=forms.TextInput(attrs=_NOT_REMEMBERED),
        error_messages={
            "required": "Écrivez le matricule INS.",
            "invalid": "Un matricule a 15 caractères : 13 pour le numéro, 2 pour la clé.",
        },
    )

    def clean_ins(self) -> str:
        """Without spaces."""
        return str(self.cleaned_data["ins"]).replace(" ", "").upper()


class GlassForm(forms.Form):
    """Why the record must be opened without authorisation."""

    motif = forms.CharField(
        label="Motif de l’accès en urgence",
        widget=forms.Textarea(attrs={"rows": 3}),
        min_length=REASON_LENGTH[0],
        max_length=REASON_LENGTH[1],
        help_text="Le patient lira ce motif. Dix caractères au moins, sans détail médical inutile.",
        error_messages={
            "required": "Écrivez pourquoi vous ouvrez ce dossier : le patient le lira.",
            "min_length": "Dites-en un peu plus : dix caractères au moins.",
        },
    )


class PublishForm(forms.Form):
    """A file and what the record must know of it; the rest is filled in. A file already kept need not be chosen again."""

    fichier = forms.FileField(
        label="Document",
        help_text="PDF, JPEG, TIFF, RTF, texte, ou un document CDA (XML). 20 Mo au plus.",
        error_messages={"required": "Choisissez un fichier.", "empty": "Ce fichier est vide : choisissez-en un autre."},
    )
    type = forms.ChoiceField(label="Type de document", error_messages={"required": "Choisissez un type."})
    titre = forms.CharField(
        label="Titre",
        max_length=120,
        help_text="Tel que le patient et vos confrères le liront.",
        error_messages={"required": "Écrivez un titre."},
    )
    jour = web.number("Jour", 1, 31, asks="Donnez le jour, de 1 à 31.", required=False)
    mois = web.number("Mois", 1, 12, asks="Donnez le mois, de 1 à 12.", required=False)
    annee = web.number("Année", 1900, 2200, asks="Donnez l’année en quatre chiffres.", required=False)
    cacher = forms.BooleanField(
        label="Ne pas montrer au patient avant la consultation d’annonce",
        required=False,
    )

    def __init__(self, *args: Any, kept: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = sorted(interop.document_types().values(), key=lambda one: one.title)
        self.fields["type"].choices = [("", "Choisir"), *((one.code, one.title) for one in types)]  # type: ignore[attr-defined]
        if kept:
            self.fields["fichier"].required = False
            self.fields["fichier"].label = "Remplacer ce fichier"

    def clean(self) -> dict[str, Any]:
        """The three numbers as one date, empty when none is given."""
        data = super().clean() or {}
        parts = [data.get(name) for name in ("annee", "mois", "jour")]
        if any(parts) and not self.errors:
            try:
                data["date_acte"] = date(*parts).isoformat()  # type: ignore[arg-type]
            except (TypeError, ValueError):
                self.add_error("jour", "Cette date n’existe pas : donnez le jour, le mois et l’année, ou rien.")
        return data
