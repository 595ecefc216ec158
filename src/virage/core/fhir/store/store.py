"""The store of one space, as rooms see it."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from virage.core.access import Facts, Filter
from virage.core.callers import Caller
from virage.core.fhir.index import indexer
from virage.core.fhir.index.registry import answered
from virage.core.fhir.store import kept, reading, together, writing
from virage.core.fhir.store.history import history
from virage.core.fhir.store.loading import Loaded, load
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.together import Write
from virage.core.fhir.store.version import HistoryPage, Page, Version


class Store:
    """FHIR resources of one space. Every method takes part in the transaction under way, or is atomic by itself.

    Resources are to be valid already: the store checks their type, id and place only. It stamps `id`, `meta.versionId` and
    `meta.lastUpdated`. Writes carry their trace and tell `fhir.written` to those who hear it, unless told not to.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def create(
        self,
        resource: dict[str, Any],
        *,
        by: Caller,
        id: str | None = None,
        patient: str | None = None,
        event: bool = True,
        trace: bool = True,
    ) -> Version:
        """A new resource, with an id of ours unless one is given. `patient` is the logical id of the patient it concerns when
        the resource does not say so itself. Raises Conflict when the id is taken, deleted or not.
        """
        return writing.create(self.space, resource, by=by, id=id, patient=patient, event=event, trace=trace)

    def update(
        self,
        resource: dict[str, Any],
        *,
        by: Caller,
        if_match: int | None = None,
        patient: str | None = None,
        event: bool = True,
        trace: bool = True,
    ) -> Version:
        """The next version of the resource that has this `id`, or its first (`Version.created`).

        Raises StaleVersion (412) when `if_match` is not the current version, Conflict when others never stop writing it.
        """
        return writing.update(self.space, resource, by=by, if_match=if_match, patient=patient, event=event, trace=trace)

    def delete(
        self, type: str, id: str, *, by: Caller, if_match: int | None = None, event: bool = True, trace: bool = True
    ) -> Version | None:
        """Mark as deleted; the version that says so, None when there was nothing to delete. Past versions stay."""
        return writing.delete(self.space, type, id, by=by, if_match=if_match, event=event, trace=trace)

    def in_turn(self, type: str, id: str, again: bool) -> AbstractContextManager[None]:
        """Around a read and the write that follows from it: with `again`, nobody else writes the resource meanwhile."""
        return writing.in_turn(self.space, type, id, again)

    def read(self, type: str, id: str) -> Version | None:
        """The current version, `deleted` perhaps; None when there never was one."""
        return reading.read(self.space, type, id)

    def current(self, type: str, id: str) -> Version | None:
        """The same, shared with others: for its bytes and dates, never to be changed, parsed `resource` least of all."""
        return reading.current(self.space, type, id)

    def known(self, type: str, id: str) -> Version | None:
        """The same when this process has it at hand and it is certain to be current, without asking the database."""
        return kept.find((self.space.code, type, id))

    def read_many(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
        """Current versions by (type, id); those deleted or unknown are left out."""
        return reading.read_many(self.space, references)

    def vread(self, type: str, id: str, version: int) -> Version | None:
        """That version, `deleted` perhaps; None when there is none."""
        return reading.vread(self.space, type, id, version)

    def history(
        self,
        type: str | None = None,
        id: str | None = None,
        *,
        since: datetime | None = None,
        at: tuple[datetime, datetime] | None = None,
        count: int = 50,
        cursor: str | None = None,
        access: Filter | None = None,
        total: bool = False,
    ) -> HistoryPage:
        """Versions, newest first: of one resource, of a type, or of the whole space. `at` is a range, its end excluded."""
        return history(self.space, type, id, since=since, at=at, count=count, cursor=cursor, access=access, total=total)

    def search(
        self,
        type: str | None,
        params: list[tuple[str, str]],
        *,
        access: Filter | None = None,
        within: Filter | None = None,
        count: int | None = None,
        cursor: str | None = None,
        total: bool | str | None = None,
        sort: str | None = None,
    ) -> Page:
        """A page of what matches, in an order that holds while others write.

        `type` None searches every type, or those of `_type`. `access` None: no limit; `within` confines the matches alone. `total` is a boolean or a value of
        `_total`. Raises BadSearch (400), whose code tells what is wrong, and BadCursor.
        """
        from virage.core.fhir.search.run import search

        def once() -> Page:
            return search(
                self.space,
                type,
                params,
                access=access,
                within=within,
                count=count,
                cursor=cursor,
                total=total,
                sort=sort,
            )

        return answered(once, lambda page: bool(page.unknown))

    def versions(self, type: str, params: list[tuple[str, str]]) -> dict[str, tuple[int, datetime]]:
        """The current version of each resource that matches and its time, by id, without reading any. Raises BadSearch (400)."""
        from virage.core.fhir.search.run import versions

        def once() -> dict[str, tuple[int, datetime]]:
            return versions(self.space, type, params)

        return answered(once, lambda found: False)

    def types_about(self, patient: str, types: list[str]) -> set[str]:
        """Those of these types of which something is in the compartment of that patient (logical id): one statement."""
        return reading.types_about(self.space, patient, types)

    def write(self, writes: list[Write], *, by: Caller) -> list[Version]:
        """Many creates and updates together. See `together.write`."""
        return together.write(self.space, writes, by=by)

    def new_id(self, type: str, patients: list[str]) -> str:
        """An id for a resource that will be written with it; `patients` are the logical ids of those it concerns."""
        return writing.new_id(self.space, type, patients)

    def filed(self, resource: dict[str, Any]) -> list[str]:
        """Its references that may point at a patient it concerns, the most significant first."""
        return indexer(self.space.code, writing.resource_type(resource)).filed(resource)

    def facts(self, resource: dict[str, Any] | Version) -> Facts:
        """What access rules may know of a resource."""
        from virage.core.fhir.search.facts import facts

        return facts(self.space.code, resource.resource if isinstance(resource, Version) else resource)

    def load(self, resources: Iterable[dict[str, Any]], *, by: Caller, batch: int = 5000) -> Loaded:
        """New resources by the thousand, by binary COPY. See `loading.load`."""
        return load(self.space, resources, by=by, batch=batch)
