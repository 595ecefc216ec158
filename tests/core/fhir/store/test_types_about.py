"""Which types a patient has: what `$everything` and the compartment ask first, so as not to ask each of sixty types."""

import pytest

from virage.core.callers import system
from virage.core.fhir import Store, space

pytestmark = pytest.mark.django_db
ASKED = ["Condition", "Consent", "Observation", "Patient", "Practitioner"]


@pytest.fixture
def store():
    return Store(space("fhir"))


def test_what_is_filed_elsewhere_counts_and_what_is_deleted_does_not(store) -> None:
    by = system("test")
    hers = store.create({"resourceType": "Patient"}, by=by).id
    other = store.create({"resourceType": "Patient"}, by=by).id
    code = {"text": "x"}
    # Filed under the other patient, and in her compartment all the same by its performer.
    store.create(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": code,
            "subject": {"reference": f"Patient/{other}"},
            "performer": [{"reference": f"Patient/{hers}"}],
        },
        by=by,
    )
    gone = store.create({"resourceType": "Condition", "code": code, "subject": {"reference": f"Patient/{hers}"}}, by=by)
    assert store.types_about(hers, ASKED) == {"Condition", "Observation", "Patient"}
    store.delete("Condition", gone.id, by=by)
    assert store.types_about(hers, ASKED) == {"Observation", "Patient"}
    assert store.types_about(other, ASKED) == {"Observation", "Patient"}
    assert store.types_about("nobody", ASKED) == set()
