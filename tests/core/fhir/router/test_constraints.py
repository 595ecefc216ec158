"""Search constraints of SMART scopes: what is granted is held in every way out and in; what cannot be held is not granted."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fhir.bulk.test_export import _export
from tests.core.fhir.router.conftest import asking, observation, patient
from tests.core.fhir.subscriptions.conftest import endpoint  # noqa: F401
from tests.core.fhir.subscriptions.test_subscriptions import _subscribe, _tell, subscription
from virage.core import access
from virage.core.accounts import rules
from virage.core.callers import Caller
from virage.core.fhir import SHARED
from virage.core.fhir.constraints import enforceable

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SCOPE = f"system/Observation.cruds?category={CATEGORY}|laboratory"


def caller(*scopes):
    return Caller(kind="software", subject="s", client_id="s", scopes=frozenset(scopes))


def category(code):
    return [{"coding": [{"system": CATEGORY, "code": code}]}]


@pytest.fixture
def labs(ask):
    ask("PUT", "Patient/p", patient(id="p"))
    for id, code in (("lab", "laboratory"), ("vital", "vital-signs")):
        ask("PUT", f"Observation/{id}", observation("Patient/p", id=id, category=category(code)))
    return asking(caller=caller(SCOPE, "system/Patient.rs"))


def ids(answer):
    assert answer.status == 200, answer.texts
    return {entry["resource"]["id"] for entry in answer.json.get("entry", ())}


def test_what_leaves_meets_the_constraint(labs):
    assert labs("GET", "Observation/lab").status == 200
    for place in ("Observation/vital", "Observation/vital/_history", "Observation/vital/_history/1"):
        assert labs("GET", place).status == 403
    assert ids(labs("GET", "Observation")) == {"lab"}
    assert ids(labs("GET", "Observation?category=vital-signs")) == set()
    assert ids(labs("GET", "Patient/p/Observation")) == {"lab"}
    assert ids(labs("GET", "Observation/_history")) == {"lab"}
    assert ids(labs("GET", "Patient?_has:Observation:patient:category=vital-signs")) == set()
    assert ids(labs("GET", "Patient?_has:Observation:patient:category=laboratory")) == {"p"}
    assert labs("GET", "Observation?_summary=count").json["total"] == 1


def test_what_is_written_meets_it_too(labs):
    lab, vital = category("laboratory"), category("vital-signs")
    assert labs("POST", "Observation", observation("Patient/p", category=lab)).status == 201
    assert labs("POST", "Observation", observation("Patient/p", category=vital)).status == 403
    assert labs("PUT", "Observation/neuf", observation("Patient/p", id="neuf", category=vital)).status == 403
    assert labs("PUT", "Observation/lab", observation("Patient/p", id="lab", category=vital)).status == 403
    assert labs("PUT", "Observation/vital", observation("Patient/p", id="vital", category=lab)).status == 403
    assert labs("DELETE", "Observation/vital").status == 403
    entry = {"request": {"method": "POST", "url": "Observation"}, "resource": observation("Patient/p", category=vital)}
    for kind in ("transaction", "batch"):
        answer = labs("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert answer.status == 403 or answer.json["entry"][0]["response"]["status"].startswith("403")
    assert labs("DELETE", "Observation/lab").status == 204


def test_a_search_meets_other_types_by_the_scopes_that_open_them(labs):
    """A chain, an include or a condition on what the token does not open would tell what it holds."""
    patients = asking(caller=caller("system/Patient.rs"))
    assert ids(patients("GET", "Patient")) == {"p"}
    assert ids(patients("GET", "Patient?_has:Observation:patient:status=final")) == set()
    assert ids(patients("GET", "Patient?_revinclude=Observation:patient")) == {"p"}
    assert ids(labs("GET", "Patient?_revinclude=Observation:patient")) == {"p", "lab"}
    assert ids(labs("GET", "Observation?_include=Observation:subject")) == {"p", "lab"}
    assert ids(labs("GET", "Observation?subject:Patient.name=essai")) == {"lab"}
    only = asking(caller=caller("system/Observation.rs"))
    assert ids(only("GET", "Observation?_include=Observation:subject")) == {"lab", "vital"}
    assert ids(only("GET", "Observation?subject:Patient.name=essai")) == set()


@pytest.mark.parametrize(
    ("type", "query", "held"),
    [
        ("Observation", f"category={CATEGORY}|laboratory", True),
        ("Observation", "category=laboratory,vital-signs&status=final", True),
        ("Observation", "subject=Patient/1", True),
        ("*", "_security=urn:s|x", True),
        ("Observation", "category:in=http://x/vs", False),
        ("Observation", "subject.name=x", False),
        ("Observation", "date=ge2020-01-01", False),
        ("Observation", f"category={CATEGORY}|", False),
        ("Observation", "subject=1", False),
        ("Observation", "inconnu=x", False),
        ("Inconnu", "status=x", False),
        ("*", "status=x", False),
        ("Observation", "", False),
    ],
)
def test_only_constraints_that_are_held_are_granted(ask, type, query, held):
    assert enforceable(type, query) is held
    scope = f"system/{type}.rs?{query}"
    if query:
        granted = rules.grant_scopes([scope, "system/Patient.rs"], client=["system/*.cruds"], person=None)
        assert granted == ({scope, "system/Patient.rs"} if held else {"system/Patient.rs"})


def test_an_export_holds_what_meets_the_constraint(labs, monkeypatch, tmp_path):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    both, one = caller(SCOPE, "system/Patient.rs"), caller(SCOPE)
    for path in ("$export", "Patient/$export", "$export?_type=Observation&_typeFilter=Observation%3Fstatus%3Dfinal"):
        _, found = _export(labs, path, both)
        assert {each["id"] for each in found if each["resourceType"] == "Observation"} == {"lab"}
    assert {each["id"] for each in _export(asking(caller=one), caller=one)[1]} == {"lab"}


def test_everything_and_includes_hold_it_too(labs, ask):
    assert ids(labs("GET", "Patient/p/$everything")) == {"p", "lab"}
    assert labs("GET", "Patient/p/$everything?_summary=count").json["total"] == 2
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"}}
    report["result"] = [{"reference": "Observation/lab"}, {"reference": "Observation/vital"}]
    ask("PUT", "DiagnosticReport/r", report)
    reader = asking(caller=caller(SCOPE, "system/DiagnosticReport.rs"))
    assert ids(reader("GET", "DiagnosticReport?_include=DiagnosticReport:result")) == {"r", "lab"}
    assert ids(reader("GET", "DiagnosticReport?_include=*")) == {"r", "lab"}
    assert ids(reader("GET", "DiagnosticReport?result:Observation.category=vital-signs")) == set()


def test_operations_histories_and_bundles_hold_it_too(labs, ask):
    ask(
        "PUT",
        "Observation/vital",
        observation("Patient/p", id="vital", category=category("vital-signs"), status="amended"),
    )
    assert ids(labs("GET", "Observation/$lastn?patient=Patient/p&category=laboratory,vital-signs")) == {"lab"}
    for place in ("$meta", "$validate", "_history/2", "_history"):
        assert labs("GET", f"Observation/vital/{place}").status == 403, place
        assert labs("GET", f"Observation/lab/{place.replace('/2', '/1')}").status == 200, place
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    assert labs("POST", "Observation/vital/$meta-add", body).status == 403
    change = [{"op": "replace", "path": "/status", "value": "final"}]
    patched = {"content_type": "application/json-patch+json"}
    assert labs("PATCH", "Observation/vital", change, **patched).status == 403
    assert labs("PATCH", "Observation?_id=vital", change, **patched).status in (403, 404)
    moved = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs"}]
    assert labs("PATCH", "Observation/lab", moved, **patched).status == 403
    # A condition that would meet what may not be seen meets nothing, or is refused: it tells nothing.
    hidden = observation("Patient/p", category=category("laboratory"))
    assert labs("POST", "Observation", hidden, if_none_exist="category=vital-signs").status == 201
    urls = ["Observation/vital", "Observation?category=vital-signs", "Observation/vital/_history", "Observation/lab"]
    urls += [
        "Observation/$lastn?patient=Patient/p&category=vital-signs",
        "Patient?_revinclude=Observation:patient&_id=p",
    ]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    told = labs("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}).json
    answers = [each["resource"] for each in told["entry"] if "resource" in each]
    held = [each.get("entry", []) if each["resourceType"] == "Bundle" else each for each in answers]
    assert b"vital-signs" not in orjson.dumps(held)
    statuses = [each["response"]["status"][:3] for each in told["entry"]]
    assert statuses == ["403", "200", "403", "200", "200", "200"]
    everywhere = asking(caller=caller("system/*.rs?_tag=urn:s|x"))
    ask("PUT", "Patient/q", patient(id="q", meta={"tag": [{"system": "urn:s", "code": "x"}]}))
    for place in ("_history", "?_type=Patient,Observation", "Patient/_history"):
        assert ids(everywhere("GET", place)) == {"q"}, place
    assert ids(everywhere("GET", "Patient/q/*")) == {"q"}
    assert everywhere("GET", "Patient/p/$everything").status == 403


def test_a_subscriber_is_told_of_what_meets_it_only(labs, ask, endpoint):  # noqa: F811
    owner = asking(caller=caller(SCOPE, "system/Subscription.cruds"))
    id = _subscribe(owner, subscription(endpoint.url, "Observation?status=final", payload="application/fhir+json"))
    for name in ("vital-signs", "laboratory"):
        ask("PUT", f"Observation/{name}", observation("Patient/p", id=name, category=category(name)))
        _tell(id)
    told = [orjson.loads(body)["id"] for method, _, _, body in endpoint.got if method == "PUT" and body]
    assert told == ["laboratory"]


SYSTEMS = ("urn:one", "urn:two", "")
CODES = ("a", "b")
SUBJECTS = ("Patient/p", "Patient/q", "Group/p")
WORDS = st.sampled_from([*(f"{s}|{c}" for s in SYSTEMS for c in CODES), *CODES, "c", "urn:one|c"])
CONSTRAINTS = st.one_of(
    st.tuples(st.sampled_from(["category", "code", "_tag"]), st.lists(WORDS, min_size=1, max_size=3).map(",".join)),
    st.tuples(
        st.just("subject"), st.lists(st.sampled_from([*SUBJECTS, "Patient/r"]), min_size=1, max_size=2).map(",".join)
    ),
    st.tuples(st.just("status"), st.sampled_from(["final", "amended", "final,amended", "x"])),
)
SCOPES = st.tuples(
    st.sampled_from(["system", "patient"]), st.sampled_from(["Observation", "*"]), st.lists(CONSTRAINTS, max_size=3)
).map(lambda found: f"{found[0]}/{found[1]}.rs" + ("?" + "&".join(map("=".join, found[2])) if found[2] else ""))


@pytest.fixture
def world(ask):
    """Observations of every kind that the scopes tell apart."""

    def coding(system, code):
        return {"code": code, **({"system": system} if system else {})}

    found = []
    kinds = itertools.product(SYSTEMS, CODES, SUBJECTS)
    for number, (system, code, subject) in enumerate(kinds):
        more = {"meta": {"tag": [coding(system, code)]}} if number % 3 else {}
        made = observation(subject, id=f"o{number}", status=("final", "amended")[number % 2], **more)
        if number % 4:
            made["category"] = [{"coding": [coding(system, code), coding("urn:two", "b")][: number % 3]}]
        made["code"] = {"coding": [coding(SYSTEMS[number % 3], CODES[number % 2])]}
        found.append({**made, "category": [each for each in made.get("category", []) if each["coding"]]})
    found = [{name: value for name, value in each.items() if value != []} for each in found]
    SHARED.store.load(found, by=caller())
    return found


@given(st.lists(SCOPES, min_size=1, max_size=3))
def test_the_decision_and_the_sql_of_a_scope_agree(world, scopes):
    """What a list leaves out is what a read refuses, whatever the constraint that can be held."""
    held = rules.grant_scopes(scopes, client=["system/*.cruds", "patient/*.cruds"], person=None)
    by = Caller(kind="software", subject="s", client_id="s", scopes=held, patient="p")
    rule = access.scope_filter(by, "read", "Observation")
    page = SHARED.store.search("Observation", [], access=rule, count=100)
    decided = {each["id"] for each in world if rule.admits(SHARED.store.facts(each)).allowed}
    assert {version.id for version in page.matches} == decided
