"""The rule of documents has two readings: they must be equal, whoever asks and whatever the document."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.dmp.world import COLLEAGUE, DENTIST, DOCTOR, NURSE, SYSTEM, World, professional
from virage.services.dmp import access, queries
from virage.services.dmp.rules import metadata
from virage.services.dmp.rules.matrix import column

_TYPES = st.sampled_from(
    [
        ("http://loinc.org", "11488-4"),
        ("http://loinc.org", "68599-0"),
        ("urn:oid:1.2.250.1.213.1.1.4.12", "ATTEST-RESID"),
        ("http://loinc.org", "80788-3"),
        None,
    ]
)
_LABELS = st.sets(
    st.sampled_from(["N", "R", "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"]), max_size=3
)
_STATUS = st.sampled_from(["current", "superseded", "entered-in-error"])
_AUTHORS = st.sampled_from([DOCTOR, COLLEAGUE, NURSE])


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    kind = draw(_TYPES)
    patient = draw(st.sampled_from(["pat-1", "pat-2"]))
    resource = {
        "resourceType": "DocumentReference",
        "id": queries.new_id(patient),
        "status": draw(_STATUS),
        "subject": {"reference": f"Patient/{patient}"},
        "securityLabel": metadata.canonical(draw(_LABELS)),
        "author": [{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": draw(_AUTHORS).subject}}],
        "content": [{"attachment": {"contentType": "text/plain"}}],
    }
    if kind:
        resource["type"] = {"coding": [{"system": kind[0], "code": kind[1]}]}
    return resource


@settings(max_examples=25)
@given(st.lists(documents(), min_size=1, max_size=8))
def test_the_predicate_is_the_sql(world: World, found: list[dict[str, Any]]) -> None:
    store = queries.store()
    store.load(found, by=SYSTEM)
    social = professional("10009999999", "Aide ESSAI", "S41")
    for by in (DOCTOR, COLLEAGUE, NURSE, DENTIST, social, world.patient, replace(DOCTOR, profession="")):
        rule = access.document_filter(by, "pat-1")
        by_sql: set[str] = set()
        cursor = None
        while True:
            page = store.search(
                "DocumentReference", [("patient", "Patient/pat-1")], access=rule, count=100, cursor=cursor
            )
            by_sql |= {version.id for version in page.matches}
            cursor = page.next
            if cursor is None:
                break
        for resource in found:
            assert rule.admits(store.facts(resource)).allowed is (resource["id"] in by_sql), (by.name, resource)


def test_the_matrix_is_read_as_written() -> None:
    assert column("10").admits("68599-0", "11")
    assert not column("10").admits("ATTEST-RESID", "95")
    assert not column("40").admits("68599-0", "11")
    assert column("40").admits("11488-4", "10")
    assert not column("S41").admits("11488-4", "10")
    assert not column("").admits("11488-4", "10")
