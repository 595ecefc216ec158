"""The citizen's forms."""

from datetime import date
from typing import Any

from django import forms

from virage.core import web

DECISIONS = (
    ("autoriser", "Autoriser"),
    ("bloquer", "Bloquer"),
    ("retirer", "Retirer la décision"),
    ("medecin-traitant", "Déclarer comme médecin traitant"),
    ("refuser-urgence", "Refuser les accès en urgence"),
    ("accepter-urgence", "Accepter les accès en urgence"),
)
STATES = (
    ("ouvrir", "Ouvrir mon dossier"),
    ("refuser", "Refuser l’ouverture de mon dossier"),
    ("fermer", "Fermer mon dossier"),
    ("rouvrir", "Rouvrir mon dossier"),
)


class DocumentFilter(forms.Form):
    """Filters of the list of documents; all optional, all in the address."""

    categorie = forms.ChoiceField(label="Catégorie", required=False)
    depuis = web.number(
        "Depuis l’année",
        1900,
        2200,
        asks="Donnez une année en quatre chiffres, par exemple 2024.",
        required=False,
        help_text="Par exemple 2024.",
    )
    archives = forms.BooleanField(label="Montrer aussi les documents archivés", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from virage.trust import interop

        choices = [("", "Toutes"), *((code, label) for code, label in interop.classes().items())]
        self.fields["categorie"].choices = choices  # type: ignore[attr-defined]

    def params(self) -> list[tuple[str, str]]:
        """As FHIR search parameters of DocumentReference."""
        found = []
        if self.cleaned_data.get("categorie"):
            found.append(("category", self.cleaned_data["categorie"]))
        if self.cleaned_data.get("depuis"):
            found.append(("period-start", f"ge{date(self.cleaned_data['depuis'], 1, 1).isoformat()}"))
        return found

    def with_archived(self) -> bool:
        """Whether archived documents are asked for."""
        return bool(self.is_bound and self.is_valid() and self.cleaned_data.get("archives"))


class ProfessionalSearch(forms.Form):
    """Find a professional in the directory."""

    nom = forms.CharField(
        label="Nom du professionnel",
        min_length=2,
        max_length=80,
        help_text="Le début du nom suffit.",
        error_messages={
            "required": "Écrivez le nom du professionnel, ou son début.",
            "min_length": "Écrivez au moins deux lettres du nom.",
        },
    )


class PermissionForm(forms.Form):
    """A decision on a professional, or on emergency accesses."""

    decision = forms.ChoiceField(choices=DECISIONS)
    professionnel = forms.RegexField(r"^[0-9A-Za-z/]{2,32}$", required=False)


class ClosingForm(forms.Form):
    """A decision on the record; closing may say why, and each asks for a confirmation."""

    decision = forms.ChoiceField(choices=STATES)
    motif = forms.CharField(
        label="Pourquoi", max_length=200, required=False, help_text="Facultatif, 200 caractères au plus."
    )
    confirmation = forms.BooleanField(
        label="Je confirme ma décision", error_messages={"required": "Cochez la case pour confirmer votre décision."}
    )
