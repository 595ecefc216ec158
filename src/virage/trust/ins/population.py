"""People of the synthetic country as this room takes them in: into the reference base and as identities."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from virage.trust.ins import rules
from virage.trust.ins.identity import Identity, patient_of
from virage.trust.ins.rules import IdentityState, Matricule, Status, Traits

ROW_COLUMNS = ("number", "key", "oid", "patient", "family", "given_list", "sex", "birth_date", "birth_place", "family_key", "given_key", "history")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Someone to enter. `extra` are further elements of their Patient (address, telecom, meta, link…).

    `status` is that of the identity here; the reference base knows everyone, whatever their status. `checked_on` is the day
    of INSi's answer and of the evidence. Who is not `here` is known to the reference base alone.
    """

    patient: str
    matricule: Matricule
    traits: Traits
    status: Status = Status.QUAL
    extra: dict[str, Any] = field(default_factory=dict)
    checked_on: date | None = None
    here: bool = True


def reference_row(person: Person) -> tuple[Any, ...]:
    """The person's row of the reference base, in the order of `ROW_COLUMNS`."""
    traits, matricule = person.traits, person.matricule
    return (
        matricule.number,
        matricule.key,
        matricule.oid,
        person.patient,
        traits.family,
        traits.given_list,
        traits.sex,
        traits.birth_date,
        traits.birth_place,
        rules.compare_key(traits.family),
        rules.compare_key(traits.given_list),
        "[]",
    )


def patient(person: Person) -> dict[str, Any]:
    """The person's Patient."""
    asked = person.status in (Status.RECUP, Status.QUAL)
    checked = person.status in (Status.VALI, Status.QUAL)
    state = IdentityState(person.status, has_matricule=asked)
    identity = Identity(person.patient, state, person.traits, person.matricule if asked else None)
    evidence: dict[str, Any] = {"method": "INSI" if asked else "SM"}
    if asked:
        evidence["asked_on"] = person.checked_on
    if checked:
        evidence |= {"validated_on": person.checked_on, "mode": "CN"}
    resource = patient_of(identity, base=person.extra, **evidence)
    tags = person.extra.get("meta", {}).get("tag")
    if tags:
        resource["meta"]["tag"] = tags
    return resource


def patients(people: list[Person]) -> Iterator[dict[str, Any]]:
    """Their Patients, one by one."""
    return (patient(person) for person in people)
