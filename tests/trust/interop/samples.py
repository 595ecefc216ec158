"""Invented people and headers for the tests of documents."""

from dataclasses import replace
from typing import Any

from virage.trust.interop import CdaMetadata, Code, Id, Organisation, Participant, Traits

IDENTITY = Traits(
    matricule="279035121518989",
    oid="1.2.250.1.213.1.4.10",
    birth_name="D'ESSAI-LONGUET",
    given_names="ÉLODIE MARIE",
    first_given="ÉLODIE",
    birth_date="1979-03-28",
    sex="F",
    birth_place="51215",
)
HOUSE = Organisation(
    "Cabinet d'essai",
    Id("1.2.250.1.71.4.2.2", "1750803447"),
    Code("AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
)
DOCTOR = Participant(
    ident=Id("1.2.250.1.71.4.2.1", "810001234567"),
    name="Anne ESSAI",
    specialty=Code("G15_10/SM26", "1.2.250.1.213.1.1.4.5", "Médecin généraliste"),
    time="2026-03-05T10:30:00+01:00",
    organisation=HOUSE,
)


def facts(**changes: Any) -> CdaMetadata:
    """A header that the CI-SIS accepts, with these changes."""
    base = CdaMetadata(
        id=Id("1.2.250.1.999.1.1"),
        set_id=Id("1.2.250.1.999.1"),
        version=1,
        code=Code("11488-4", "2.16.840.1.113883.6.1", "CR consultation"),
        title="Compte rendu de consultation",
        effective_time="2026-03-05T10:30:00+01:00",
        language="fr-FR",
        traits=IDENTITY,
        authors=(DOCTOR,),
        custodian=HOUSE,
        legal_authenticator=DOCTOR,
        performer=DOCTOR,
        service_start="2026-03-05T10:00:00+01:00",
        facility_type=Code("SA07", "1.2.250.1.71.4.2.4", "Cabinet individuel"),
    )
    return replace(base, **changes)
