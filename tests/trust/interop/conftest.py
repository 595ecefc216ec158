import pytest

from tests.trust.interop.samples import facts
from virage.trust.interop import Code, Section, compose


@pytest.fixture
def n3() -> bytes:
    section = Section(Code("11450-4", "2.16.840.1.113883.6.1"), "Problèmes", ["Asthme <léger>", "Rien d'autre"])
    return compose(facts(), sections=[section])


@pytest.fixture
def n1() -> bytes:
    return compose(facts(), payload=b"%PDF-1.4 vide")
