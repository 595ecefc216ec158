"""The guard at every FHIR door: only a qualified identity carries its matricule out, and none comes in that breaks the rules."""

from collections.abc import Mapping
from typing import Any

from virage.core import fhir, settings
from virage.core.callers import Caller
from virage.core.errors import Invalid, Issue
from virage.trust.ins import rules
from virage.trust.ins.identity import matricule_identifiers, state_of

# The shared store also holds foreign and example patients, which state no status and come from other countries' worlds.
SHARED = "fhir"


def outgoing(resource: dict[str, Any], caller: Caller, space: str) -> dict[str, Any]:
    """The Patient as it may leave `space`: without its matricules unless its identity is qualified.

    In the national spaces a Patient that states no status is not qualified; in the shared one it is left as it is. The
    resource given is not changed.
    """
    if not matricule_identifiers(resource):
        return resource
    try:
        state = state_of(resource)
    except Invalid:
        # An impossible state is not a qualified one.
        return _stripped(resource)
    if state is None:
        return resource if space == SHARED else _stripped(resource)
    return resource if rules.may_transmit(state) else _stripped(resource)


def _stripped(resource: Mapping[str, Any]) -> dict[str, Any]:
    kept = [
        i for i in resource["identifier"] if not (isinstance(i, dict) and rules.oid_of_system(str(i.get("system", ""))))
    ]
    # The narrative may repeat the number: it stays behind too.
    found = {key: value for key, value in resource.items() if key not in ("identifier", "text")}
    if kept:
        found["identifier"] = kept
    return found


def incoming(resource: Mapping[str, Any], caller: Caller, space: str) -> list[Issue]:
    """What forbids this Patient to be written in `space`: wrong key, foreign OID, attribute or status that excludes an INS."""
    issues: list[Issue] = []
    sandbox = settings.sandbox()
    listed = resource.get("identifier")
    for index, identifier in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(identifier, dict):
            continue
        oid = rules.oid_of_system(str(identifier.get("system", "")))
        if oid is None:
            continue
        here = rules.OIDS[oid][2] if space == SHARED else sandbox
        try:
            rules.parse_matricule(
                str(identifier.get("value", "")), oid, sandbox=here, path=f"Patient.identifier[{index}].value"
            )
        except Invalid as error:
            issues.extend(error.issues)
    try:
        state_of(resource)
    except Invalid as error:
        issues.append(Issue(error.issue, error.text, "Patient.extension(identityReliability)"))
    return issues


def install() -> None:
    """Register both guards with the FHIR engine; calling it twice changes nothing."""
    # Every OID of a matricule begins so: a Patient without it carries none.
    fhir.register_egress("Patient", outgoing, mark=b"1.2.250.1.213.1.4.")
    fhir.register_ingress("Patient", incoming)
