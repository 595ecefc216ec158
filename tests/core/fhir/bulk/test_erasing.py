"""$expunge, through the router, with every table looked at afterwards."""

from tests.core.fhir.router.conftest import asking, observation, patient
from virage.core import audit, db
from virage.core.callers import Caller
from virage.core.fhir import patient_key

TABLES = ("fhir_resource", "fhir_version", "fhir_date", "fhir_string", "fhir_number")


def _left(patient_id):
    with db.cursor() as cursor:
        return [
            cursor.execute(
                f"SELECT count(*) FROM {table} WHERE compartment = %s", [patient_key(patient_id)]
            ).fetchone()[0]
            for table in TABLES
        ]


def _values(answer):
    assert answer.status == 200, answer.body
    return {part["name"]: part.get("valueInteger") for part in answer.json["parameter"]}


def test_nothing_is_left_of_the_patient_and_the_trace_proves_it(ask):
    anne = ask("POST", "Patient", patient(birthDate="1980-01-01")).json["id"]
    other = ask("POST", "Patient", patient(birthDate="1990-01-01")).json["id"]
    kept = ask("POST", "Observation", observation(f"Patient/{other}")).json["id"]
    chosen = ask("PUT", "Observation/chosen-id", observation(f"Patient/{anne}", id="chosen-id"))
    assert chosen.status == 201
    gone = ask("POST", "Observation", observation(f"Patient/{anne}")).json["id"]
    ask("PUT", f"Observation/{gone}", observation(f"Patient/{anne}", id=gone, status="amended"))
    ask("DELETE", f"Observation/{gone}")
    assert all(_left(anne)[:4])
    told = _values(ask("POST", f"Patient/{anne}/$expunge"))
    assert told["resources"] == 3
    assert told["versions"] == 2
    assert _left(anne) == [0, 0, 0, 0, 0]
    for path in (f"Patient/{anne}", f"Observation/{gone}", "Observation/chosen-id", f"Observation/{gone}/_history/1"):
        assert ask("GET", path).status == 404
    assert ask("GET", f"Observation/{kept}").status == 200
    assert ask("GET", f"Patient/{other}").status == 200
    (proof,) = [event for event in audit.for_patient(anne) if event["subtype"][0]["code"].endswith("expunge")]
    assert "Essai" not in str(proof)
    assert "'3'" in str(proof) or '"3"' in str(proof)
    # An id that was erased is free again.
    assert ask("PUT", "Observation/chosen-id", observation(f"Patient/{other}", id="chosen-id")).status == 201


def test_what_others_hold_of_the_patient_is_told(ask):
    anne = ask("POST", "Patient", patient()).json["id"]
    other = ask("POST", "Patient", patient()).json["id"]
    shared = {
        "resourceType": "Appointment",
        "status": "booked",
        "participant": [
            {"actor": {"reference": f"Patient/{other}"}, "status": "accepted"},
            {"actor": {"reference": f"Patient/{anne}"}, "status": "accepted"},
        ],
    }
    made = ask("POST", "Appointment", shared)
    assert made.status == 201
    answer = ask("POST", f"Patient/{anne}/$expunge")
    cited = [part["valueReference"]["reference"] for part in answer.json["parameter"] if part["name"] == "cited"]
    assert cited == [f"Appointment/{made.json['id']}"]


def test_who_may_not_all_may_none(ask):
    anne = ask("POST", "Patient", patient()).json["id"]
    for scopes in ({"system/*.rs"}, {"system/Patient.cruds"}, {"patient/*.cruds"}, {"system/*.cruds?status=final"}):
        limited = asking(caller=Caller(kind="software", subject="x", patient=anne, scopes=frozenset(scopes)))
        assert limited("POST", f"Patient/{anne}/$expunge").status == 403
    assert ask("GET", f"Patient/{anne}/$expunge").status == 405
    assert ask("POST", "Patient/unknown/$expunge").status == 404
    assert ask("GET", f"Patient/{anne}").status == 200
