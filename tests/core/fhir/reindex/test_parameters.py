"""Search parameters that users post: checked, indexed in the background, answered only when whole, taken away again."""

import pytest

from tests.core.fhir.reindex.conftest import finish, found, parameter
from tests.core.fhir.router.conftest import observation, patient
from virage.core import db
from virage.core.fhir.index import registry
from virage.core.fhir.reindex import engine, table
from virage.core.fhir.reindex import rows as rows_of

KINDS = [
    ("nom-long", "string", "Patient.name.where(use='official').family", "nom-long=dur"),
    ("metier", "token", "Patient.extension.where(url='urn:x:metier').value.ofType(code)", "metier=couvreur"),
    ("arrivee", "date", "Patient.extension.where(url='urn:x:arrivee').value.ofType(date)", "arrivee=ge2020"),
    ("taille", "quantity", "Patient.extension.where(url='urn:x:taille').value.ofType(Quantity)", "taille=gt150"),
    ("rang", "number", "Patient.multipleBirth.ofType(integer)", "rang=2"),
    ("page", "uri", "Patient.extension.where(url='urn:x:page').value.ofType(uri)", "page=urn:p:1"),
    (
        "medecin",
        "reference",
        "Patient.extension.where(url='urn:x:medecin').value.ofType(Reference)",
        "medecin=Practitioner/d",
    ),
    ("calcul", "string", "Patient.where(active).name.family.upper()", "calcul=durand"),
]


def rich(id, **more):
    return patient(
        id=id,
        name=[{"use": "official", "family": "Durand"}],
        active=True,
        multipleBirthInteger=2,
        extension=[
            {"url": "urn:x:metier", "valueCode": "couvreur"},
            {"url": "urn:x:arrivee", "valueDate": "2021-05-06"},
            {"url": "urn:x:taille", "valueQuantity": {"value": 170, "code": "cm"}},
            {"url": "urn:x:page", "valueUri": "urn:p:1"},
            {"url": "urn:x:medecin", "valueReference": {"reference": "Practitioner/d"}},
        ],
        **more,
    )


@pytest.mark.parametrize(("code", "type", "expression", "query"), KINDS)
def test_each_type_of_parameter_finds_what_was_there_and_what_comes(ask, code, type, expression, query):
    ask("PUT", "Patient/avant", rich("avant"))
    ask("PUT", "Patient/autre", patient(id="autre", name=[{"family": "Petit"}]))
    assert ask("PUT", f"SearchParameter/{code}", parameter(code, expression, type, id=code)).status == 201
    refused = ask("GET", f"Patient?{query}")
    assert refused.status == 409
    assert refused.json["issue"][0]["details"]["coding"][0]["code"] == "FHIR.PARAM_BUILDING"
    finish()
    ask("PUT", "Patient/apres", rich("apres"))
    assert found(ask("GET", f"Patient?{query}")) == ["apres", "avant"]
    assert found(ask("GET", f"Patient?{code}:missing=true")) == ["autre"]


def test_chains_has_sort_and_includes_use_it(ask):
    ask("PUT", "Practitioner/d", {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Docteur"}]})
    ask("PUT", "Patient/a", rich("a"))
    ask("PUT", "Patient/b", patient(id="b", multipleBirthInteger=1))
    ask("PUT", "Observation/oa", observation("Patient/a", id="oa"))
    ask("PUT", "Observation/ob", observation("Patient/b", id="ob"))
    for code, type, expression, _ in KINDS:
        ask("PUT", f"SearchParameter/{code}", parameter(code, expression, type, id=code, target=["Practitioner"]))
    finish()
    assert found(ask("GET", "Observation?subject:Patient.metier=couvreur")) == ["oa"]
    assert found(ask("GET", "Patient?medecin.name=docteur")) == ["a"]
    assert found(ask("GET", "Practitioner?_has:Patient:medecin:rang=2")) == ["d"]
    bundle = ask("GET", "Patient?_sort=rang").json
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["b", "a"]
    bundle = ask("GET", "Patient?_id=a&_include=Patient:medecin").json
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["a", "d"]
    bundle = ask("GET", "Practitioner?_revinclude=Patient:medecin").json
    assert {entry["resource"]["id"] for entry in bundle["entry"]} == {"a", "d"}


def test_a_composite_of_components_of_r4(ask):
    ask("PUT", "Patient/a", patient(id="a"))
    ask("PUT", "Observation/o", observation("Patient/a", id="o"))
    component = [
        {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
        {"definition": "http://hl7.org/fhir/SearchParameter/Observation-status", "expression": "status"},
    ]
    made = parameter("code-etat", "Observation", "composite", "Observation", id="ce", component=component)
    assert ask("PUT", "SearchParameter/ce", made).status == 201
    finish()
    assert found(ask("GET", "Observation?code-etat=8867-4$final")) == ["o"]
    assert found(ask("GET", "Observation?code-etat=8867-4$amended")) == []


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"expression": "Patient.nom"}, "SearchParameter.expression", "FHIR.PARAM_DEFINITION"),
        ({"expression": "Patient.name.family.("}, "SearchParameter.expression", "FHIR.FHIRPATH_INVALID"),
        ({"expression": "Patient.name.family.inconnue()"}, "SearchParameter.expression", "FHIR.FHIRPATH_INVALID"),
        ({"expression": "Patient.birthDate"}, "SearchParameter.expression", "FHIR.PARAM_DEFINITION"),
        ({"expression": "Patient." + "name." * 2000}, "SearchParameter.expression", "FHIR.PARAM_DEFINITION"),
        ({"expression": "('a' | 'b').repeat($this & 'x')"}, "SearchParameter.expression", "FHIR.FHIRPATH_TOO_DEAR"),
        ({"base": ["Patient", "Rien"]}, "SearchParameter.base[1]", "FHIR.PARAM_DEFINITION"),
        ({"type": "special"}, "SearchParameter.type", "FHIR.PARAM_DEFINITION"),
        ({"type": "reference", "target": ["Rien"]}, "SearchParameter.target[0]", "FHIR.PARAM_DEFINITION"),
        ({"type": "composite"}, "SearchParameter.component", "FHIR.PARAM_DEFINITION"),
        ({"code": "a.b"}, "SearchParameter.code", "FHIR.PARAM_DEFINITION"),
        ({"code": "name"}, "SearchParameter.code", "FHIR.PARAM_CLASH"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_path(ask, change, path, code):
    made = {**parameter("x", "Patient.name.family", id="x"), **change}
    refused = ask("PUT", "SearchParameter/x", made)
    assert refused.status in (409, 422), refused.body
    issue = refused.json["issue"][0]
    assert issue["details"]["coding"][0]["code"] in (code, "FHIR.INVALID")
    if issue["details"]["coding"][0]["code"] == code:
        assert issue["expression"] == [path]
    assert ask("GET", "SearchParameter/x").status == 404
    assert table.of_resource(0, "x") == []


def test_an_expression_that_grows_dear_never_stops_a_write(ask):
    dear = "Patient.name.select(%resource.name).select(%resource.name).select(%resource.name).family.first()"
    assert ask("PUT", "SearchParameter/x", parameter("cher", dear, id="x")).status == 201
    finish()
    heavy = patient(id="lourd", name=[{"family": f"N{n}"} for n in range(60)])
    assert ask("PUT", "Patient/lourd", heavy).status == 201
    assert ask("PUT", "Patient/leger", patient(id="leger", name=[{"family": "Essai"}])).status == 201
    assert found(ask("GET", "Patient?cher=essai")) == ["leger"]


def test_a_code_belongs_to_the_first_who_took_it(ask):
    assert ask("PUT", "SearchParameter/x", parameter("nouveau", "Patient.name.family", id="x")).status == 201
    other = parameter("nouveau", "Patient.name.given", id="y")
    refused = ask("PUT", "SearchParameter/y", other)
    assert refused.status == 409
    assert "SearchParameter/x" in refused.texts
    assert ask("PUT", "SearchParameter/y", {**other, "base": ["Group"], "expression": "Group.name"}).status == 201
    own = {**parameter("name", "Patient.name", id="z"), "url": "http://hl7.org/fhir/SearchParameter/Patient-name"}
    assert ask("PUT", "SearchParameter/z", own).status == 201
    assert ask("GET", "SearchParameter/z/$index").json["parameter"][0]["valueCode"] == "program"


def test_a_draft_is_not_served_and_a_retired_one_no_more(ask):
    ask("PUT", "Patient/a", rich("a"))
    before = entries()
    made = parameter("rang", "Patient.multipleBirth.ofType(integer)", "number", id="r")
    assert ask("PUT", "SearchParameter/r", {**made, "status": "draft"}).status == 201
    finish()
    assert ask("GET", "Patient?rang=2").status == 400
    assert ask("GET", "SearchParameter/r/$index").json["parameter"][0]["valueCode"] == "inactive"
    ask("PUT", "SearchParameter/r", made)
    states = []
    for _ in range(200):
        answer = ask("GET", "SearchParameter/r/$index").json["parameter"]
        states.append((answer[0]["valueCode"], answer[1]["valueInteger"]))
        if engine.step() == engine.IDLE:
            break
    assert states[0] == ("announced", 0)
    assert states[-1] == ("active", 100)
    assert ("building", 0) in states
    assert found(ask("GET", "Patient?rang=2")) == ["a"]
    assert entries() != before
    ask("PUT", "SearchParameter/r", {**made, "status": "retired"})
    assert ask("GET", "Patient?rang=2").status == 400
    finish()
    assert ask("GET", "Patient?rang=2").status == 400
    assert entries() == before


def test_deleting_takes_the_entries_away(ask):
    ask("PUT", "Patient/a", rich("a"))
    before = entries()
    for code, type, expression, _ in KINDS:
        ask("PUT", f"SearchParameter/{code}", parameter(code, expression, type, id=code))
    finish()
    ask("PUT", "Patient/b", rich("b"))
    during = entries()
    assert len(during) > 2 * len(before)
    for code, *_ in KINDS[1:]:
        assert ask("DELETE", f"SearchParameter/{code}").status == 204
    assert ask("DELETE", f"SearchParameter?code={KINDS[0][0]}").status == 204
    finish()
    ask("DELETE", "Patient/b")
    assert entries() == before
    assert found(ask("GET", "Patient?name=durand")) == ["a"]


def entries():
    """All the entries of live rows."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT rid, unnest(tokens)::text FROM fhir_resource"
            " UNION ALL SELECT rid, k || ' ' || low || ' ' || high FROM fhir_date"
            " UNION ALL SELECT rid, k || folded || exact FROM fhir_string"
            " UNION ALL SELECT rid, k || ' ' || low || ' ' || high FROM fhir_number"
        )
        ours = cursor.fetchall()
        cursor.execute("SELECT rid FROM fhir_resource WHERE type IN (SELECT type FROM fhir_resource WHERE id = 'a')")
        patients = {row[0] for row in cursor}
    return sorted(row for row in ours if row[0] in patients)


def test_a_changed_expression_is_indexed_anew(ask):
    ask("PUT", "Patient/a", patient(id="a", name=[{"family": "Un", "given": ["Deux"]}]))
    made = parameter("mot", "Patient.name.family", id="m")
    ask("PUT", "SearchParameter/m", made)
    finish()
    assert found(ask("GET", "Patient?mot=un")) == ["a"]
    ask("PUT", "SearchParameter/m", {**made, "description": "autrement dit"})
    assert found(ask("GET", "Patient?mot=un")) == ["a"]
    ask("PUT", "SearchParameter/m", {**made, "expression": "Patient.name.given"})
    assert ask("GET", "Patient?mot=un").status == 409
    finish()
    assert found(ask("GET", "Patient?mot=un")) == []
    assert found(ask("GET", "Patient?mot=deux")) == ["a"]


def test_the_statement_announces_it(ask):
    def codes():
        rest = ask("GET", "metadata").json["rest"][0]
        patients = next(each for each in rest["resource"] if each["type"] == "Patient")
        return {each["name"]: each["type"] for each in patients["searchParam"]}

    assert "metier" not in codes()
    code, type, expression, _ = KINDS[1]
    ask("PUT", "SearchParameter/m", parameter(code, expression, type, id="m"))
    assert "metier" not in codes()
    finish()
    assert codes()["metier"] == "token"
    ask("DELETE", "SearchParameter/m")
    assert "metier" not in codes()


def test_in_a_transaction_it_comes_or_goes_with_the_rest(ask):
    def bundle(*entries):
        return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}

    made = parameter("mot", "Patient.name.family", id="m")
    put = {"request": {"method": "PUT", "url": "SearchParameter/m"}, "resource": made}
    bad = {"request": {"method": "PUT", "url": "Patient/x"}, "resource": {"resourceType": "Patient", "id": "y"}}
    assert ask("POST", "", bundle(put, bad)).status >= 400
    assert table.of_resource(0, "m") == []
    good = {"request": {"method": "PUT", "url": "Patient/a"}, "resource": rich("a")}
    assert ask("POST", "", bundle(put, good)).status == 200
    finish()
    assert found(ask("GET", "Patient?mot=durand")) == ["a"]


def test_a_process_that_has_not_heard_writes_with_the_entries_all_the_same(ask):
    """What it knows is of another epoch: its statement writes nothing, and it makes its plan anew."""
    ask("PUT", "Patient/a", rich("a"))
    code, type, expression, query = KINDS[0]
    deaf = registry._known
    ask("PUT", "SearchParameter/m", parameter(code, expression, type, id="m"))
    finish()
    for id, verb in (("a", "PUT"), ("b", "PUT"), ("", "POST")):
        registry._replace(deaf)
        body = rich(id) if id else patient(name=[{"use": "official", "family": "Durand"}])
        assert ask(verb, f"Patient/{id}" if id else "Patient", body).status in (200, 201)
        assert registry.epoch() != deaf.epoch
    registry._replace(deaf)
    from virage.core.callers import system
    from virage.core.fhir import SHARED

    SHARED.store.load([rich("c")], by=system("essai"))
    registry._replace(deaf)
    assert len(found(ask("GET", f"Patient?{query}"))) == 4
    registry._replace(deaf)
    assert ask("DELETE", "Patient/c").status == 204
    assert len(found(ask("GET", f"Patient?{query}"))) == 3


def test_a_process_that_has_not_heard_of_the_end_does_not_answer(ask):
    ask("PUT", "Patient/a", rich("a"))
    code, type, expression, query = KINDS[0]
    made = parameter(code, expression, type, id="m")
    ask("PUT", "SearchParameter/m", made)
    finish()
    assert found(ask("GET", f"Patient?{query}")) == ["a"]
    believing = registry._known
    ask("DELETE", "SearchParameter/m")
    registry._replace(believing)
    assert ask("GET", f"Patient?{query}").status == 400
    registry._replace(believing)
    ask("PUT", "SearchParameter/m", {**made, "expression": "Patient.name.given"})
    registry._replace(believing)
    assert ask("GET", f"Patient?{query}").status == 409


def test_a_newer_program_stops_this_one(ask, monkeypatch):
    with db.cursor() as cursor:
        cursor.execute("UPDATE reindex_epoch SET n = 5, known = %s", [registry.REVISION + 1])
    refused = ask("PUT", "Patient/a", rich("a"))
    assert refused.status == 503
    assert ask("GET", "Patient/a").status == 404


def test_a_new_release_indexes_what_was_there(ask, monkeypatch):
    ask("PUT", "Patient/a", rich("a"))
    whole = entries()
    assert registry.revised(registry.REVISION)
    with db.cursor() as cursor:
        cursor.execute("UPDATE fhir_resource SET tokens = tokens[1:3] WHERE id = 'a'")
        cursor.execute("DELETE FROM fhir_string")
    monkeypatch.setattr(registry, "REVISION", registry.REVISION + 1)
    assert not registry.revised(registry.REVISION)
    finish()
    assert entries() == whole
    assert registry.revised(registry.REVISION)
    version = ask("GET", "Patient/a").headers["ETag"]
    assert version == 'W/"1"'


def test_a_new_house_has_nothing_to_do(db):
    table.stamp_when_empty()
    assert engine.step() == engine.IDLE
    assert registry.revised(registry.REVISION)


def test_a_row_that_somebody_holds_is_taken_up_later(ask, monkeypatch):
    ask("PUT", "Patient/a", rich("a"))
    code, type, expression, query = KINDS[0]
    ask("PUT", "SearchParameter/m", parameter(code, expression, type, id="m"))
    hold, held = rows_of._hold, []

    def busy(changed):
        if not held:
            held.extend(changed)
            return []
        return hold(changed)

    monkeypatch.setattr(rows_of, "_hold", busy)
    finish()
    assert held
    assert found(ask("GET", f"Patient?{query}")) == ["a"]
