"""Issuing and revoking: `by` first, one transaction, the trace inside it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography.x509 import ReasonFlags

from virage.core import audit, db
from virage.core.accounts.models import Certificate
from virage.core.callers import Caller
from virage.core.errors import Invalid, Unknown
from virage.core.pki.issuing import Issued, make
from virage.core.pki.profiles import PROFILES, Subject


def issue(
    *,
    by: Caller,
    profile: str,
    subject: Subject,
    hosts: Sequence[str] = (),
    mails: Sequence[str] = (),
    life: timedelta | None = None,
) -> Issued:
    """A certificate with a new key, for a use of `pki.profiles.PROFILES`, entered in the register. Raises Invalid."""
    issued = make(profile=profile, subject=subject, hosts=hosts, mails=mails, life=life)
    with db.transaction():
        Certificate.objects.create(
            serial=issued.serial,
            authority=PROFILES[profile].authority,
            profile=profile,
            subject=issued.read.subject.rfc4514_string()[:500],
            pem=issued.certificate.decode(),
            not_after=issued.read.not_valid_after_utc,
        )
        detail = {"profile": profile, "serial": issued.serial}
        audit.trace(by=by, action="pki.issue", title="Certificat émis", detail=detail)
    return issued


def revoke(*, by: Caller, serial: str, reason: str = "unspecified") -> None:
    """A certificate no longer holds, from now on. Raises Unknown, Invalid."""
    try:
        ReasonFlags(reason)
    except ValueError as error:
        words = ", ".join(flag.value for flag in ReasonFlags)
        raise Invalid(f"Le motif de révocation est l'un de : {words}.", code="PKI.REASON", path="reason") from error
    with db.transaction():
        found = Certificate.objects.filter(serial=serial.lower(), revoked=None)
        if not found.update(revoked=datetime.now(UTC), reason=reason):
            raise Unknown("Aucun certificat en cours ne porte ce numéro de série.", code="PKI.SERIAL")
        audit.trace(by=by, action="pki.revoke", title="Certificat révoqué", detail={"serial": serial, "reason": reason})
