"""Whatever comes in, an answer goes out: never a 500, FHIR content, nothing written by a refusal."""

import json as stdlib_json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.fhir.router.conftest import observation, patient
from virage.core import db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""]
EDGES = ["", " ", "a" * 70]
SEGMENTS = st.sampled_from(
    [
        *[
            "Patient",
            "Observation",
            "Bundle",
            "Binary",
            "p",
            "1",
            "_history",
            "_search",
            "metadata",
            "$validate",
            "$meta",
            "$everything",
            "$fhirpath",
            "*",
            "..",
            "%00",
            "%2e%2e",
            "Patient%3f",
            "é",
            "99999999999999999999",
            "|",
            "'",
        ],
        *EDGES,
    ]
)
NAMES = st.sampled_from(
    [
        "_id",
        "name",
        "name:exact",
        "birthdate",
        "identifier",
        "subject",
        "subject:Patient.name",
        "_has:Observation:subject:code",
        "_include",
        "_revinclude",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_format",
        "_pretty",
        "_since",
        "_at",
        "_cursor",
        "_lastUpdated",
        "_type",
        "value-quantity",
        "date:missing",
        ":exact",
        "name:",
        "x",
        "_filter",
        "near",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "-1", "true", "ge2020", "2020-13-45", "a|b|c", "|", ",", "\\", "$", "Patient/1", "*", "é", "\x00"]
    ),
    st.sampled_from(
        ["Observation:subject", "Patient:*", "xml", "json", "text", "count", "5.4|http://unitsofmeasure.org|mg"]
    ),
    st.text(max_size=12),
)
KINDS = ["application/fhir+json", "application/json", "application/fhir+xml", "application/json-patch+json", ""]
KINDS += ["application/xml-patch+xml", "text/plain", "application/x-www-form-urlencoded", ";;", "é"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["resourceType", "id", "entry", "x"]), inner)
    ),
    max_leaves=8,
)


def warped(resource):
    """The resource with one of its values exchanged for any JSON value."""

    @st.composite
    def build(draw):
        made = orjson.loads(orjson.dumps(resource))
        place = made
        while True:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(JSON)
            return stdlib_json.dumps(made).encode()

    return build()


OPERATION = {
    "name": "operation",
    "part": [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"}],
}
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    JSON.map(lambda value: stdlib_json.dumps(value).encode()),
    warped(patient(id="p", identifier=[{"system": "urn:s", "value": "1"}])),
    warped(observation("Patient/p", id="o")),
    warped({"resourceType": "Parameters", "parameter": [OPERATION, {"name": "resource", "resource": patient()}]}),
    warped(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"fullUrl": "urn:uuid:1", "request": {"method": "POST", "url": "Patient"}, "resource": patient()},
                {"request": {"method": "PUT", "url": "Patient/p", "ifMatch": 'W/"1"'}, "resource": patient(id="p")},
                {"request": {"method": "GET", "url": "Patient?name=x"}},
            ],
        }
    ),
    warped([{"op": "add", "path": "/name/0/given/-", "value": "x"}, {"op": "move", "from": "/a", "path": "/b"}]),
    st.just(b'<Patient xmlns="http://hl7.org/fhir"><id value="p"/><gender value="blue"/></Patient>'),
    st.just(b'<patch><add sel="f:Patient" type="@x">1</add></patch>'),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["if_match", "if_none_match", "if_none_exist", "if_modified_since", "prefer", "accept", "x_security_context"]
    ),
    st.sampled_from(
        ["", "*", 'W/"1"', "1", "identifier=urn:s|1", "name=x&_count=0", "return=minimal", "handling=lenient"]
    )
    | st.sampled_from(["application/fhir+xml", "text/html", "Mon, 01 Jan 2001 00:00:00 GMT", "é", "?", "=", ";q=x,,"]),
    max_size=3,
)


@pytest.fixture
def peopled(ask):
    ask("PUT", "Patient/p", patient(id="p"))
    ask("PUT", "Observation/o", observation("Patient/p", id="o"))
    return ask


def written():
    with db.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(sum(version), 0) FROM fhir_resource")
        return cursor.fetchone()


@settings(max_examples=200)
@given(
    method=st.sampled_from(METHODS),
    segments=st.lists(SEGMENTS, max_size=4),
    query=st.lists(st.tuples(NAMES, VALUES), max_size=3),
    body=BODIES,
    kind=st.sampled_from(KINDS),
    headers=HEADERS,
)
def test_whatever_comes_in(peopled, caplog, method, segments, query, body, kind, headers):
    url = "/".join(segments).replace("?", "")
    if query:
        url += "?" + "&".join(f"{name}={value}" for name, value in query)
    caplog.clear()
    before = written()
    answer = peopled(method, url, body, content_type=kind, **headers)
    assert answer.status < 500, (answer.body, caplog.text)
    if answer.status >= 400:
        told = answer.body
        assert b"OperationOutcome" in told
        assert written() == before
    elif answer.body and "json" in answer.headers.get("Content-Type", ""):
        assert orjson.loads(answer.body)


@settings(max_examples=150)
@given(
    body=BODIES, url=st.sampled_from(["Patient", "Patient/p", "Observation/o", "", "Patient/$validate", "$fhirpath"])
)
def test_warped_bodies_where_they_belong(peopled, caplog, body, url):
    method = "PUT" if "/" in url and "$" not in url else "POST"
    before = written()
    answer = peopled(method, url, body, content_type="application/fhir+json")
    assert answer.status < 500, (answer.body, caplog.text)
    assert answer.status < 400 or written() == before
