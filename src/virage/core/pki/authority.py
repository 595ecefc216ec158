"""The sandbox's certificate authority: a root and one authority for each kind of holder, made on first use.

Keys and certificates of authorities are files of `VIRAGE_HOME/keys` (0600). It does not exist outside the sandbox, where the
certificates come from the IGC-Santé and only their roots are needed (`VIRAGE_PKI_ROOTS`).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from virage.core import settings
from virage.core.errors import VirageError
from virage.core.pki.keys import owner_only_lock, write_secret
from virage.core.pki.places import keys_folder
from virage.core.pki.profiles import AUTHORITIES, AUTHORITY_LIFE, HOLDER, ROOT, ROOT_LIFE, ROOT_NAME

_BACK = timedelta(hours=1)  # certificates hold a little before they are made, for clocks that are late
_SIGNER = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class NoAuthority(VirageError):
    """There is no certificate authority here."""

    code = "PKI.NO_AUTHORITY"
    status = 503


def _files(name: str) -> tuple[Path, Path]:
    return keys_folder() / f"igc-{name}.key.pem", keys_folder() / f"igc-{name}.crt.pem"


def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and the key of `racine`, `personnes`, `organisations` or `serveurs`. Raises NoAuthority."""
    if not settings.sandbox():
        raise NoAuthority(
            "L'autorité de certification n'existe que dans le bac à sable : demander un certificat à l'IGC-Santé."
        )
    if name != ROOT and name not in AUTHORITIES:
        raise NoAuthority("Cette autorité de certification n'existe pas.", status=404)
    key_file, certificate_file = _files(name)
    if not certificate_file.exists():
        if name != ROOT:
            authority(ROOT)
        with owner_only_lock(certificate_file):
            if not certificate_file.exists():
                _make(name)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NoAuthority("La clé de l'autorité n'est pas celle que cette plateforme a faite : voir VIRAGE_HOME/keys.")
    return x509.load_pem_x509_certificate(certificate_file.read_bytes()), key


def _make(name: str) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    now = datetime.now(UTC)
    subject = _name(ROOT_NAME if name == ROOT else AUTHORITIES[name])
    if name == ROOT:
        issuer, issuer_key, above = subject, key, key.public_key()
    else:
        parent, issuer_key = authority(ROOT)
        issuer, above = parent.subject, issuer_key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + (ROOT_LIFE if name == ROOT else AUTHORITY_LIFE))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1 if name == ROOT else 0), critical=True)
        .add_extension(_SIGNER, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
        .sign(issuer_key, hashes.SHA384())
    )
    key_file, certificate_file = _files(name)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The key first: a certificate file that exists always has its key.
    write_secret(key_file, private)
    write_secret(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


def _name(common: str) -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, HOLDER), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def roots() -> list[x509.Certificate]:
    """The roots that are trusted: those of the file `VIRAGE_PKI_ROOTS`, and in the sandbox its own."""
    found = [authority(ROOT)[0]] if settings.sandbox() else []
    extra = settings.get("VIRAGE_PKI_ROOTS")
    if extra:
        found += x509.load_pem_x509_certificates(Path(extra).read_bytes())
    return found


def chain_pem(name: str) -> bytes:
    """The authority and the root above it, as PEM: what a server sends along with its certificate."""
    encoded = [authority(name)[0], authority(ROOT)[0]]
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in encoded)
