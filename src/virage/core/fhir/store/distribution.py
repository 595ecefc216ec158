"""Which tables a Citus cluster spreads, and by what: the patient compartment, so that one patient is on one node."""

from virage.core.db import citus

TABLES = {
    "fhir_resource": "compartment",
    "fhir_version": "compartment",
    "fhir_date": "compartment",
    "fhir_string": "compartment",
    "fhir_number": "compartment",
    "fhir_locator": "rid",
}


def distribute() -> list[str]:
    """Spread the tables that are not yet; answers their names. Raises CitusMissing."""
    return citus.distribute(TABLES)
