"""Uses of certificates, shaped like those of the IGC-Santé: who issues them, for what, for whom, how long."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ROOT = "racine"
AUTHORITIES = {
    "personnes": "TEST AC IGC-VIRAGE PERSONNES",
    "organisations": "TEST AC IGC-VIRAGE ORGANISATIONS",
    "serveurs": "TEST AC IGC-VIRAGE SERVEURS",
}
ROOT_NAME = "TEST AC RACINE IGC-VIRAGE"
HOLDER = "VIRAGE BAC A SABLE"
ROOT_LIFE, AUTHORITY_LIFE = timedelta(days=3650), timedelta(days=1825)


@dataclass(frozen=True, slots=True)
class Profile:
    """One use: its authority, the key usages, whether it signs documents, whether its key is RSA (S/MIME wants one)."""

    name: str
    authority: str
    usages: tuple[ObjectIdentifier, ...]
    signs: bool = False
    rsa: bool = False
    life: timedelta = timedelta(days=1095)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("carte-auth", "personnes", (ExtendedKeyUsageOID.CLIENT_AUTH,)),
        Profile("carte-sign", "personnes", (), signs=True),
        Profile("org-auth-cli", "organisations", (ExtendedKeyUsageOID.CLIENT_AUTH,)),
        Profile("org-sign", "organisations", (ExtendedKeyUsageOID.EMAIL_PROTECTION,), signs=True, rsa=True),
        Profile("serveur", "serveurs", (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)),
    )
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate names.

    A person: `identifier` is the idNat_PS, with `family`, `given` and the profession as `title`. An organisation or a server:
    `identifier` is the idNat_Struct (or empty), `name` its common name, `organisation` its legal name.
    """

    name: str = ""
    identifier: str = ""
    organisation: str = ""
    family: str = ""
    given: str = ""
    title: str = ""

    def as_name(self, authority: str) -> x509.Name:
        """The distinguished name, in the order that the national certificates have."""
        if authority == "personnes":
            parts = [
                (NameOID.COUNTRY_NAME, "FR"),
                (NameOID.TITLE, self.title),
                (NameOID.COMMON_NAME, self.identifier),
                (NameOID.SURNAME, self.family),
                (NameOID.GIVEN_NAME, self.given),
            ]
        else:
            parts = [
                (NameOID.COUNTRY_NAME, "FR"),
                (NameOID.ORGANIZATION_NAME, self.organisation or self.name),
                (NameOID.ORGANIZATIONAL_UNIT_NAME, self.identifier),
                (NameOID.COMMON_NAME, self.name),
            ]
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])


def subject_of(certificate: x509.Certificate) -> Subject:
    """The subject read back from a certificate."""

    def first(oid: ObjectIdentifier) -> str:
        found = certificate.subject.get_attributes_for_oid(oid)
        return str(found[0].value) if found else ""

    if first(NameOID.SURNAME):
        return Subject(
            name=f"{first(NameOID.GIVEN_NAME)} {first(NameOID.SURNAME)}".strip(),
            identifier=first(NameOID.COMMON_NAME),
            family=first(NameOID.SURNAME),
            given=first(NameOID.GIVEN_NAME),
            title=first(NameOID.TITLE),
        )
    return Subject(
        name=first(NameOID.COMMON_NAME),
        identifier=first(NameOID.ORGANIZATIONAL_UNIT_NAME),
        organisation=first(NameOID.ORGANIZATION_NAME),
    )
