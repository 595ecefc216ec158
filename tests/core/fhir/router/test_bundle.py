"""batch and transaction, in a database where they really commit."""

import threading

import pytest

from tests.core.fhir.router.conftest import BASE, SOFTWARE, observation, patient

ANNE = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
PULSE = "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


def bundle(*entries, type="transaction"):
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def entry(method, url, resource=None, full_url="", **conditions):
    made = {"request": {"method": method, "url": url, **conditions}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def count(ask, type="Patient"):
    return ask("GET", f"{type}?_summary=count").json["total"]


def statuses(answer):
    return [each["response"]["status"][:3] for each in answer.json["entry"]]


def test_entries_point_at_each_other(ask):
    narrative = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{ANNE}">Anne</a></div>',
    }
    pulse = observation(ANNE, text=narrative, identifier=[{"system": "urn:ietf:rfc:3986", "value": ANNE}])
    answer = ask(
        "POST", "", bundle(entry("POST", "Observation", pulse, PULSE), entry("POST", "Patient", patient(), ANNE))
    )
    assert statuses(answer) == ["201", "201"]
    made = ask("GET", "Observation").json["entry"][0]["resource"]
    reference = made["subject"]["reference"]
    assert ask("GET", reference).status == 200
    assert f'href="{reference}"' in made["text"]["div"]
    assert made["identifier"][0]["value"] == ANNE, "an identifier is not a pointer"
    assert made["id"].partition("-")[0] != ""
    location = answer.json["entry"][0]["response"]["location"]
    assert location == f"{BASE}/Observation/{made['id']}/_history/1"


def test_relative_references_follow_the_full_url(ask):
    home = "http://elsewhere.example/fhir"
    answer = ask(
        "POST",
        "",
        bundle(
            entry("POST", "Patient", patient(id="12"), f"{home}/Patient/12"),
            entry("POST", "Observation", observation("Patient/12"), f"{home}/Observation/1"),
            entry("POST", "Observation", observation(f"{home}/Patient/12"), f"{home}/Observation/2"),
        ),
    )
    assert statuses(answer) == ["201"] * 3
    subjects = {each["resource"]["subject"]["reference"] for each in ask("GET", "Observation").json["entry"]}
    assert subjects == {answer.json["entry"][0]["response"]["location"].removeprefix(BASE + "/").partition("/_")[0]}


def test_order_of_work_and_order_of_answers(ask):
    old = ask("POST", "Patient", patient()).json["id"]
    kept = ask("POST", "Patient", patient()).json
    answer = ask(
        "POST",
        "",
        bundle(
            entry("GET", "Patient?_summary=count"),
            entry("PUT", f"Patient/{kept['id']}", {**kept, "gender": "other"}, ifMatch='W/"1"'),
            entry("POST", "Patient", patient()),
            entry("DELETE", f"Patient/{old}"),
        ),
    )
    assert statuses(answer) == ["200", "200", "201", "204"]
    assert answer.json["entry"][0]["resource"]["total"] == 2


def test_all_or_nothing(ask):
    answer = ask(
        "POST",
        "",
        bundle(entry("POST", "Patient", patient()), entry("PUT", "Patient/x", patient(id="x"), ifMatch='W/"9"')),
    )
    assert answer.status == 412
    assert answer.json["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert count(ask) == 0


def test_every_issue_of_every_entry_is_told(ask):
    answer = ask(
        "POST",
        "",
        bundle(entry("POST", "Patient", patient(gender="blue")), entry("POST", "Patient", patient(colour=1))),
    )
    assert answer.status == 422
    assert {issue["expression"][0] for issue in answer.json["issue"]} == {
        "Bundle.entry[0].resource.Patient.gender",
        "Bundle.entry[1].resource.Patient",
    }
    assert count(ask) == 0


def test_conditional_create_and_references(ask):
    identifier = [{"system": "urn:s", "value": "1"}]
    whole = bundle(
        entry("POST", "Patient", patient(identifier=identifier), ANNE, ifNoneExist="identifier=urn:s|1"),
        entry("POST", "Observation", observation(ANNE)),
        entry("POST", "Observation", observation(ANNE, performer=[{"reference": "Practitioner?identifier=urn:p|9"}])),
    )
    missing = ask("POST", "", whole)
    assert missing.status == 412
    assert missing.json["issue"][0]["expression"] == ["Bundle.entry[2].resource"]
    practitioner = {"resourceType": "Practitioner", "identifier": [{"system": "urn:p", "value": "9"}]}
    made = ask("POST", "Practitioner", practitioner).json["id"]
    assert statuses(ask("POST", "", whole)) == ["201", "201", "201"]
    assert statuses(ask("POST", "", whole)) == ["200", "201", "201"]
    assert count(ask) == 1
    assert len(ask("GET", f"Observation?performer=Practitioner/{made}").json["entry"]) == 2
    assert len({each["resource"]["subject"]["reference"] for each in ask("GET", "Observation").json["entry"]}) == 1


def test_conditional_update_patch_and_delete(ask):
    identifier = [{"system": "urn:s", "value": "1"}]
    url = "Patient?identifier=urn:s|1"
    whole = bundle(
        entry("PUT", url, patient(identifier=identifier), ANNE), entry("POST", "Observation", observation(ANNE))
    )
    assert statuses(ask("POST", "", whole)) == ["201", "201"]
    assert statuses(ask("POST", "", whole)) == ["200", "201"]
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.gender"},
        {"name": "value", "valueCode": "male"},
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    assert statuses(ask("POST", "", bundle(entry("PATCH", url, change)))) == ["200"]
    assert ask("GET", url).json["entry"][0]["resource"]["gender"] == "male"
    assert statuses(ask("POST", "", bundle(entry("DELETE", url)))) == ["204"]
    assert count(ask) == 0


@pytest.mark.parametrize(
    ("whole", "path"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ({"resourceType": "Bundle", "type": "collection"}, "Bundle.type"),
        ({"resourceType": "Bundle", "type": "transaction", "entry": {}}, "Bundle.entry"),
        (bundle({}), "Bundle.entry[0].request"),
        (bundle(entry("FLY", "Patient")), "Bundle.entry[0].request.method"),
        (bundle(entry("POST", "Patient")), "Bundle.entry[0].resource"),
        (bundle(entry("PUT", "Patient/1")), "Bundle.entry[0].resource"),
        (bundle({"request": {"method": "GET"}}), "Bundle.entry[0].request.url"),
        (bundle(*[entry("POST", "Patient", patient(), ANNE)] * 2), "Bundle.entry[1].fullUrl"),
        (bundle(*[entry("PUT", "Patient/a", patient(id="a"))] * 2), "Bundle.entry[1].request.url"),
        (
            bundle(entry("PUT", "Patient/a", patient(id="a")), entry("DELETE", "Patient/a")),
            "Bundle.entry[1].request.url",
        ),
    ],
)
def test_bundles_that_make_no_sense(ask, whole, path):
    answer = ask("POST", "", whole)
    assert answer.status == 400
    assert answer.json["issue"][0]["expression"] == [path]
    assert count(ask) == 0


def test_a_pointer_to_nothing_is_refused(ask):
    answer = ask("POST", "", bundle(entry("POST", "Observation", observation(ANNE))))
    assert answer.status == 422
    assert count(ask, "Observation") == 0


def test_batch_entries_stand_alone(ask):
    answer = ask(
        "POST",
        "",
        bundle(
            entry("POST", "Patient", patient()),
            entry("POST", "Patient", patient(gender="blue")),
            entry("GET", "Patient/never"),
            entry("GET", "Patient?_summary=count"),
            entry("POST", "Patient/$validate", patient()),
            type="batch",
        ),
    )
    assert answer.status == 200
    assert statuses(answer) == ["201", "422", "404", "200", "200"]
    assert answer.json["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert answer.json["entry"][3]["resource"]["total"] == 1


def test_prefer_brings_resources_back(ask):
    answer = ask("POST", "", bundle(entry("POST", "Patient", patient())), prefer="return=representation")
    assert answer.json["entry"][0]["resource"]["resourceType"] == "Patient"
    assert "resource" not in ask("POST", "", bundle(entry("POST", "Patient", patient()))).json["entry"][0]


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_each_answer_says_when_its_version_was_made(ask, type):
    kept = ask("POST", "Patient", patient()).json
    changed = entry("PUT", f"Patient/{kept['id']}", {**patient(), "id": kept["id"], "active": True})
    asked = bundle(changed, entry("POST", "Patient", patient()), type=type)
    for each in ask("POST", "", asked).json["entry"]:
        place = each["response"]["location"].partition("/Patient/")[2].partition("/")[0]
        read = ask("GET", f"Patient/{place}").json
        assert each["response"]["lastModified"] == read["meta"]["lastUpdated"]
    read = ask("POST", "", bundle(entry("GET", f"Patient/{kept['id']}"), type=type)).json["entry"][0]
    assert read["response"]["lastModified"] == read["resource"]["meta"]["lastUpdated"]


def test_an_empty_transaction(ask):
    assert ask("POST", "", {"resourceType": "Bundle", "type": "transaction"}).json["type"] == "transaction-response"


def at_once(*actions):
    """Run all together in threads; gives their results."""
    from django.db import connections

    results = [None] * len(actions)
    gate = threading.Barrier(len(actions))

    def run(place, action):
        try:
            gate.wait()
            results[place] = action()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_parallel_conditional_creates_make_one(ask_for_real):
    ask = ask_for_real
    identifier = [{"system": "urn:s", "value": "1"}]
    plain = lambda: ask("POST", "Patient", patient(identifier=identifier), if_none_exist="identifier=urn:s|1")  # noqa: E731
    inside = lambda: ask(  # noqa: E731
        "POST", "", bundle(entry("POST", "Patient", patient(identifier=identifier), ifNoneExist="identifier=urn:s|1"))
    )
    answers = at_once(*[plain, inside] * 4)
    assert all(answer.status in (200, 201) for answer in answers)
    assert count(ask) == 1


def test_parallel_updates_lose_none(ask_for_real):
    ask = ask_for_real
    ask("PUT", "Patient/p", patient(id="p", identifier=[]) | {"identifier": [{"value": "0"}]})

    def add(number):
        change = [{"op": "add", "path": "/identifier/-", "value": {"value": str(number)}}]
        return lambda: ask("PATCH", "Patient/p", change, content_type="application/json-patch+json")

    answers = at_once(*[add(number) for number in range(1, 7)])
    assert [answer.status for answer in answers] == [200] * 6
    values = {each["value"] for each in ask("GET", "Patient/p").json["identifier"]}
    assert values == {str(number) for number in range(7)}


def test_crossing_transactions_both_end_well(ask_for_real):
    ask = ask_for_real
    for name in "ab":
        ask("PUT", f"Patient/{name}", patient(id=name))

    def cross(order):
        return lambda: ask("POST", "", bundle(*[entry("PUT", f"Patient/{n}", patient(id=n)) for n in order]))

    for _ in range(3):
        answers = at_once(cross("ab"), cross("ba"), cross("ab"), cross("ba"))
        assert [answer.status for answer in answers] == [200] * 4


def test_a_transaction_leaves_its_traces(ask):
    from virage.core import db

    def traces():
        with db.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM audit_trace WHERE action = 'fhir.create' AND subject = %s", [SOFTWARE.subject]
            )
            return cursor.fetchone()[0]

    before = traces()
    ask("POST", "", bundle(entry("POST", "Patient", patient()), entry("POST", "Patient", patient())))
    assert traces() == before + 2
    ask("POST", "", bundle(entry("POST", "Patient", patient()), entry("POST", "Patient", patient(gender="x"))))
    assert traces() == before + 2
