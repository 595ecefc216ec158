"""What is said to a citizen, and how traces read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from virage.services import dmp

# Which events of the shared record the holder is told of at once, and in which words.
SENTENCES: Mapping[str, str] = {
    "dmp.glass_broken": "Un professionnel a ouvert votre dossier en urgence (bris de glace).",
    "dmp.published": "Un nouveau document a été ajouté à votre dossier.",
    "dmp.replaced": "Un document de votre dossier a été remplacé par une nouvelle version.",
    "dmp.withdrawn": "Un document a été retiré de votre dossier par son auteur.",
    "dmp.released": "Un document de votre dossier vous est devenu visible.",
    "dmp.update_waiting": "Une mise à jour de votre dossier vous attend : parlez-en avec le professionnel qui vous suit.",
    "dmp.opened": "Votre espace est ouvert.",
    "dmp.closed": "Votre espace est fermé. Il est conservé dix ans ; vous pouvez le rouvrir.",
    "dmp.reopened": "Votre espace est rouvert.",
}
URGENT = frozenset({"dmp.glass_broken"})

# How a traced action reads in « Qui a regardé ».
ACTIONS: Mapping[str, str] = {
    "dmp.publish": "a ajouté un document",
    "dmp.submit": "a déposé un lot de documents",
    "dmp.load": "a déposé des documents",
    "dmp.replace": "a remplacé un document",
    "dmp.supersede": "a remplacé un document",
    "dmp.search": "a consulté la liste des documents",
    "dmp.consult": "a consulté un document",
    "dmp.retrieve": "a lu un document",
    "dmp.mask": "a masqué un document",
    "dmp.unmask": "a démasqué un document",
    "dmp.hide": "a différé l’affichage d’un document",
    "dmp.release": "a rendu un document visible",
    "dmp.archive": "a archivé un document",
    "dmp.unarchive": "a désarchivé un document",
    "dmp.withdraw": "a retiré un document",
    "dmp.relabel": "a changé la confidentialité d’un document",
    "dmp.break_glass": "a ouvert le dossier en urgence",
    "dmp.authorise": "a donné une autorisation d’accès",
    "dmp.block": "a bloqué un professionnel",
    "dmp.unblock": "a retiré une autorisation ou un blocage",
    "dmp.declare_treating_doctor": "a déclaré un médecin traitant",
    "dmp.refuse_emergency": "a refusé les accès en urgence",
    "dmp.accept_emergency": "a accepté les accès en urgence",
    "dmp.notify": "a annoncé l’ouverture du dossier",
    "dmp.oppose": "s’est opposé à l’ouverture du dossier",
    "dmp.open": "a ouvert le dossier",
    "dmp.close": "a fermé le dossier",
    "dmp.reopen": "a rouvert le dossier",
    "dmp.status": "a vérifié l’état du dossier",
    "dmp.traces": "a consulté la liste des accès",
}
READINGS = frozenset({"dmp.search", "dmp.consult", "dmp.retrieve", "dmp.status", "dmp.traces"})
MODES: Mapping[str, str] = {
    "normal": "",
    "bris_de_glace": "Bris de glace (urgence)",
    "centre_15": "Régulation médicale (centre 15)",
}


@dataclass(frozen=True, slots=True)
class Access:
    """One line of « Qui a regardé »: who, what, when, in which mode, why, and whether it was refused."""

    id: str
    recorded: str
    who: str
    role: str
    rpps: str
    action: str
    document: str
    title: str
    mode: str
    reason: str
    refused: str
    is_own: bool
    is_reading: bool
    is_urgent: bool


def addressed(action: str) -> str:
    """What somebody did (« a lu un document »), said to whoever did it (« avez lu un document »)."""
    if action.startswith("s’est opposé "):
        return f"vous êtes opposé(e) {action.removeprefix('s’est opposé ')}"
    return f"avez {action.removeprefix('a ')}" if action.startswith("a ") else action


def access_of(event: Mapping[str, Any], patient: str) -> Access:
    """An AuditEvent as a line for its holder; unknown actions keep their code, so that nothing is left unsaid."""
    agent = (event.get("agent") or [{}])[0]
    who = agent.get("who") or {}
    identifier = who.get("identifier") or {}
    purpose = (event.get("purposeOfEvent") or [{}])[0]
    mode = ((purpose.get("coding") or [{}])[0]).get("code", "normal")
    action = ((event.get("subtype") or [{}])[0]).get("code", "")
    entities = event.get("entity") or []
    document = next(
        (
            str(entity["what"]["reference"]).removeprefix("DocumentReference/")
            for entity in entities
            if str((entity.get("what") or {}).get("reference", "")).startswith("DocumentReference/")
        ),
        "",
    )
    title = next((str(entity["name"]) for entity in entities if entity.get("name")), "")
    is_own = identifier.get("value") == patient
    outcome = str(event.get("outcome", "0"))
    return Access(
        id=str(event.get("id", "")),
        recorded=str(event.get("recorded", "")),
        who=str(who.get("display", "")),
        role=str(((agent.get("role") or [{}])[0]).get("text", "")),
        rpps=str(agent.get("altId", "")),
        action=addressed(ACTIONS.get(action, action)) if is_own else ACTIONS.get(action, action),
        document=document,
        title=title,
        mode=MODES.get(mode, mode),
        reason=str(purpose.get("text", "")),
        refused="" if outcome == "0" else str(event.get("outcomeDesc", "") or "Accès refusé."),
        is_own=is_own,
        is_reading=action in READINGS,
        is_urgent=mode != "normal" or action == "dmp.break_glass",
    )


# What the holder may decide from each state: code, label, explanation, whether a reason is asked for.
_VERBS: Mapping[str, tuple[str, str, bool]] = {
    "ouvrir": (
        "Ouvrir mon dossier",
        "Vos professionnels de santé pourront y déposer des documents, et ceux que vous autorisez les lire.",
        False,
    ),
    "refuser": (
        "Refuser l’ouverture",
        "Aucun dossier ne sera ouvert. Vous pourrez changer d’avis à tout moment.",
        False,
    ),
    "fermer": (
        "Fermer mon dossier",
        "Plus personne ne pourra y ajouter ni y lire de document, vous excepté. Il est conservé dix ans, puis détruit ; "
        "d’ici là vous pouvez le rouvrir.",
        True,
    ),
    "rouvrir": ("Rouvrir mon dossier", "Il retrouve ses documents et les autorisations que vous aviez données.", False),
}
_OFFERED: Mapping[str, tuple[str, ...]] = {
    "NON_CREE": ("ouvrir",),
    "NOTIFIE": ("ouvrir", "refuser"),
    "OPPOSE": ("ouvrir",),
    "ACTIF": ("fermer",),
    "FERME": ("rouvrir",),
    "DETRUIT": (),
}


@dataclass(frozen=True, slots=True)
class Choices:
    """Where the record stands, in words, and what its holder may decide now."""

    sentence: str
    verbs: tuple[tuple[str, str, str, bool], ...]
    opens_on: date | None
    destroyed_on: date | None


def choices(state: str, notified_on: date | None, closed_on: date | None) -> Choices:
    """What the page of the record offers in this state."""
    return Choices(
        sentence=dmp.STATE_LABELS[dmp.State(state)],
        verbs=tuple((code, *_VERBS[code]) for code in _OFFERED[state]),
        opens_on=dmp.opening_date(notified_on) if notified_on else None,
        destroyed_on=dmp.destruction_date(closed_on) if closed_on else None,
    )


def is_readable(state: str) -> bool:
    """Whether the holder has documents to read: a closed record stays readable to her."""
    return state in ("ACTIF", "FERME")


DOCUMENT_COLUMNS = ("date de l’acte", "titre", "type", "auteur", "visibilité", "format", "taille")
"""The columns of a list of documents as a table to keep."""


def document_row(document: Mapping[str, Any]) -> tuple[str, ...]:
    """A `dmp.summary` under these columns."""
    seen = "masqué aux professionnels" if document["is_masked"] else "visible par les professionnels autorisés"
    return (
        document["date"][:10],
        document["title"],
        document["type"],
        document["author"],
        f"{seen}, archivé" if document["is_archived"] else seen,
        document["mime"],
        str(document["size"]),
    )
