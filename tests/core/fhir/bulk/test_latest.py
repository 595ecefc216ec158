"""$lastn, through the router."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.core.fhir.router.conftest import asking, observation, patient
from virage.core.callers import Caller


def _measured(ask, subject, code, day, **more):
    made = ask(
        "POST",
        "Observation",
        observation(
            subject, code={"coding": [{"system": "http://loinc.org", "code": code}]}, effectiveDateTime=day, **more
        ),
    )
    assert made.status == 201
    return made.json["id"]


def _ids(answer):
    assert answer.status == 200, answer.body
    return [entry["resource"]["id"] for entry in answer.json.get("entry", [])]


def test_the_latest_of_each_code(ask):
    anne = ask("POST", "Patient", patient()).json["id"]
    other = ask("POST", "Patient", patient()).json["id"]
    old = _measured(ask, f"Patient/{anne}", "1-1", "2020-01-01")
    new = _measured(ask, f"Patient/{anne}", "1-1", "2021-01-01")
    tie = _measured(ask, f"Patient/{anne}", "1-1", "2021-01-01")
    weight = _measured(ask, f"Patient/{anne}", "2-2", "2019-01-01")
    _measured(ask, f"Patient/{other}", "1-1", "2024-01-01")
    assert set(_ids(ask("GET", f"Observation/$lastn?patient={anne}"))) == {new, tie, weight}
    assert set(_ids(ask("GET", f"Observation/$lastn?subject=Patient/{anne}&max=3"))) == {old, new, tie, weight}
    assert _ids(ask("GET", f"Observation/$lastn?patient={anne}&code=http://loinc.org|2-2")) == [weight]
    assert _ids(ask("GET", "Observation/$lastn?patient=nobody")) == []


def test_refusals_say_what_to_do(ask):
    assert "patient" in ask("GET", "Observation/$lastn").texts
    for wrong in ("0", "x", "101", "9" * 30, "-1", "١"):
        assert ask("GET", f"Observation/$lastn?patient=1&max={wrong}").status == 400
    assert ask("GET", "Observation/$lastn?patient=1&nothing=1").status == 400


def test_a_limited_caller_sees_only_its_own(ask):
    anne = ask("POST", "Patient", patient()).json["id"]
    _measured(ask, f"Patient/{anne}", "1-1", "2020-01-01")
    limited = asking(caller=Caller(kind="citizen", subject="x", patient="someone", scopes=frozenset({"patient/*.rs"})))
    assert _ids(limited("GET", f"Observation/$lastn?patient={anne}")) == []


@settings(max_examples=15)
@given(
    some.lists(some.tuples(some.sampled_from("ab"), some.integers(0, 5)), min_size=1, max_size=12), some.integers(1, 4)
)
def test_as_a_plain_evaluation_says(ask, measures, most):
    anne = ask("POST", "Patient", patient()).json["id"]
    kept = []
    for code, day in measures:
        kept.append((code, day, _measured(ask, f"Patient/{anne}", code, str(date(2020, 1, 1) + timedelta(day)))))
    expected = {
        id for code, day, id in kept if sum(1 for other, later, _ in kept if other == code and later > day) < most
    }
    assert set(_ids(ask("GET", f"Observation/$lastn?patient={anne}&max={most}"))) == expected


def test_one_statement(ask, monkeypatch):
    import psycopg

    anne = ask("POST", "Patient", patient()).json["id"]
    for number in range(20):
        _measured(ask, f"Patient/{anne}", f"{number % 4}-1", f"20{number + 10}-01-01")
    ask("GET", f"Observation/$lastn?patient={anne}")
    seen = []
    real = psycopg.Cursor.execute
    monkeypatch.setattr(
        psycopg.Cursor, "execute", lambda self, query, *a, **k: seen.append(query) or real(self, query, *a, **k)
    )
    assert len(_ids(ask("GET", f"Observation/$lastn?patient={anne}"))) == 4
    assert len([each for each in seen if "audit" not in str(each)]) == 1
