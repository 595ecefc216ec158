"""Who may look: authorisations given by the holder or collected by a professional, blocked professionals, treating doctor."""

from datetime import UTC, datetime

from virage.core import audit, db, events
from virage.core.callers import Caller
from virage.core.errors import Conflict, Forbidden, Invalid
from virage.services.dmp.access import rights
from virage.services.dmp.models import Authorisation, Record
from virage.services.dmp.rules import State

GROUNDS = frozenset({"equipe_de_soins", "consentement", "medecin_traitant", "titulaire"})


def _holder(by: Caller, patient: str) -> None:
    if not ((by.kind == "citizen" and by.patient == patient) or by.kind == "system"):
        raise Forbidden("Seul le titulaire du dossier règle les accès des professionnels.", code="DMP.HOLDER_ONLY")


def _professional(identifier: str) -> None:
    if not (identifier.isascii() and identifier.replace("/", "").isalnum() and 2 <= len(identifier) <= 32):
        raise Invalid(
            "L'identifiant national du professionnel (8 + RPPS) est attendu.",
            code="DMP.PROFESSIONAL",
            path="professional",
        )


def _set(
    by: Caller, patient: str, professional: str, name: str, permission: str, ground: str, until: datetime | None
) -> None:
    Authorisation.objects.update_or_create(
        patient=patient,
        professional=professional,
        defaults={
            "permission": permission,
            "ground": ground,
            "since": datetime.now(UTC),
            "until": until,
            **({"name": name} if name else {}),
        },
    )


def authorise(
    *, by: Caller, patient: str, professional: str, name: str = "", ground: str = "", until: datetime | None = None
) -> None:
    """Lets a professional consult the record: the holder says so, or a professional collected the holder's consent for himself.

    Raises Forbidden for others, and where the holder has blocked that professional (only the holder undoes it).
    """
    _professional(professional)
    with db.transaction():
        own = by.kind == "professional" and by.subject == professional
        colleague = by.kind == "professional" and rights(by, patient).permission == "allowed"
        if not (own or colleague):
            _holder(by, patient)
        blocked = Authorisation.objects.filter(
            patient=patient, professional=professional, permission="blocked"
        ).exists()
        if blocked and by.kind == "professional":
            raise Forbidden(
                "Le titulaire de ce dossier a bloqué cet accès : lui seul peut le rouvrir.", code="DMP.BLOCKED"
            )
        if by.kind == "professional" and not Record.objects.filter(pk=patient, state=State.ACTIF).exists():
            raise Conflict("Ce dossier médical partagé n'est pas ouvert.", code="DMP.STATE")
        chosen = ground or ("consentement" if by.kind == "professional" else "titulaire")
        if chosen not in GROUNDS:
            raise Invalid("Ce fondement d'autorisation n'existe pas.", code="DMP.GROUND", path="ground")
        _set(by, patient, professional, name, "allowed", chosen, until)
        audit.trace(
            by=by, action="dmp.authorise", patient=patient, detail={"professionnel": professional, "fondement": chosen}
        )
        events.emit("dmp.authorised", {"patient": patient, "professional": professional}, key=patient)


def block(*, by: Caller, patient: str, professional: str, name: str = "") -> None:
    """Takes all access from a professional, in every mode, until unblocked. Raises Forbidden for others than the holder."""
    _professional(professional)
    _holder(by, patient)
    with db.transaction():
        _set(by, patient, professional, name, "blocked", "titulaire", None)
        audit.trace(by=by, action="dmp.block", patient=patient, detail={"professionnel": professional})
        events.emit("dmp.blocked", {"patient": patient, "professional": professional}, key=patient)


def unblock(*, by: Caller, patient: str, professional: str) -> None:
    """Withdraws a block or an authorisation: the professional is again one whom the record does not know."""
    _holder(by, patient)
    with db.transaction():
        Authorisation.objects.filter(patient=patient, professional=professional).delete()
        audit.trace(by=by, action="dmp.unblock", patient=patient, detail={"professionnel": professional})
        events.emit("dmp.unblocked", {"patient": patient, "professional": professional}, key=patient)


def declare_treating_doctor(*, by: Caller, patient: str, professional: str, name: str = "") -> None:
    """Names the « médecin traitant DMP », who is authorised by it and told of emergency accesses. By the holder or that doctor."""
    _professional(professional)
    if not (by.kind == "professional" and by.subject == professional):
        _holder(by, patient)
    with db.transaction():
        if by.kind == "professional" and rights(by, patient).permission != "allowed":
            raise Forbidden("Recueillez d'abord l'autorisation du patient.", code="DMP.NOT_AUTHORISED")
        if not Record.objects.filter(pk=patient).update(treating_doctor=professional):
            raise Conflict("Cette personne n'a pas de dossier médical partagé.", code="DMP.STATE")
        _set(by, patient, professional, name, "allowed", "medecin_traitant", None)
        audit.trace(
            by=by, action="dmp.declare_treating_doctor", patient=patient, detail={"professionnel": professional}
        )
        events.emit("dmp.treating_doctor", {"patient": patient, "professional": professional}, key=patient)


def refuse_emergency(*, by: Caller, patient: str, refused: bool) -> None:
    """The holder's prior objection to break-glass and regulation accesses, or its withdrawal."""
    _holder(by, patient)
    with db.transaction():
        if not Record.objects.filter(pk=patient).update(emergency_refused=refused):
            raise Conflict("Cette personne n'a pas de dossier médical partagé.", code="DMP.STATE")
        action = "dmp.refuse_emergency" if refused else "dmp.accept_emergency"
        audit.trace(by=by, action=action, patient=patient)
