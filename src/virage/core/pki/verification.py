"""Whether a certificate holds, for a use, now: chain, dates, constraints (RFC 5280, 6). Revocation: `accounts.certificates`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from virage.core.errors import Unauthenticated
from virage.core.pki.authority import authority, roots
from virage.core.pki.profiles import AUTHORITIES, Subject, subject_of

CLIENT, SERVER, MAIL = (
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
)
DEPTH = 4
LIST_LIFE = timedelta(hours=24)
_KNOWN = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)


class Untrusted(Unauthenticated):
    """The certificate proves nothing here: the sentence says why."""

    code = "PKI.UNTRUSTED"


def verify(
    certificate: x509.Certificate,
    between: Sequence[x509.Certificate] = (),
    *,
    usage: ObjectIdentifier | None,
    at: datetime | None = None,
) -> Subject:
    """The subject of a certificate that a trusted root vouches for, for this use (`usage` None: a signature).

    `between` are the authorities that came with it; the sandbox's own are known. Raises Untrusted.
    """
    moment = at or datetime.now(UTC)
    _holds_alone(certificate, moment, usage)
    known = [*between, *_own_authorities()]
    trusted = roots()
    current, depth = certificate, 0
    while True:
        parent = _issuer(current, trusted)
        if parent is not None:
            _may_issue(parent, depth, moment)
            break
        parent = _issuer(current, known)
        if parent is None or depth >= DEPTH:
            raise Untrusted("Ce certificat ne vient d'aucune autorité reconnue ici : en demander un à l'IGC-Santé.")
        _may_issue(parent, depth, moment)
        current, depth = parent, depth + 1
    return subject_of(certificate)


def _own_authorities() -> list[x509.Certificate]:
    from virage.core import settings

    return [authority(name)[0] for name in AUTHORITIES] if settings.sandbox() else []


def _issuer(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None


def _dates(certificate: x509.Certificate, moment: datetime) -> None:
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise Untrusted("Ce certificat n'est pas valable à cette date : le renouveler, ou vérifier l'horloge.")


def _holds_alone(certificate: x509.Certificate, moment: datetime, usage: ObjectIdentifier | None) -> None:
    _dates(certificate, moment)
    if any(extension.critical and extension.oid not in _KNOWN for extension in certificate.extensions):
        raise Untrusted("Ce certificat porte une contrainte que cette plateforme ne sait pas appliquer.")
    if _constraints(certificate).ca:
        raise Untrusted("Un certificat d'autorité n'est pas une identité.")
    if usage is None:
        if not _key_usage(certificate).content_commitment:
            raise Untrusted("Ce certificat ne sert pas à signer : en présenter un de signature.")
        return
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    if usage not in usages:
        raise Untrusted("Ce certificat n'est pas fait pour cet usage : en présenter un qui l'est.")


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return x509.BasicConstraints(ca=False, path_length=None)


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise Untrusted("Ce certificat ne dit pas à quoi sert sa clé.") from None


def _may_issue(parent: x509.Certificate, depth: int, moment: datetime) -> None:
    """An authority: dates, right to sign certificates, and no more authorities below it than it allows."""
    _dates(parent, moment)
    constraints = _constraints(parent)
    too_deep = constraints.path_length is not None and depth > constraints.path_length
    if not constraints.ca or too_deep or not _key_usage(parent).key_cert_sign:
        raise Untrusted("Ce certificat a été émis par un porteur qui n'en a pas le droit.")


def revocation_list(name: str, entries: Iterable[tuple[int, datetime, str]]) -> bytes:
    """The list (DER) signed by an authority of the sandbox: serial numbers, since when, why. Raises NoAuthority."""
    certificate, key = authority(name)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(now)
        .next_update(now + LIST_LIFE)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial, since, reason in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        if reason != "unspecified":
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.DER)
