"""The guard, whatever the Patient: what leaves never shows the matricule of an identity that is not qualified."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from virage.core.callers import Caller
from virage.trust.ins import guard, rules
from virage.trust.ins.identity import COMMENTS, LEGACY_STATUSES, RELIABILITY, STATUSES

NUMBER = "236066322083656"
ANYONE = Caller(kind="professional", subject="8x")

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
statuses = st.sampled_from(["PROV", "RECUP", "VALI", "QUAL", "", "AUTRE"])
systems = st.sampled_from([f"urn:oid:{oid}" for oid in rules.OIDS])
identifiers = st.lists(
    st.one_of(
        st.builds(
            lambda s, u: {"system": s, "value": NUMBER, "use": u}, systems, st.sampled_from(["official", "old", "temp"])
        ),
        st.just({"system": "urn:local", "value": "IPP-1"}),
    ),
    max_size=4,
)


@st.composite
def patients(draw: st.DrawFn) -> dict:
    parts = [
        {
            "url": "identityStatus",
            "valueCoding": {"system": draw(st.sampled_from([STATUSES, LEGACY_STATUSES])), "code": draw(statuses)},
        }
    ]
    parts += [
        {"url": "comment", "valueCodeableConcept": {"coding": [{"system": COMMENTS, "code": code}]}}
        for code in draw(st.lists(st.sampled_from(["DOUT", "FICT", "HOMA", "VIDE"]), max_size=2))
    ]
    return {
        "resourceType": "Patient",
        "text": {"div": f"<div>{NUMBER}</div>"},
        "extension": [{"url": RELIABILITY, "extension": parts}],
        "identifier": draw(identifiers),
    }


@given(patients(), st.sampled_from(["ins", "dmp", "fhir"]))
def test_only_a_qualified_identity_carries_its_matricule_out(patient: dict, space: str) -> None:
    before = copy.deepcopy(patient)
    sent = guard.outgoing(patient, ANYONE, space)
    assert patient == before
    coding = patient["extension"][0]["extension"][0]["valueCoding"]
    shown = [i for i in sent.get("identifier", []) if i["value"] == NUMBER]
    if shown:
        legacy = coding == {"system": LEGACY_STATUSES, "code": "VALI"}
        assert coding["code"] == "QUAL" or legacy
        assert not {"DOUT", "FICT"} & {
            part.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("code")
            for part in patient["extension"][0]["extension"]
        }
    else:
        assert [i for i in patient["identifier"] if i["value"] != NUMBER] == sent.get("identifier", [])


@given(st.dictionaries(st.sampled_from(["identifier", "extension"]), junk))
def test_a_damaged_patient_is_never_an_accident(damage: dict) -> None:
    # What clients send is checked for its structure before; what the store holds might still be older than the check.
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": f"urn:oid:{rules.OID_NIR_TEST}", "value": NUMBER}],
        **damage,
    }
    sent = guard.outgoing(patient, ANYONE, "dmp")
    assert NUMBER not in str(sent)


@given(st.lists(st.one_of(junk, st.builds(lambda s, v: {"system": s, "value": v}, systems, junk)), max_size=3))
def test_what_comes_in_is_judged_without_accident(found: list) -> None:
    issues = guard.incoming({"resourceType": "Patient", "identifier": found}, ANYONE, "ins")
    assert all(issue.path.startswith("Patient") for issue in issues)
