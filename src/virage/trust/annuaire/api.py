"""The FHIR base `/annuaire/fhir`: the directory as it is published, read only, with the national search parameters."""

from typing import Any

from virage.core import access, accounts
from virage.core.access import Everything, Filter, Nothing
from virage.core.callers import Caller
from virage.core.fhir import FhirService
from virage.trust.annuaire import resources
from virage.trust.annuaire.queries import SPACE, address

_READS = frozenset({"read", "vread", "search-type"})


def policy(by: Caller, interaction: str, type: str) -> Filter:
    """Public data: whoever signed in may read; nobody writes but the loaders, which do not pass here."""
    if interaction in _READS or interaction in ("operation", "search-system"):
        return Everything()
    return Nothing("L'annuaire se consulte ; il n'est alimenté que par ses sources.", "annuaire.read-only")


def _parameter(code: str, base: str, type_: str, expression: str) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "url": f"{resources.IG}/SearchParameter/{base.lower()}-{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": [base],
        "type": type_,
        "expression": expression,
    }


def _trace(base: str, part: str) -> str:
    return f"{base}.meta.extension.where(url='{resources.DATA_TRACE}').extension.where(url='{part}').value"


def _card(part: str) -> str:
    return f"Practitioner.extension.where(url='{resources.SMARTCARD}').extension.where(url='{part}').value"


SEARCH_PARAMETERS = (
    _parameter("identifier-type", "Practitioner", "token", "Practitioner.identifier.type"),
    _parameter("identifier-type", "Organization", "token", "Organization.identifier.type"),
    _parameter("qualification-code", "Practitioner", "token", "Practitioner.qualification.code"),
    _parameter("mailbox-mss", "Practitioner", "string", "Practitioner.telecom.where(system='email').value"),
    _parameter("mailbox-mss", "PractitionerRole", "string", "PractitionerRole.telecom.where(system='email').value"),
    _parameter("mailbox-mss", "Organization", "string", "Organization.telecom.where(system='email').value"),
    _parameter("number-smartcard", "Practitioner", "string", _card("number")),
    _parameter("type-smartcard", "Practitioner", "token", _card("type")),
    *(
        _parameter(code, base, "token", _trace(base, part))
        for base in ("Practitioner", "PractitionerRole", "Organization")
        for code, part in (
            ("data-information-system", "systeme-information"),
            ("data-registration-authority", "autorite-enregistrement"),
        )
    ),
    _parameter("address-line", "Organization", "string", "Organization.address.line"),
    _parameter(
        "pharmacy-licence",
        "Organization",
        "string",
        f"Organization.extension.where(url='{resources.IG}/StructureDefinition/as-ext-organization-pharmacy-licence').value",
    ),
)

SERVICE = FhirService(
    base="/annuaire/fhir",
    space=SPACE,
    code=2,
    title="Annuaire Santé",
    types=dict.fromkeys(("Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Device"), _READS),
    system=(),
    search_parameters=SEARCH_PARAMETERS,
    profiles={
        name: (f"{resources.IG}/StructureDefinition/as-dp-{name.lower()}",)
        for name in ("Practitioner", "PractitionerRole", "Organization", "Device")
    },
    purpose="Professionnels et structures du pays sous leurs numéros nationaux (RPPS, FINESS), en libre accès.",
)

# A device of the directory is a heavy equipment (scanner, MRI) that the Annuaire publishes in open data, never one of a patient.
access.register(SPACE, policy, public=access.DIRECTORY | {"Device"})
# Who signs in is a Practitioner of the directory (SMART `fhirUser`).
accounts.register_people(address)
