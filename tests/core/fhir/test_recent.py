"""What is remembered of earlier resources never shows in the entries or in the findings of the next one."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from virage.core.fhir import validation
from virage.core.fhir.index import aliases_of, keys, params_of, prose
from virage.core.fhir.index.plan import Indexer
from virage.core.fhir.recent import Recent

TEXTS = st.sampled_from(["a", "b", "é", "", "a b", "http://loinc.org", None, 1, True, []])
CODINGS = st.fixed_dictionaries({}, optional={"system": TEXTS, "code": TEXTS, "display": TEXTS})
CONCEPTS = st.fixed_dictionaries({}, optional={"coding": st.lists(CODINGS, max_size=3), "text": TEXTS})
REFERENCES = st.fixed_dictionaries(
    {},
    optional={
        "reference": st.sampled_from(["Patient/p", "Patient/q", "Group/p", "#x", "urn:uuid:1", "http://x/Patient/p"]),
        "type": st.sampled_from(["Patient", "Group"]),
        "display": TEXTS,
        "identifier": st.fixed_dictionaries({}, optional={"system": TEXTS, "value": TEXTS}),
    },
)
QUANTITIES = st.fixed_dictionaries(
    {"value": st.sampled_from([1, 1.5, -3])},
    optional={"unit": st.just("kg"), "code": st.sampled_from(["kg", "g"]), "comparator": st.just("<")},
)
COMPONENTS = st.fixed_dictionaries(
    {}, optional={"code": CONCEPTS, "valueQuantity": QUANTITIES, "valueCodeableConcept": CONCEPTS}
)
OBSERVATIONS = st.fixed_dictionaries(
    {"resourceType": st.just("Observation")},
    optional={
        "status": st.sampled_from(["final", "amended", None]),
        "category": st.lists(CONCEPTS | st.none(), max_size=6),
        "code": CONCEPTS,
        "subject": REFERENCES,
        "performer": st.lists(REFERENCES, max_size=2),
        "effectiveDateTime": st.sampled_from(["2020", "2020-02", "2020-02-03", "1850", "2020-12-31T23:59:59Z", "no"]),
        "valueQuantity": QUANTITIES,
        "valueCodeableConcept": CONCEPTS,
        "valueString": st.sampled_from(["a", "é"]),
        "component": st.lists(COMPONENTS, max_size=2),
        "note": st.lists(st.fixed_dictionaries({"text": TEXTS}), max_size=2),
        "contained": st.lists(
            st.fixed_dictionaries(
                {"resourceType": st.sampled_from(["Patient", "Device"]), "id": st.just("x")},
                optional={"name": st.just([{"family": "a"}])},
            ),
            max_size=1,
        ),
    },
)


def fresh(type_):
    return Indexer(0, type_, list(params_of(0, type_).values()), aliases_of(0, type_))


KEPT = fresh("Observation")


@given(st.lists(OBSERVATIONS, min_size=1, max_size=4))
def test_entries_do_not_depend_on_what_came_before(resources):
    for resource in resources:
        assert KEPT.index(resource) == fresh("Observation").index(resource)


@given(OBSERVATIONS)
def test_every_text_is_found_by_its_words_wherever_it_stands(resource):
    read: list[str] = []
    prose.gather(resource, "Observation", read)
    key = keys.param_hash(0, "Observation", prose.CONTENT)

    def tokens(texts):
        return {(key ^ hashed) & keys.MASK for text in texts for hashed in prose.hashes(text)}

    found = KEPT.index(resource).tokens
    assert tokens(read) <= found
    assert not (tokens(["a", "b", "é", "http://loinc.org", "kg"]) - tokens(read)) & found


def told(resource):
    return [(each.code, each.text, each.path, each.severity) for each in validation.check(resource)]


@given(st.lists(OBSERVATIONS, min_size=1, max_size=4))
def test_findings_do_not_depend_on_what_came_before(resources):
    for resource in resources:
        with patch.object(Recent, "get", return_value=None):
            alone = told(resource)
        assert told(resource) == alone
        assert told(resource) == alone, "nor does a second look"


def test_a_pointer_inside_is_sound_in_its_own_resource_only():
    inside = {"contained": [{"resourceType": "Organization", "id": "o", "name": "O"}]}
    patient = {"resourceType": "Patient", "managingOrganization": {"reference": "#o"}}
    hidden = {"url": "http://example.org/e", "valueReference": {"reference": "#o"}}
    within = {"resourceType": "Patient", "managingOrganization": {"display": "O", "extension": [hidden]}}
    for each, path in ((patient, ""), (within, ".extension[0].value.ofType(Reference)")):
        assert told({**each, **inside}) == []
        assert [found[2] for found in told(each)] == [f"Patient.managingOrganization{path}"]


def test_only_the_latest_keys_are_remembered():
    recent: Recent[int] = Recent()
    for number in range(5000):
        recent.keep(b"%d" % number, number)
        assert recent.get(b"0") == 0, "one that is asked for again stays"
    assert recent.get(b"4999") == 4999
    assert sum(recent.get(b"%d" % number) is not None for number in range(5000)) <= 1024
