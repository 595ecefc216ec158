"""Who sees what of a record, in two steps: may this caller look into it at all (facts of our tables), then which documents
(a `core.access` filter, read as a predicate on one document and as SQL on lists).

Steps of the algorithm: record open; not blocked; authorised, or emergency, or regulation; matrix; masked; status. Every
consultation is traced, refusals too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from virage.core import audit, db
from virage.core.access import AllOf, AnyOf, Decision, Filter, Has, InPatient, Not, Nothing, OfType
from virage.core.callers import Caller
from virage.core.errors import Forbidden
from virage.services.dmp import codes, rules
from virage.services.dmp.rules.matrix import Column, column, profession_of

_RIGHTS = """
SELECT r.state, r.emergency_refused, r.treating_doctor, a.permission, a.until
FROM dmp_record r LEFT JOIN dmp_authorisation a ON a.patient = r.patient AND a.professional = %s
WHERE r.patient = %s
"""


def rights(by: Caller, patient: str) -> rules.Rights:
    """What our tables say of this caller and this record; a person without a record has the state NON_CREE."""
    holder = by.kind == "citizen" and by.patient == patient
    with db.cursor() as cursor:
        cursor.execute(_RIGHTS, (by.subject if by.kind == "professional" else "", patient))
        row = cursor.fetchone()
    if row is None:
        return rules.Rights(rules.State.NON_CREE, holder=holder)
    state, refused, doctor, permission, until = row
    if permission == "allowed" and until is not None and until < datetime.now(UTC):
        permission = ""
    if not permission and doctor and doctor == by.subject:
        permission = "allowed"
    return rules.Rights(rules.State(state), permission or "", bool(refused), holder)


def _labelled(code: str) -> Filter:
    return Has("security-label", f"|{code}")


def _in_error() -> Filter:
    return Not(
        Has("status", "|entered-in-error"),
        reason="Ce document a été retiré par son auteur.",
        rule="dmp.withdrawn",
    )


def matrix_filter(mine: Column) -> Filter | None:
    """The matrix as a filter; None when the profession reads everything."""
    reason = "La matrice d'habilitation n'ouvre pas ce type de document à votre profession."
    # Whatever the code system: national codes travel under an OID as under the address of the nomenclature.
    named: list[Filter] = [Has("type", f"|{code}") for code in sorted(mine.types)]
    named += [Has("category", f"|{code}") for code in sorted(mine.classes)]
    if mine.default:
        return Not(AnyOf(named), reason=reason, rule="dmp.matrix") if named else None
    return AnyOf(named, reason=reason, rule="dmp.matrix") if named else Nothing(reason, "dmp.matrix")


def document_filter(by: Caller, patient: str) -> Filter:
    """Which documents of a record this caller sees, once the record itself is open to them."""
    inside = InPatient(patient)
    if by.kind == "citizen":
        seen = Not(
            _labelled("INVISIBLE_PATIENT"), reason="Ce document ne vous est pas encore visible.", rule="dmp.invisible"
        )
        return AllOf((inside, _in_error(), seen))
    shown: list[Filter] = [
        Not(_labelled("MASQUE_PS"), reason="Ce document est masqué par le titulaire du dossier.", rule="dmp.masked")
    ]
    matrix = matrix_filter(column(profession_of(by)))
    if matrix is not None:
        shown.append(matrix)
    # The author's rule comes first: a refusal tells the reason of the last alternative, masking or matrix.
    author = Has(codes.AUTHOR_PARAM, f"{codes.IDNAT_PS}|{by.subject}")
    return AllOf((inside, _in_error(), AnyOf((author, AllOf(shown)))))


def lot_filter(by: Caller, patient: str) -> Filter:
    """Which lots: those of the record; their entries are thinned to the documents that the caller sees."""
    return AllOf((InPatient(patient), OfType(frozenset({"List"}))))


def is_author(by: Caller, resource: Mapping[str, Any]) -> bool:
    """Whether the caller is among the authors that the registry noted on a document."""
    if by.kind == "citizen":
        return any(author.get("reference") == f"Patient/{by.patient}" for author in resource.get("author") or ())
    return any(
        author.get("identifier", {}).get("system") == codes.IDNAT_PS and author["identifier"].get("value") == by.subject
        for author in resource.get("author") or ()
    )


def refuse(by: Caller, patient: str, action: str, decision: Decision, entities: tuple[str, ...] = ()) -> Forbidden:
    """The refusal to raise; its trace is written now, outside of any transaction that the refusal would undo."""
    audit.trace(
        by=by,
        action=action,
        outcome="4",
        patient=patient,
        entities=entities,
        description=decision.reason,
        detail={"regle": decision.rule},
    )
    return Forbidden(decision.reason, code=decision.rule.upper())


def enter(by: Caller, patient: str, action: str, entities: tuple[str, ...] = ()) -> Filter:
    """Opens a record to a caller for one consultation: gives the filter of its documents.

    Raises `Forbidden` (`DMP.…`) with the reason, after tracing it. The first use of the emergency mode within an hour is
    told: trace `dmp.break_glass` and event `dmp.glass_broken` (holder and treating doctor hear it).
    """
    known = rights(by, patient)
    decision = rules.may_consult(by, known)
    if not decision.allowed:
        raise refuse(by, patient, action, decision, entities)
    if by.kind == "professional" and by.purpose == rules.BREAK_GLASS:
        from virage.services.dmp.actions.emergencies import break_glass

        break_glass(by=by, patient=patient)
    return document_filter(by, patient)


_open: ContextVar[Filter | None] = ContextVar("dmp_open", default=None)


@contextmanager
def opened(access: Filter) -> Iterator[None]:
    """While it lasts, the space lets through what this filter admits: a handler of ours has decided it for this request."""
    token = _open.set(access)
    try:
        yield
    finally:
        _open.reset(token)


def policy(by: Caller, interaction: str, type_: str) -> Filter:
    """The rule of the space `dmp`: nothing, unless a handler of this room opened a record for this request."""
    return _open.get() or Nothing("Indiquez de quel patient il s'agit (patient.identifier).", "dmp.no_patient")
