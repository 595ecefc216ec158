"""Reads of identities and of the reference base. Tracing belongs to the actions that call these."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from virage.core import fhir, settings
from virage.core.access import Everything
from virage.core.fhir import json
from virage.trust.ins import rules
from virage.trust.ins.identity import Identity, identity_of
from virage.trust.ins.models import ReferenceIdentity
from virage.trust.ins.rules import Matricule, Traits

SPACE = "ins"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A person of the reference base: INSi's INDIVIDU. `history` holds former matricules with their dates."""

    patient: str
    matricule: Matricule
    traits: Traits
    history: tuple[dict[str, str], ...] = field(default=())


def store() -> "fhir.Store":
    """The store of the identities."""
    return fhir.Store(fhir.space(SPACE))


def of_patient(patient: str) -> Identity | None:
    """The identity whose Patient has this logical id, or None."""
    version = store().read("Patient", patient)
    if version is None or version.deleted:
        return None
    return identity_of(json.loads(version.body), sandbox=settings.sandbox(), version=version.version)


def of_patients(patients: Iterable[str]) -> dict[str, Identity]:
    """The identities whose Patients have these logical ids, by id, in two statements at most; unknown ones are left out."""
    found = store().read_many(("Patient", patient) for patient in patients)
    return {
        ident: identity_of(json.loads(version.body), sandbox=settings.sandbox(), version=version.version)
        for (_, ident), version in found.items()
    }


def find(matricule: str, oid: str) -> Identity | None:
    """The identity that holds this matricule now, whatever its status, or None.

    Raises `Invalid` (INS.MALFORMED, INS.KEY_WRONG, INS.OID_UNKNOWN, INS.OID_NOT_HERE) before looking.
    """
    asked = rules.parse_matricule(matricule, oid, sandbox=settings.sandbox())
    page = store().search("Patient", [("identifier", f"{asked.system}|{asked.value}")], access=Everything(), count=5)
    for entry in page.entries:
        found = identity_of(json.loads(entry.version.body), sandbox=settings.sandbox(), version=entry.version.version)
        # A former matricule finds its Patient too, but does not identify any more.
        if found.held is not None and found.held.value == asked.value:
            return found
    return None


def patient_of(person: Recorded | None) -> str:
    """Logical id of the Patient that this person of the reference base is here; empty when they have none."""
    if person is None:
        return ""
    holder = find(person.matricule.value, person.matricule.oid) or of_patient(person.patient)
    return holder.patient if holder else ""


def reference_by_traits(traits: Traits, given_names: tuple[str, ...]) -> list[Recorded]:
    """People of the reference base whose traits are these: name, sex and date equal, every given name in the list, in order.

    The birth place counts only when given. At most two come back: more than one is already an answer.
    """
    if traits.birth_date is None:
        return []
    rows = ReferenceIdentity.objects.filter(
        birth_date=traits.birth_date, family_key=rules.compare_key(traits.family), sex=traits.sex
    )
    if traits.birth_place:
        rows = rows.filter(birth_place=traits.birth_place)
    wanted = [word for name in given_names for word in rules.compare_key(name).split()]
    found = []
    for row in rows.order_by("id")[:200]:
        listed = iter(row.given_key.split())
        if all(word in listed for word in wanted):
            found.append(_recorded(row))
            if len(found) == 2:
                break
    return found


def reference_by_matricule(matricule: Matricule) -> Recorded | None:
    """The person of the reference base who bears this matricule now, or None."""
    row = ReferenceIdentity.objects.filter(number=matricule.number, oid=matricule.oid).first()
    return _recorded(row) if row else None


def _recorded(row: ReferenceIdentity) -> Recorded:
    return Recorded(
        patient=row.patient,
        matricule=Matricule(row.number, row.key, row.oid),
        traits=Traits(
            family=row.family,
            given=rules.first_given_name(row.given_list),
            sex=row.sex,
            birth_date=row.birth_date,
            birth_place=row.birth_place,
            given_list=row.given_list,
        ),
        history=tuple(row.history),
    )
