"""Making certificates of the sandbox. The register of what was made is kept by `core.accounts.certificates`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from virage.core import settings
from virage.core.errors import Invalid
from virage.core.pki.authority import authority, chain_pem
from virage.core.pki.profiles import PROFILES, Profile, Subject

_BACK = timedelta(hours=1)
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate and its private key (PKCS 8, PEM), which the house does not keep; `chain` is what comes above."""

    certificate: bytes
    key: bytes
    chain: bytes
    read: x509.Certificate

    @property
    def serial(self) -> str:
        """The serial number, in hexadecimal."""
        return f"{self.read.serial_number:x}"


def make(
    *,
    profile: str,
    subject: Subject,
    hosts: Sequence[str] = (),
    mails: Sequence[str] = (),
    life: timedelta | None = None,
) -> Issued:
    """A certificate for a use of `profiles.PROFILES`, with a new key. `hosts` are names or addresses of a server, `mails` those
    of an organisation that signs. Raises Invalid for an unknown use or a subject without a name.
    """
    use = PROFILES.get(profile)
    if use is None:
        raise Invalid(f"L'usage est l'un de : {', '.join(PROFILES)}.", code="PKI.PROFILE", path="profile")
    name = subject.as_name(use.authority)
    if not (subject.identifier if use.authority == "personnes" else subject.name):
        raise Invalid("Un certificat nomme son porteur.", code="PKI.SUBJECT", path="subject")
    parent, parent_key = authority(use.authority)
    key: Private = rsa.generate_private_key(65537, 2048) if use.rsa else ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(parent.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + (life or use.life))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(use), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(parent_key.public_key()), critical=False)
        .add_extension(_revocation_list(use.authority), critical=False)
    )
    if use.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(use.usages), critical=False)
    names: list[x509.GeneralName] = [_host(host) for host in hosts]
    names += [x509.RFC822Name(mail) for mail in mails]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(parent_key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(pem, private, chain_pem(use.authority), certificate)


def _usage(use: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=use.signs,
        key_encipherment=use.rsa,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _revocation_list(name: str) -> x509.CRLDistributionPoints:
    place = x509.UniformResourceIdentifier(f"{settings.base_url()}/psc/igc/{name}.crl")
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name=[place], relative_name=None, reasons=None, crl_issuer=None)]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
