"""Many at once, in a database where everything really commits: nothing is lost, nothing is double, no deadlock is shown."""

import itertools
import random
from collections import Counter

from tests.core.fhir.router.conftest import patient
from tests.core.fhir.router.test_bundle import at_once, bundle, count, entry, statuses

CROWD = 12


def versions(ask, path: str) -> list[dict]:
    """The history of a resource, oldest first; its versions follow each other without a gap."""
    found = ask("GET", f"{path}/_history?_count=1000").json
    entries = found["entry"][::-1]
    assert [each["response"]["etag"] for each in entries] == [f'W/"{n}"' for n in range(1, len(entries) + 1)]
    assert found["total"] == len(entries)
    return entries


def named(id: str, text: str) -> dict:
    return patient(id=id, name=[{"text": text}])


def test_of_many_updates_of_one_version_one_holds(ask_for_real):
    ask = ask_for_real
    ask("PUT", "Patient/p", named("p", "first"))
    tags = ['W/"1"', '"1"', "1"]

    def put(n: int):
        return lambda: ask("PUT", "Patient/p", named("p", str(n)), if_match=tags[n % 3]).status

    assert Counter(at_once(*[put(n) for n in range(CROWD)])) == {200: 1, 412: CROWD - 1}
    assert len(versions(ask, "Patient/p")) == 2


def test_of_many_creations_with_a_star_one_holds(ask_for_real):
    ask = ask_for_real
    body = lambda n: named("p", str(n))  # noqa: E731
    done = at_once(*[lambda n=n: ask("PUT", "Patient/p", body(n), if_none_match="*").status for n in range(CROWD)])
    assert Counter(done) == {201: 1, 412: CROWD - 1}


def test_every_update_without_condition_is_a_version(ask_for_real):
    ask = ask_for_real
    done = at_once(*[lambda n=n: ask("PUT", "Patient/p", named("p", str(n))).status for n in range(CROWD)])
    assert Counter(done) == {201: 1, 200: CROWD - 1}
    texts = [each["resource"]["name"][0]["text"] for each in versions(ask, "Patient/p")]
    assert sorted(texts) == sorted(str(n) for n in range(CROWD))


def test_every_patch_is_kept_alone_or_in_a_transaction(ask_for_real):
    ask = ask_for_real
    ask("PUT", "Patient/p", {**named("p", "first"), "identifier": [{"value": "0"}]})

    def add(n: int):
        value = {"name": "value", "valueIdentifier": {"value": str(n)}}
        parts = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"}]
        parts += [{"name": "name", "valueString": "identifier"}, value]
        change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
        if n % 2:
            return lambda: ask("PATCH", "Patient/p", change).status
        return lambda: ask("POST", "", bundle(entry("PATCH", "Patient/p", change))).status

    assert set(at_once(*[add(n) for n in range(1, CROWD + 1)])) == {200}
    values = [each["value"] for each in ask("GET", "Patient/p").json["identifier"]]
    assert sorted(values, key=int) == [str(n) for n in range(CROWD + 1)]
    assert len(versions(ask, "Patient/p")) == CROWD + 1


def test_deletions_and_updates_take_turns(ask_for_real):
    ask = ask_for_real
    ask("PUT", "Patient/p", named("p", "first"))
    change = [{"op": "replace", "path": "/gender", "value": "other"}]
    actions = [
        lambda: ("PUT", ask("PUT", "Patient/p", named("p", "again")).status),
        lambda: ("DELETE", ask("DELETE", "Patient/p").status),
        lambda: ("PATCH", ask("PATCH", "Patient/p", change, content_type="application/json-patch+json").status),
    ]
    done = Counter(pair for _ in range(3) for pair in at_once(*actions * 3))
    assert {status for verb, status in done if verb == "PUT"} <= {200, 201}
    assert {status for verb, status in done if verb == "DELETE"} == {204}
    assert {status for verb, status in done if verb == "PATCH"} <= {200, 410}
    methods = [each["request"]["method"] for each in versions(ask, "Patient/p")]
    written = 1 + sum(n for (verb, status), n in done.items() if verb != "DELETE" and status < 400)
    assert len(methods) - methods.count("DELETE") == written
    assert all(pair != ("DELETE", "DELETE") for pair in itertools.pairwise(methods))
    last = ask("GET", "Patient/p").status
    assert last == (410 if methods[-1] == "DELETE" else 200)
    assert count(ask) == (0 if methods[-1] == "DELETE" else 1)


def test_conditional_writes_in_every_form_make_one(ask_for_real):
    ask = ask_for_real
    who = patient(identifier=[{"system": "urn:s", "value": "1"}])
    create = "identifier=urn:s|1"
    actions = [
        lambda: ask("POST", "Patient", who, if_none_exist=create).status,
        lambda: ask("POST", "Patient", who, if_none_exist=f"Patient?{create}&_count=5").status,
        lambda: ask("POST", "Patient", who, if_none_exist="?identifier=urn%3As%7C1").status,
        lambda: ask("PUT", f"Patient?{create}", who).status,
        lambda: int(statuses(ask("POST", "", bundle(entry("POST", "Patient", who, ifNoneExist=create))))[0]),
        lambda: int(statuses(ask("POST", "", bundle(entry("PUT", f"Patient?{create}", who))))[0]),
    ]
    done = Counter(at_once(*actions * 2))
    assert done == {201: 1, 200: len(actions) * 2 - 1}
    assert count(ask) == 1


def test_transactions_that_cross_each_other_all_pass(ask_for_real):
    """Each rewrites the same resources in an order of its own, conditions and deletions among them: a deadlock is retried."""
    ask = ask_for_real
    draw = random.Random(7)
    names = [f"p{n}" for n in range(6)]
    for name in names:
        ask("PUT", f"Patient/{name}", named(name, "0"))

    def cross(own: int):
        entries = [entry("PUT", f"Patient/{name}", named(name, str(own))) for name in draw.sample(names, len(names))]
        for value in draw.sample("abc", 3):
            identified = patient(identifier=[{"system": "urn:s", "value": value}])
            entries.append(entry("POST", "Patient", identified, ifNoneExist=f"identifier=urn:s|{value}"))
        if own % 3 == 0:
            gone = next(each for each in entries if each["request"]["method"] == "PUT")
            entries.remove(gone)
            entries.append(entry("DELETE", gone["request"]["url"]))
        return lambda: ask("POST", "", bundle(*entries))

    rounds = 3
    for start in range(0, rounds * 8, 8):
        answers = at_once(*[cross(start + n + 1) for n in range(8)])
        assert {answer.status for answer in answers} == {200}, [answer.body[:300] for answer in answers]
    found = ask("GET", "Patient?identifier=urn:s|a,urn:s|b,urn:s|c&_summary=count").json["total"]
    assert found == 3
    histories = {name: versions(ask, f"Patient/{name}") for name in names}
    assert sum(len(each) for each in histories.values()) >= len(names) + rounds * 8 * (len(names) - 1)
    # All or nothing: what the last one wrote, it wrote everywhere.
    last = {each[-1]["resource"]["name"][0]["text"] for each in histories.values() if "resource" in each[-1]}
    assert len(last) == 1
