"""The searches that MHD and PDSm name, as a consumer's software sends them."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.services.dmp.world import COLLEAGUE, DOCTOR, USER, World, practitioner
from virage.core.callers import Caller


def named() -> list[dict[str, Any]]:
    """The doctor as software names her inside a document."""
    return [{**practitioner(DOCTOR), "name": [{"family": "Essai", "given": ["Anne", "Lise"]}]}]


def found(world: World, query: str, type_: str = "DocumentReference") -> list[str]:
    answer = world.ask(DOCTOR, "GET", f"{type_}?patient.identifier={quote(world.ins)}&{query}")
    assert answer.status == 200, answer.body
    return answer.ids


@pytest.mark.parametrize(
    "query",
    [
        "author.family=Essai",
        "author.family=essai&author.given=anne",
        "author:Practitioner.family:exact=Essai",
        "author.name=anne",
        f"author.identifier={DOCTOR.subject}",
        f"author.identifier=urn:oid:1.2.250.1.71.4.2.1|{DOCTOR.subject}",
        "author:PractitionerRole.practitioner.family=essai",
    ],
)
def test_a_document_is_found_by_its_contained_author(world: World, query: str) -> None:
    mine = world.published(contained=named())
    assert found(world, query) == [mine]


def test_an_author_whom_nobody_names_has_the_name_of_the_caller(world: World) -> None:
    mine = world.published()
    assert world.ask(DOCTOR, "GET", f"DocumentReference/{mine}").json["author"][0]["display"] == DOCTOR.name
    assert found(world, "author.name:contains=essai") == [mine]


def test_the_author_behind_a_role_is_found_too(world: World) -> None:
    role = {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "#auteur"}}
    mine = world.published(contained=[*named(), role], author=[{"reference": "#role"}])
    assert found(world, "author.family=ESSAI") == [mine]


def test_who_is_not_the_author_is_not_found(world: World) -> None:
    world.published(contained=named())
    assert found(world, "author.family=Personne") == []
    assert found(world, f"author.identifier={COLLEAGUE.subject}") == []


def test_authenticator_and_custodian_of_the_header_are_found(world: World) -> None:
    mine = world.published()
    document = world.ask(DOCTOR, "GET", f"DocumentReference/{mine}").json
    held = {f"#{one['id']}": one for one in document["contained"]}
    signer = held[document["authenticator"]["reference"]]["name"][0]
    keeper = held[document["custodian"]["reference"]]["name"]
    assert found(world, f"authenticator.family={quote(signer['family'])}") == [mine]
    assert found(world, f"custodian.name={quote(keeper)}") == [mine]


def test_lots_are_found_by_their_source(world: World) -> None:
    lot = world.lot(world.cda())
    lot["entry"][0]["resource"]["contained"] = named()
    assert world.ask(DOCTOR, "POST", "", lot).status == 200
    assert len(found(world, "source.family=essai&source.given=Anne&code=submissionset", "List")) == 1
    assert found(world, "source.family=Personne", "List") == []


def test_what_says_nothing_of_archiving_is_not_archived(world: World) -> None:
    mine = world.published()
    assert found(world, "isArchived=false") == [mine]
    archived = [
        {
            "op": "add",
            "path": "/extension",
            "value": [
                {
                    "url": "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived",
                    "valueBoolean": True,
                }
            ],
        }
    ]
    assert world.ask(DOCTOR, "PATCH", f"DocumentReference/{mine}", archived).status == 200
    assert found(world, "isArchived=false") == []
    assert found(world, "isArchived=true") == [mine]


def test_a_wrong_matricule_is_told_where_it_stands(world: World) -> None:
    answer = world.ask(DOCTOR, "GET", f"DocumentReference?patient.identifier={quote(world.ins[:-2])}00")
    assert answer.status == 422
    assert answer.codes == ["INS.KEY_WRONG"]
    assert answer.json["issue"][0]["expression"] == ["patient.identifier"]


def test_a_citizen_searches_by_author_too(world: World) -> None:
    mine = world.published(contained=named())
    patient = Caller("citizen", "pat-1", patient="pat-1", scopes=USER | {"patient/*.rs"})
    answer = world.ask(patient, "GET", "DocumentReference?author.family=essai")
    assert answer.ids == [mine]


def test_a_broken_document_of_a_lot_is_told_by_its_entry(world: World) -> None:
    answer = world.ask(DOCTOR, "POST", "", world.lot(b"<ClinicalDocument"))
    assert answer.codes == ["INTEROP.XML_MALFORMED"]
    assert answer.json["issue"][0]["expression"] == ["Bundle.entry[1].resource"]
