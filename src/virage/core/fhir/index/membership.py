"""The token by which a resource is known to be in a patient's compartment. Pure."""

from virage.core.fhir.index import keys


def member(space: int, type_: str, patient: str) -> int:
    """The token of every resource of a type in a patient's compartment, without its bucket."""
    return (keys.param_hash(space, type_, "_compartment") ^ keys.row_id(space, "Patient", patient)) & keys.MASK
