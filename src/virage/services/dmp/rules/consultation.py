"""Who may consult a record, and who may feed it: the decision that comes before any document is looked at.

Sources: L. 1110-12 (care team), R. 1111-46 and 47, L. 1111-17 I and R. 1111-48 (emergency), TRE_R248 (access modes).
"""

from dataclasses import dataclass

from virage.core.access import Decision
from virage.core.callers import Caller
from virage.services.dmp.rules.lifecycle import LABELS, State

NORMAL = "normal"
BREAK_GLASS = "bris_de_glace"
REGULATION = "centre_15"
_REGULATORS = frozenset({"regulateur", "regulateur15", "regulation", "medecin regulateur", "samu"})
YES = Decision(True)


@dataclass(frozen=True, slots=True)
class Rights:
    """What the house knows of one caller and one record: `permission` is `allowed`, `blocked` or empty.

    `emergency_refused` is the holder's prior objection to break-glass access; `holder` tells that the caller is the holder.
    """

    state: State
    permission: str = ""
    emergency_refused: bool = False
    holder: bool = False


def _no(rule: str, reason: str) -> Decision:
    return Decision(False, reason, f"dmp.{rule}")


def is_regulator(by: Caller) -> bool:
    """Whether a professional regulates emergency calls (SAMU-centre 15): said by role or by place of practice."""
    words = (by.role.casefold().replace("é", "e"), by.login)
    return any(word in _REGULATORS or word.startswith(("regulat", "medecin regulat")) for word in words if word)


def may_consult(by: Caller, rights: Rights) -> Decision:
    """Whether this caller may look into this record now, with the reason of a refusal."""
    if rights.holder:
        if rights.state in (State.ACTIF, State.FERME):
            return YES
        return _no("state", f"Votre dossier médical partagé {LABELS[rights.state]}.")
    if by.kind != "professional":
        return _no(
            "kind", "Seuls le titulaire et les professionnels authentifiés consultent un dossier médical partagé."
        )
    if rights.permission == "blocked":
        return _no("blocked", "Le titulaire de ce dossier a bloqué votre accès.")
    if rights.state is not State.ACTIF:
        return _no("state", f"Ce dossier médical partagé {LABELS[rights.state]}.")
    if by.purpose == BREAK_GLASS:
        return _emergency(by, rights)
    if by.purpose == REGULATION:
        if not is_regulator(by):
            return _no("regulator", "L'accès « centre 15 » est réservé à la régulation médicale.")
        return YES if not rights.emergency_refused else _refused_before("l'accès du centre de régulation")
    if by.purpose != NORMAL:
        return _no("mode", "Ce mode d'accès n'existe pas : normal, bris_de_glace ou centre_15.")
    if rights.permission != "allowed":
        return _no(
            "not_authorised",
            "Vous ne faites pas partie de l'équipe de soins et le patient ne vous a pas autorisé : recueillez son "
            "consentement, ou en cas d'urgence accédez en bris de glace en donnant le motif.",
        )
    return YES


def _emergency(by: Caller, rights: Rights) -> Decision:
    if not by.reason.strip():
        return _no("reason", "Le bris de glace demande un motif : indiquez pourquoi l'accès est nécessaire.")
    return _refused_before("l'accès en urgence") if rights.emergency_refused else YES


def _refused_before(what: str) -> Decision:
    return _no("emergency_refused", f"Le titulaire de ce dossier a refusé par avance {what}.")


def may_feed(by: Caller, rights: Rights) -> Decision:
    """Whether this caller may add to this record: authorisations gate consultation only, blocking gates both."""
    if rights.state is not State.ACTIF:
        return _no("state", f"Ce dossier médical partagé {LABELS[rights.state]} : il ne peut pas être alimenté.")
    if rights.holder or by.kind == "system":
        return YES
    if by.kind not in ("professional", "software"):
        return _no(
            "kind", "Seuls le titulaire, un professionnel ou son logiciel alimentent un dossier médical partagé."
        )
    if rights.permission == "blocked":
        return _no("blocked", "Le titulaire de ce dossier a bloqué votre accès.")
    return YES
