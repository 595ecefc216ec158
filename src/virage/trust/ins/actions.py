"""Every change of an identity, and the questions put to INSi: both leave a trace, in one transaction with what they change."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from virage.core import audit, db, events, settings
from virage.core.callers import Caller
from virage.core.errors import Conflict, Forbidden, Invalid, Unknown
from virage.core.fhir import json
from virage.trust.ins import places, queries, rules
from virage.trust.ins.identity import Identity, identifier_of, patient_of, with_state
from virage.trust.ins.models import ReferenceIdentity
from virage.trust.ins.population import ROW_COLUMNS, Person, patients, reference_row
from virage.trust.ins.queries import Recorded
from virage.trust.ins.rules import IdentityState, Matricule, Traits

FOUND, NONE_FOUND, SEVERAL_FOUND = "00", "01", "02"
LABELS = {FOUND: "OK", NONE_FOUND: "Aucune identite trouvee", SEVERAL_FOUND: "Plusieurs identites trouvees"}


@dataclass(frozen=True, slots=True)
class InsiAnswer:
    """What INSi answers: `code` and, with 00 only, the person; `patient` is their Patient here, empty when there is none."""

    code: str
    person: Recorded | None = None
    patient: str = ""

    @property
    def label(self) -> str:
        """The national wording of the code."""
        return LABELS[self.code]


def _today() -> date:
    """The day of INSi's answers and of evidence, in universal time."""
    return datetime.now(UTC).date()


def recherche(*, by: Caller, traits: Traits, given_names: tuple[str, ...] = ()) -> InsiAnswer:
    """INSi by traits (WS_INS2). Each call is one question: a client tries the given names one by one, then together.

    Raises `Forbidden` (INS.INSI_RESERVED), `Invalid` (INS.TRAITS_MISSING, INS.PLACE_UNKNOWN).
    """
    _refuse_unentitled(by)
    _check_for_insi(traits)
    found = queries.reference_by_traits(traits, given_names or (traits.given,))
    if not found and traits.birth_place and places.find(traits.birth_place) is None:
        raise Invalid(
            "Ce lieu de naissance n'est ni une commune ni un pays du code officiel géographique.",
            code="INS.PLACE_UNKNOWN",
            issue="code-invalid",
            path="lieuNaissance",
        )
    person = found[0] if len(found) == 1 else None
    answer = InsiAnswer((NONE_FOUND, FOUND, SEVERAL_FOUND)[len(found)], person, queries.patient_of(person))
    _trace_question(by, "ins.recherche", answer)
    return answer


def verification(*, by: Caller, matricule: Matricule, traits: Traits) -> InsiAnswer:
    """INSi unit verification (WS_INS3): 00 when the register holds this matricule with these very traits, else 01.

    INSi does not say what differs, nor do we. Raises `Forbidden` (INS.INSI_RESERVED), `Invalid` (INS.TRAITS_MISSING).
    """
    _refuse_unentitled(by)
    _check_for_insi(traits)
    person = queries.reference_by_matricule(matricule)
    if person is not None and rules.compare_traits(traits, person.traits):
        person = None
    answer = InsiAnswer(FOUND if person else NONE_FOUND, person, queries.patient_of(person))
    _trace_question(by, "ins.verification", answer)
    return answer


def find_by_value(*, by: Caller, value: str) -> Identity | None:
    """The identity of this house that holds a matricule of 15 characters, whichever authority assigned it. Traced.

    Raises `Forbidden` (INS.INSI_RESERVED), `Invalid` (INS.MALFORMED, INS.KEY_WRONG).
    """
    _refuse_unentitled(by)
    here = [oid for oid, (_, _, of_sandbox) in rules.OIDS.items() if of_sandbox is settings.sandbox()]
    identity = next((found for oid in here if (found := queries.find(value, oid)) is not None), None)
    audit.trace(by=by, action="ins.search", patient=identity.patient if identity else "")
    return identity


def register(*, by: Caller, traits: Traits, resource: dict[str, Any] | None = None) -> Identity:
    """Open a provisional identity; `resource` gives what is not a strict trait (address, telecom, names in use).

    Raises `Invalid` (INS.TRAITS_MISSING, INS.PLACE_UNKNOWN).
    """
    issues = rules.check_traits(traits)
    if issues:
        raise Invalid(issues[0].text, code="INS.TRAITS_MISSING", issues=issues)
    if traits.birth_place and places.find(traits.birth_place) is None:
        raise Invalid(
            "Ce lieu de naissance n'est ni une commune ni un pays du code officiel géographique.",
            code="INS.PLACE_UNKNOWN",
            issue="code-invalid",
            path="Patient.extension(birthPlace)",
        )
    body = patient_of(Identity("", IdentityState(), traits), base=resource, method="SM")
    body.pop("id")
    with db.transaction():
        version = queries.store().create(body, by=by)
        audit.trace(by=by, action="ins.register", patient=version.id, entities=[f"Patient/{version.id}"])
        events.emit("ins.registered", {"patient": version.id}, key=version.id)
    return Identity(version.id, IdentityState(), traits, version=version.version)


def recover(*, by: Caller, patient: str) -> Identity:
    """Ask INSi by the traits of this identity and take its answer: recovered, or qualified where it was validated.

    Raises `Unknown`, `Conflict` (INS.BLOCKED, INS.TRAITS_DIFFER, INS.NOT_FOUND, INS.SEVERAL_FOUND,
    INS.DUPLICATE).
    """

    def change(identity: Identity) -> tuple[Identity, dict[str, Any]]:
        if not rules.may_call_insi(identity.state):
            rules.after_insi_found(identity.state, traits_identical=True)  # raises INS.BLOCKED
        answer = recherche(by=by, traits=identity.traits)
        if answer.person is None:
            code = "INS.NOT_FOUND" if answer.code == NONE_FOUND else "INS.SEVERAL_FOUND"
            advice = "corriger les traits" if answer.code == NONE_FOUND else "préciser le lieu de naissance"
            raise Conflict(f"INSi ne désigne personne pour ces traits : {advice}.", code=code, issue="business-rule")
        person = answer.person
        # Two identities of one person are told apart by nobody afterwards: the second is refused, not merged in silence.
        db.lock(f"ins:{person.matricule.value}")
        holder = queries.find(person.matricule.value, person.matricule.oid)
        if holder is not None and holder.patient != identity.patient:
            raise Conflict(
                "Cette personne a déjà une identité ici : utiliser celle qui porte son matricule, et signaler le doublon.",
                code="INS.DUPLICATE",
                issue="duplicate",
            )
        identical = not rules.compare_traits(identity.traits, person.traits)
        state = rules.after_insi_found(identity.state, traits_identical=identical)
        taken = Identity(identity.patient, state, person.traits, person.matricule)
        old = tuple(
            identifier_of(
                Matricule(h["value"][:13], h["value"][13:], h["oid"]),
                use="old",
                start=h.get("start", ""),
                end=h.get("end", ""),
            )
            for h in person.history
        )
        return taken, {"method": "INSI", "asked_on": _today(), "history": old}

    return _changed(by=by, patient=patient, action="ins.recover", change=change)


def check_evidence(*, by: Caller, patient: str, mode: str) -> Identity:
    """A proof of identity of high confidence was seen and agrees with the traits; `mode` is a code of `rules.EVIDENCE`.

    Raises `Unknown`, `Conflict` (INS.BLOCKED), `Invalid` (INS.EVIDENCE_UNKNOWN).
    """

    def change(identity: Identity) -> tuple[Identity, dict[str, Any]]:
        state = rules.after_evidence(identity.state, mode=mode)
        return with_state(identity, state), {"mode": mode, "validated_on": _today()}

    return _changed(by=by, patient=patient, action="ins.evidence", change=change)


def verify(*, by: Caller, patient: str) -> Identity:
    """Put the identity to INSi again; a refutation takes the matricule away. Raises `Unknown`, `Forbidden`."""

    def change(identity: Identity) -> tuple[Identity, dict[str, Any]]:
        if identity.held is None:
            raise Conflict(
                "Cette identité n'a pas de matricule à vérifier : interroger INSi par les traits.",
                code="INS.NO_MATRICULE",
                issue="business-rule",
            )
        answer = verification(by=by, matricule=identity.held, traits=identity.traits)
        if answer.code == FOUND:
            return identity, {"asked_on": _today()}
        return with_state(identity, rules.after_insi_refuted(identity.state)), {"asked_on": _today()}

    return _changed(by=by, patient=patient, action="ins.verify", change=change)


def edit_traits(*, by: Caller, patient: str, traits: Traits, evidence_covers: bool = False) -> Identity:
    """Correct strict traits: what INSi gave falls. Raises `Unknown`, `Invalid` (INS.TRAITS_MISSING)."""
    issues = rules.check_traits(traits)
    if issues:
        raise Invalid(issues[0].text, code="INS.TRAITS_MISSING", issues=issues)

    def change(identity: Identity) -> tuple[Identity, dict[str, Any]]:
        if identity.traits == traits:
            return identity, {}
        state = rules.after_traits_edited(identity.state, evidence_covers=evidence_covers)
        return Identity(identity.patient, state, traits), {"method": "SM"}

    return _changed(by=by, patient=patient, action="ins.edit", change=change)


def set_attribute(*, by: Caller, patient: str, attribute: str, applies: bool) -> Identity:
    """Mark an identity doubtful, fictitious or look-alike, or lift the mark. Raises `Unknown`, `Invalid` (INS.STATE_IMPOSSIBLE)."""

    def change(identity: Identity) -> tuple[Identity, dict[str, Any]]:
        step = rules.after_attribute_set if applies else rules.after_attribute_removed
        return with_state(identity, step(identity.state, attribute)), {}

    return _changed(by=by, patient=patient, action="ins.attribute", change=change)


def populate(*, by: Caller, people: Sequence[Person], related: Iterable[dict[str, Any]] = ()) -> int:
    """Enter people into the reference base and as identities, `related` being RelatedPersons about them. One transaction.

    Whoever is there already is left as they are. Only in the sandbox. Returns how many were new. Raises `Forbidden`
    (INS.SANDBOX_ONLY).
    """
    if not settings.sandbox():
        raise Forbidden("La base de référence ne se peuple que dans le bac à sable.", code="INS.SANDBOX_ONLY")
    with db.transaction():
        known = set(
            ReferenceIdentity.objects.filter(patient__in=[p.patient for p in people]).values_list("patient", flat=True)
        )
        new = [person for person in people if person.patient not in known]
        if new:
            db.copy_rows("ins_referenceidentity", ROW_COLUMNS, (reference_row(person) for person in new))
        queries.store().load((*patients([p for p in people if p.here]), *related), by=by)
    return len(new)


def _changed(
    *, by: Caller, patient: str, action: str, change: Callable[[Identity], tuple[Identity, dict[str, Any]]]
) -> Identity:
    if by.kind == "citizen":
        raise Forbidden("Seul un professionnel modifie le statut d'une identité.", code="INS.RESERVED")
    with db.transaction():
        db.lock(f"ins:{patient}")
        store = queries.store()
        identity = queries.of_patient(patient)
        if identity is None:
            raise Unknown("Cette identité n'existe pas ici.", code="INS.UNKNOWN")
        after, evidence = change(identity)
        current = store.read("Patient", patient)
        base = json.loads(current.body) if current else {}
        version = store.update(patient_of(after, base=base, **evidence), by=by, if_match=identity.version)
        detail = {"de": identity.status.value, "vers": after.status.value}
        audit.trace(by=by, action=action, patient=patient, entities=[f"Patient/{patient}"], detail=detail)
        if after.status is not identity.status:
            events.emit("ins.status", {"patient": patient, "status": after.status.value}, key=patient)
    return Identity(after.patient, after.state, after.traits, after.held, version=version.version)


def _refuse_unentitled(by: Caller) -> None:
    if by.kind not in ("professional", "software", "system"):
        raise Forbidden(
            "INSi est réservé aux professionnels de santé et aux logiciels autorisés.", code="INS.INSI_RESERVED"
        )


def _check_for_insi(traits: Traits) -> None:
    issues = rules.check_traits(traits, for_insi=True)
    if issues:
        raise Invalid(issues[0].text, code="INS.TRAITS_MISSING", issues=issues)


def _trace_question(by: Caller, action: str, answer: InsiAnswer) -> None:
    patient = answer.patient
    entities = [f"Patient/{patient}"] if patient else []
    audit.trace(by=by, action=action, patient=patient, entities=entities, detail={"reponse": answer.code})
