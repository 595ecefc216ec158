"""Which search parameters hold for a type in a space, and the index plans made from them.

What users declared is kept in the database and known here as one value, replaced whole: a plan says by which epoch it was
made, and a write by a plan of another epoch is refused by its own statement (see docs/understand/parameters.md).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any, TypeVar

from virage.core import db
from virage.core.errors import VirageError
from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import keys
from virage.core.fhir.index.aliases import Alias, aliases
from virage.core.fhir.index.plan import Indexer

REVISION = 7
"""What this program indexes. A release that indexes more, or otherwise, counts one further: the worker then goes through what
is stored. Until `revised(n)` holds, nothing may be answered from entries that revision n brought."""

EPOCH = "coalesce((SELECT n FROM reindex_epoch), 0)"
"""The epoch of the index, in SQL."""

Result = TypeVar("Result")


class ParameterBuilding(VirageError):
    """The parameter exists, and its index is not whole yet."""

    code = "FHIR.PARAM_BUILDING"
    status = 409
    issue = "transient"


class ProgramOld(VirageError):
    """A newer program shares the database: this one does not know all that is to be indexed."""

    code = "FHIR.PROGRAM_OLD"
    status = 503
    issue = "transient"


@dataclass(frozen=True, slots=True)
class Own:
    """A parameter that a user declared in a space. `key` names this very definition, `id` its resource.

    `state`: announced (not indexed yet by anyone), building (written by all, what was stored is being gone through), active,
    leaving (no longer answered, still written).
    """

    key: str
    space: int
    id: str
    state: str
    param: SearchParam


@dataclass(frozen=True)
class Known:
    """What this process knows of the index: epoch, revision that the stored rows have reached, users' parameters."""

    epoch: int = 0
    revised: int = 0
    own: tuple[Own, ...] = ()
    plans: dict[tuple[int, str], Indexer] = field(default_factory=dict, compare=False)

    def of(self, space: int, type_: str, *states: str) -> list[Own]:
        """The users' parameters of a type that are in one of these states."""
        return [
            each
            for each in self.own
            # A space of contained resources has none: users' parameters do not look into them.
            if each.space == space
            and each.state in states
            and any(definitions.is_a(type_, base) for base in each.param.base)
        ]


_known = Known()
_number = 0  # counts the values that `_known` has had: what is remembered hangs on it
_extra: dict[int, list[SearchParam]] = {}
_lock = threading.Lock()
_noted = threading.local()


def _replace(known: Known) -> None:
    global _known, _number
    _known = known
    _number += 1


def remembered(maxsize: int = 2048) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """A cache for what follows from the parameters: it holds until they change."""

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        cached = lru_cache(maxsize)(lambda number, *given: function(*given))

        @wraps(function)
        def call(*given: Any) -> Result:
            return cached(_number, *given)

        return call

    return decorate


def declare(space: int, params: list[SearchParam]) -> None:
    """Add a space's own search parameters (those of national profiles). To be called before anything is stored there."""
    with _lock:
        known = {each.url for each in _extra.get(space, [])}
        added = [each for each in params if each.url not in known]
        if added:
            _extra[space] = [*_extra.get(space, []), *added]
            _replace(Known(_known.epoch, _known.revised, _known.own))


def refresh() -> bool:
    """Ask the database what holds now; whether that differs from what this process knew. One statement.

    Raises ProgramOld (503) when a newer program has begun to index more than this one knows.
    """
    from virage.core.fhir.reindex.table import load

    with _lock:  # held while asking, so that what is known never goes back
        found = load()
        if (found.epoch, found.revised, found.own) == (_known.epoch, _known.revised, _known.own):
            return False
        _replace(found)
        return True


def epoch() -> int:
    """The epoch that this process knows."""
    return _known.epoch


def agree() -> int:
    """The epoch of the database, in the transaction under way, which this process then knows: what is planned by it may be
    written in this transaction.
    """
    with db.cursor() as cursor:
        row = cursor.execute(f"SELECT {EPOCH}").fetchone()
    assert row is not None
    if row[0] != _known.epoch:
        refresh()
    return _known.epoch


def shared() -> Known:
    """What this process knows, for a child that makes entries for it."""
    return Known(_known.epoch, _known.revised, _known.own)


def adopt(known: Known) -> None:
    """Know what the parent knew when it asked."""
    with _lock:
        if known != _known:
            _replace(known)


def revised(revision: int) -> bool:
    """Whether what is stored has all the entries of a revision. Free once it is true; one statement before."""
    if _known.revised < revision:
        refresh()
    return _known.revised >= revision


@remembered()
def declared_params(space: int, type_: str) -> dict[str, SearchParam]:
    """Parameters of a type by code, without those of users; the space's own win over the specification's."""
    found = {each.code: each for each in definitions.search_parameters(type_)}
    for each in _extra.get(keys.outside(space), []):
        if any(definitions.is_a(type_, base) for base in each.base):
            found[each.code] = each
    return found


@remembered()
def params_of(space: int, type_: str) -> dict[str, SearchParam]:
    """Parameters of a type in a space, by code: those that a search may use now."""
    found = dict(declared_params(space, type_))
    for each in _known.of(space, type_, "active"):
        found[each.param.code] = each.param
    return found


def param_of(space: int, type_: str, code: str) -> SearchParam | None:
    """The parameter of this code, for a search. Raises ParameterBuilding (409) while its index is being made."""
    found = params_of(space, type_).get(code)
    if found is None:
        for each in _known.of(space, type_, "announced", "building"):
            if each.param.code == code:
                raise _building(each)
        return None
    if found.key:
        noted = getattr(_noted, "keys", None)
        if noted is not None:
            noted.add(found.key)
    return found


def building(space: int, type_: str) -> list[SearchParam]:
    """The parameters of a type whose index is being made."""
    return [each.param for each in _known.of(space, type_, "building")]


def _building(one: Own) -> ParameterBuilding:
    from virage.core.fhir.reindex.table import progress

    return ParameterBuilding(
        f"Le paramètre « {one.param.code} » est en cours d'indexation ({progress(one.key)} %) : réessayez quand "
        f"SearchParameter/{one.id}/$index dira qu'il est servi.",
        path=one.param.code,
    )


@contextmanager
def noting() -> Iterator[set[str]]:
    """The keys of the users' parameters that searches of this thread use in the meantime."""
    before = getattr(_noted, "keys", None)
    _noted.keys = keys = set[str]()
    try:
        yield keys
    finally:
        _noted.keys = before
        if before is not None:
            before |= keys


_TRIES = 3


def answered(search: Callable[[], Result], unknown: Callable[[Result], bool]) -> Result:
    """Run a search so that it is right whatever other processes declared meanwhile.

    A name that nobody knows, or that is not served yet, is looked up once more in the database. After a search by users'
    parameters one statement makes sure that they were served all the while: entries go only after that is no longer so.
    """
    from virage.core.fhir.reindex.table import are_active

    for attempt in range(_TRIES):
        with noting() as keys:
            try:
                result = search()
            except VirageError as error:
                # What is too dear stays so; a transaction may even be lost with it.
                again = error.status in (400, 409) and error.issue != "too-costly"
                if not again or not refresh() or attempt + 1 == _TRIES:
                    raise
                continue
        if keys and not are_active(keys):
            refresh()
            continue
        if unknown(result) and refresh():
            continue
        return result
    raise ParameterBuilding("Les paramètres de recherche changent en ce moment : réessayez dans un instant.")


def indexer(space: int, type_: str) -> Indexer:
    """The index plan of a type in a space, with the epoch by which it was made."""
    known = _known
    found = known.plans.get((space, type_))
    if found is None:
        own = known.of(space, type_, "building", "active", "leaving")
        params = [*declared_params(space, type_).values(), *(each.param for each in own)]
        found = Indexer(space, type_, params, aliases_of(space, type_), known.epoch)
        known.plans[space, type_] = found
    return found


@remembered()
def aliases_of(space: int, type_: str) -> dict[str, Alias]:
    """The parameters of a type that others answer for; those of users always have entries of their own."""
    return aliases(type_, list(declared_params(space, type_).values()))
