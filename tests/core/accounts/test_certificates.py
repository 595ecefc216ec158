"""The sandbox's authority: what it issues holds, what it did not issue or took back does not."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from virage.core.accounts.certificates import actions
from virage.core.accounts.certificates.queries import revocation_list, verify
from virage.core.callers import system
from virage.core.errors import Invalid, Unknown
from virage.core.pki.authority import NoAuthority, authority, roots
from virage.core.pki.profiles import ROOT, Subject
from virage.core.pki.verification import CLIENT, MAIL, SERVER, Untrusted

BY = system("test")
DOCTOR = Subject(identifier="899900000011", family="ESSAI", given="Ada", title="Médecin")
CLINIC = Subject(name="CLINIQUE ESSAI", identifier="1990000019", organisation="CLINIQUE ESSAI SA")

pytestmark = pytest.mark.django_db


def load(issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def test_a_card_names_its_holder():
    card = load(actions.issue(by=BY, profile="carte-auth", subject=DOCTOR))
    found = verify(card, usage=CLIENT)
    assert (found.identifier, found.family, found.title) == ("899900000011", "ESSAI", "Médecin")
    with pytest.raises(Untrusted, match="usage"):
        verify(card, usage=SERVER)
    with pytest.raises(Untrusted, match="signer"):
        verify(card, usage=None)


def test_an_organisation_signs_and_connects():
    issued = actions.issue(by=BY, profile="org-sign", subject=CLINIC, mails=["contact@clinique.example"])
    assert verify(load(issued), usage=MAIL).identifier == "1990000019"
    assert verify(load(issued), usage=None).organisation == "CLINIQUE ESSAI SA"
    with pytest.raises(Untrusted):
        verify(load(issued), usage=CLIENT)
    assert verify(load(actions.issue(by=BY, profile="org-auth-cli", subject=CLINIC)), usage=CLIENT).name == CLINIC.name


def test_a_server_certificate_satisfies_another_verifier():
    issued = actions.issue(
        by=BY, profile="serveur", subject=Subject(name="localhost"), hosts=["localhost", "127.0.0.1"]
    )
    between = x509.load_pem_x509_certificates(issued.chain)
    verifier = PolicyBuilder().store(Store(roots())).build_server_verifier(x509.DNSName("localhost"))
    assert len(verifier.verify(load(issued), between[:1])) == 3


def test_a_private_key_goes_with_its_certificate():
    issued = actions.issue(by=BY, profile="carte-sign", subject=DOCTOR)
    key = serialization.load_pem_private_key(issued.key, None)
    assert key.public_key() == load(issued).public_key()


def test_revocation():
    issued = actions.issue(by=BY, profile="carte-auth", subject=DOCTOR)
    verify(load(issued), usage=CLIENT)
    actions.revoke(by=BY, serial=issued.serial, reason="keyCompromise")
    with pytest.raises(Untrusted, match="révoqué"):
        verify(load(issued), usage=CLIENT)
    published = x509.load_der_x509_crl(revocation_list("personnes"))
    entry = published.get_revoked_certificate_by_serial_number(load(issued).serial_number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert published.is_signature_valid(authority("personnes")[0].public_key())
    with pytest.raises(Unknown):
        actions.revoke(by=BY, serial=issued.serial)
    with pytest.raises(Invalid):
        actions.revoke(by=BY, serial=issued.serial, reason="boredom")


def test_dates():
    short = load(actions.issue(by=BY, profile="carte-auth", subject=DOCTOR, life=timedelta(hours=1)))
    with pytest.raises(Untrusted, match="date"):
        verify(short, usage=CLIENT, at=datetime.now(UTC) + timedelta(hours=2))
    with pytest.raises(Untrusted, match="date"):
        verify(short, usage=CLIENT, at=datetime.now(UTC) - timedelta(days=2))


def forge(subject: x509.Name, issuer: x509.Name, signer, key, *, ca: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(True, False, False, False, False, ca, ca, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def test_a_stranger_under_a_known_name_is_refused():
    theirs = ec.generate_private_key(ec.SECP256R1())
    parent, _ = authority("personnes")
    forged = forge(DOCTOR.as_name("personnes"), parent.subject, theirs, theirs, ca=False)
    with pytest.raises(Untrusted, match="reconnue"):
        verify(forged, usage=CLIENT)
    own_root = forge(authority(ROOT)[0].subject, authority(ROOT)[0].subject, theirs, theirs, ca=True)
    leaf = forge(DOCTOR.as_name("personnes"), own_root.subject, theirs, theirs, ca=False)
    with pytest.raises(Untrusted, match="reconnue"):
        verify(leaf, [own_root], usage=CLIENT)


def test_a_holder_cannot_issue():
    issued = actions.issue(by=BY, profile="carte-auth", subject=DOCTOR)
    holder = load(issued)
    key = serialization.load_pem_private_key(issued.key, None)
    below = forge(DOCTOR.as_name("personnes"), holder.subject, key, key, ca=False)
    with pytest.raises(Untrusted, match="droit"):
        verify(below, [holder], usage=CLIENT)
    with pytest.raises(Untrusted, match="identité"):
        verify(authority("personnes")[0], usage=CLIENT)


def test_what_cannot_be_issued(monkeypatch):
    with pytest.raises(Invalid, match="usage"):
        actions.issue(by=BY, profile="passeport", subject=DOCTOR)
    with pytest.raises(Invalid, match="porteur"):
        actions.issue(by=BY, profile="carte-auth", subject=Subject(family="ESSAI"))
    with pytest.raises(NoAuthority):
        authority("ailleurs")
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    with pytest.raises(NoAuthority, match="IGC-Santé"):
        actions.issue(by=BY, profile="carte-auth", subject=DOCTOR)
