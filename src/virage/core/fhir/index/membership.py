"""The token by which a resource is known to be in a patient's compartment. Pure."""

from virage.core.fhir.index import keys


def member(space: int, patient: str) -> int:
    """The token of every resource in a patient's compartment, without its bucket."""
    return (keys.param_hash(space, "*", "_compartment") ^ keys.row_id(space, "Patient", patient)) & keys.MASK
