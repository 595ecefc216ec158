"""Lines of an import made ready to be copied: read, checked, indexed, packed; in child processes when there are many.

The children touch no table: the parent alone writes, and says which lines were refused. They end with the parent.
"""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from virage.core import access, settings
from virage.core.access import Everything, Filter, Nothing
from virage.core.callers import Caller
from virage.core.errors import Issue, Malformed, VirageError
from virage.core.fhir import json, outcome, validation
from virage.core.fhir.bulk.children import Children
from virage.core.fhir.index import registry
from virage.core.fhir.service import SERVICES, ingress
from virage.core.fhir.store import copying, places
from virage.core.fhir.store.packing import Packed

_MOST_ISSUES = 20
_AHEAD = 16 << 20
"""Bytes of lines that wait, or were made ready, while a batch is written."""
_LARGE = 8 << 20
"""Bytes of an input from which on children are worth the second or two that their start takes."""


@dataclass(frozen=True, slots=True)
class Order:
    """For whom lines are made ready; `slice` is another each time the rights are to be asked again."""

    space: str
    caller: Caller
    slice: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines that follow each other; `first` is the number of the first; None stands for one that is too long."""

    input: int
    first: int
    lines: list[bytes | None]


@dataclass(frozen=True, slots=True)
class Ready:
    """What is sound, with the numbers of the lines, and what is not: an OperationOutcome a line, as NDJSON."""

    packed: list[Packed]
    refused: list[bytes]
    numbers: list[int]


class _Desk:
    """What one order allows, asked once for each type."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._service = SERVICES[order.space]
        self._rules: dict[str, Filter | str] = {}

    def ready(self, line: bytes | None) -> Packed:
        """The rows of a line. Raises VirageError for one that is refused."""
        if line is None:
            raise Malformed("La ligne est trop longue.", code="FHIR.TOO_LARGE", issue="too-long")
        resource = json.loads(line)
        issues = [each for each in validation.check(resource) if each.severity in ("error", "fatal")]
        if issues:
            raise VirageError(issues[0].text, code="FHIR.INVALID", issues=issues[:_MOST_ISSUES])
        type = resource["resourceType"]
        if "id" in resource:
            places.check_id(resource["id"])
        rule = self._rules.get(type)
        if rule is None:
            rule = self._rules[type] = self._rule(type)
        if isinstance(rule, str):
            raise VirageError(rule, code="FHIR.IMPORT_TYPE", issue="forbidden")
        if not isinstance(rule, Everything):
            decision = rule.admits(self._service.store.facts(resource))
            if not decision.allowed:
                raise VirageError(decision.reason, code="VIRAGE.FORBIDDEN", issue="forbidden")
        found: list[Issue] = [
            each for guard in ingress(type) for each in guard(resource, self.order.caller, self.order.space)
        ]
        if found:
            raise VirageError(found[0].text, code="FHIR.RULE", issues=found[:_MOST_ISSUES])
        return copying.ready(self._service.store.space, resource)

    def _rule(self, type: str) -> Filter | str:
        """The rule for new resources of a type, or why there can be none."""
        overrides = self._service.overrides
        if "create" not in self._service.served.get(type, ()) or any(
            (verb, each) in overrides for verb in ("create", "update") for each in (type, "*")
        ):
            return f"Le type « {type} » ne s'importe pas en masse sur cette base : passez par ses propres opérations."
        rule = access.filter_for(self.order.space, self.order.caller, "create", type)
        return rule.reason if isinstance(rule, Nothing) else rule


_desk: _Desk | None = None


def prepare(order: Order, piece: Piece) -> Ready:
    """Make a piece ready; the same in a child and here."""
    global _desk
    desk = _desk
    if desk is None or desk.order != order:
        desk = _desk = _Desk(order)
    packed: list[Packed] = []
    refused: list[bytes] = []
    numbers: list[int] = []
    for number, line in enumerate(piece.lines, piece.first):
        if line is not None and not line.strip():
            continue
        try:
            packed.append(desk.ready(line))
            numbers.append(number)
        except VirageError as error:
            refused.append(refusal(piece.input, number, error))
    return Ready(packed, refused, numbers)


def refusal(input: int, number: int, error: VirageError) -> bytes:
    """What is told of a line that is refused, as NDJSON."""
    told = outcome.of_error(error)
    kind = told.pop("resourceType")
    return json.dumps({"resourceType": kind, "id": f"input-{input}-line-{number}", **told}) + b"\n"


# ── the children ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def wanted(size: int) -> int:
    """How many children to prepare so many bytes with; 0: none, it is done here."""
    given = settings.get("VIRAGE_IMPORT_PROCESSES")
    most = settings.number("VIRAGE_IMPORT_PROCESSES", 0, 64) if given else max(len(os.sched_getaffinity(0)) - 1, 1)
    return most if size >= _LARGE else 0


class Preparers:
    """Where pieces are made ready: `submit` gives what will be."""

    def __init__(self, count: int) -> None:
        self._pool = _children.take(count) if count else None
        self._least = 2 * count + 1 if count else 1

    def room(self, waiting: int, most: int, size: int) -> bool:
        """Whether one more may be asked for when so many, of so many bytes, were asked for and not taken: enough to keep the
        children busy, and up to `most` of a moderate size.
        """
        return waiting < self._least or (self._pool is not None and waiting < most and size < _AHEAD)

    def submit(self, order: Order, piece: Piece) -> "Future[Ready]":
        """Ask for a piece."""
        if self._pool is not None:
            return self._pool.submit(registry.shared(), order, piece)
        done: Future[Ready] = Future()
        done.set_result(prepare(order, piece))
        return done


_children = Children()


@contextlib.contextmanager
def preparers(size: int) -> Iterator[Preparers]:
    """Where to make ready an input of so many bytes."""
    count = wanted(size)
    broken = True
    made = Preparers(count)
    try:
        yield made
        broken = False
    finally:
        if count:
            _children.leave(broken)
