"""What the register says."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from virage.core.accounts.models import Certificate
from virage.core.pki import verification
from virage.core.pki.profiles import Subject


def verify(
    certificate: x509.Certificate,
    between: Sequence[x509.Certificate] = (),
    *,
    usage: ObjectIdentifier | None,
    at: datetime | None = None,
) -> Subject:
    """The subject of a certificate that holds for this use and was not revoked. Raises `pki.verification.Untrusted`."""
    subject = verification.verify(certificate, between, usage=usage, at=at)
    if Certificate.objects.filter(serial=f"{certificate.serial_number:x}").exclude(revoked=None).exists():
        raise verification.Untrusted("Ce certificat a été révoqué : en demander un autre.")
    return subject


def revocation_list(name: str) -> bytes:
    """The revocation list of an authority of the sandbox (DER). Raises NoAuthority."""
    gone = Certificate.objects.filter(authority=name, not_after__gt=datetime.now(UTC)).exclude(revoked=None)
    entries = [(int(one.serial, 16), one.revoked, one.reason) for one in gone if one.revoked is not None]
    return verification.revocation_list(name, entries)
