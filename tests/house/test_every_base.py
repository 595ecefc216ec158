"""Whatever comes in at any base, from anybody: never a 5xx, an OperationOutcome with code and advice, nothing written by a refusal."""

from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.fhir.edges import bodies, words
from tests.core.fhir.edges.conftest import Door
from tests.core.fhir.router.conftest import SOFTWARE
from virage.core.callers import Caller
from virage.core.fhir import adapter
from virage.core.fhir.index import params_of
from virage.site import house

JSON = "application/fhir+json"
SERVICES = {service.base: service for service in house.fhir_services()}
CALLERS = [
    SOFTWARE,
    Caller(kind="professional", subject="899900000011", rpps="99900000011", scopes=frozenset({"user/*.cruds"})),
    Caller(kind="citizen", subject="p", patient="p", scopes=frozenset({"patient/*.cruds"})),
    Caller(kind="agent", subject="a", scopes=frozenset({"user/*.rs"})),
]
SHAPES = [
    "",
    "/{}",
    "/{}/p",
    "/{}/p/_history",
    "/{}/p/_history/1",
    "/{}/p/*",
    "/{}/p/{}",
    "/{}/_search",
    "/{}/_history",
    "/_history",
]
INPUTS = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "nomNaissance", "valueString": "x"},
        {"name": "prenom", "valueString": "y"},
        {"name": "dateNaissance", "valueDate": "2000-01-01"},
        {"name": "sexe", "valueCode": "female"},
        {"name": "matricule", "valueString": "1"},
        {"name": "resource", "resource": {"resourceType": "Patient"}},
        {"name": "patient", "valueReference": {"reference": "Patient/p"}},
        {"name": "x", "part": [{"name": "y"}]},
    ],
}


@pytest.fixture
def doors(db, monkeypatch, caplog, tmp_path):
    """A door for each base, and the caller that goes through it next."""
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)
    who = [SOFTWARE]
    monkeypatch.setattr(adapter.accounts, "authenticate", lambda headers: who[0])
    return {base: Door(caplog, service) for base, service in SERVICES.items()}, who


@settings(max_examples=400)
@given(st.sampled_from(sorted(SERVICES)), st.integers(0, len(CALLERS) - 1), st.data())
def test_whatever_comes_in(doors, base, who, data):
    door, next_caller = doors[0][base], doors[1]
    next_caller[0] = CALLERS[who]
    service = SERVICES[base]
    types = sorted(service.served)
    type = data.draw(st.sampled_from(types))
    how = data.draw(st.sampled_from(["search", "search", "place", "operation", "body", "patch"]))
    if how == "search":
        names = sorted(params_of(service.code, type)) + words.NAMES
        name = data.draw(st.sampled_from(names)) + data.draw(st.sampled_from(words.MODIFIERS))
        door.hold("GET", f"/{type}", urlencode({name: data.draw(st.sampled_from(words.VALUES))}))
    elif how == "place":
        shape = data.draw(st.sampled_from(SHAPES)).format(type, data.draw(st.sampled_from(types)))
        query = data.draw(st.sampled_from(["", "_summary=x", "_format=x", "name=ab", "identifier=urn:s|1", "_count=x"]))
        door.hold(data.draw(st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT"])), shape, query)
    elif how == "operation":
        own = [operation.name for operation in service.operations] + [
            "validate",
            "meta",
            "everything",
            "export",
            "lastn",
        ]
        name = data.draw(st.sampled_from(own))
        place = data.draw(st.sampled_from(["/${}", "/Patient/${}", "/Patient/p/${}"])).format(name)
        if data.draw(st.booleans()):
            door.hold("GET", place, urlencode({"patient": data.draw(st.sampled_from(words.VALUES))}))
        else:
            door.hold("POST", place, body=_written(data.draw(words.warped(INPUTS))), kind=JSON)
    elif how == "body":
        resource = data.draw(st.sampled_from(bodies.RESOURCES).flatmap(words.warped))
        place = data.draw(st.sampled_from(["", f"/{type}", f"/{type}/p"]))
        door.hold("PUT" if place.endswith("/p") else "POST", place, body=_written(resource), kind=JSON)
    else:
        patch = data.draw(st.sampled_from(bodies.PATCHES).flatmap(words.warped))
        door.hold("PATCH", f"/{type}/p", body=_written(patch), kind=JSON)


def _written(value):
    try:
        return orjson.dumps(value)
    except TypeError:
        return b"{"
