"""What an export takes: the rows of a type as SQL, and the same question asked of one version that is no longer current."""

from dataclasses import dataclass
from typing import Any

from virage.core import access
from virage.core.access import Filter, Nothing
from virage.core.errors import Malformed
from virage.core.fhir import definitions
from virage.core.fhir.bulk.jobs import Job
from virage.core.fhir.index import keys, params_of
from virage.core.fhir.index.membership import member
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.compiler import Compiler
from virage.core.fhir.search.context import ROW_BUCKET, Context, has
from virage.core.fhir.search.facts import facts
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.naming import named
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE, TRUE, Sql, some
from virage.core.fhir.store import Space, Version, places


@dataclass(frozen=True)
class Selection:
    """One type of an export. `filters` are the criteria of which one must be met (none: all are taken)."""

    space: Space
    type: str
    rule: Filter
    level: str
    patients: frozenset[str]
    since: int
    moment: int
    filters: tuple[tuple[tuple[str, str], ...], ...]

    def query(self) -> Query | None:
        """The rows that are now as they were at the moment; None when there can be none. Raises BadSearch, Malformed."""
        common = [
            self._confined(),
            access_condition(self.rule, self.space.code, self.type),
            Sql("r.updated <= %s", (self.moment,)),
            Sql("r.updated > %s", (self.since,)) if self.since else TRUE,
        ]
        found = some([assemble([*parts, *common]) for parts in self._criteria()])
        return None if found is FALSE else Query(self.space.code, (places.type_code(self.type),), found)

    def changed_since(self, deleted: bool) -> tuple[str, list[Any]]:
        """A statement for the versions that were current at the moment and are not any more, after (%s, %s), %s at most.

        With `deleted`: the last version of what was deleted between `since` and the moment. The rules are to be asked of
        each by `admits`; criteria look at what the row is now, because of the past only the bytes are kept.
        """
        times = "r.updated > %s AND r.updated <= %s AND r.body IS NULL" if deleted else "r.updated > %s"
        values: list[Any] = [self.since, self.moment] if deleted else [self.moment]
        criteria = TRUE
        if self.filters and not deleted:
            criteria = some([assemble(parts, placed=True) for parts in self._criteria()])
        past = "v.body IS NOT NULL" if deleted else "v.updated <= %s"
        text = (
            "SELECT v.type, v.id, v.version, v.updated, v.body, v.compartment, r.rid FROM fhir_resource r"
            " CROSS JOIN LATERAL (SELECT * FROM fhir_version v WHERE v.compartment = r.compartment AND v.rid = r.rid"
            f" AND {past} ORDER BY v.version DESC LIMIT 1) v"
            f" WHERE r.space = %s AND r.type = %s AND {times} AND {criteria.text.replace('{b}', ROW_BUCKET)}"
            + ("" if deleted else " AND v.body IS NOT NULL AND v.updated > %s")
            + " AND (r.compartment, r.rid) > (%s, %s) ORDER BY r.compartment, r.rid LIMIT %s"
        )
        before: list[Any] = [] if deleted else [self.moment]
        after: list[Any] = [] if deleted else [self.since]
        return text, [*before, self.space.code, places.type_code(self.type), *values, *criteria.values, *after]

    def admits(self, version: Version) -> bool:
        """Whether the rules and the level of the export let this version through."""
        known = facts(self.space.code, version.resource)
        if self.level == "group" and not known.patients & self.patients:
            return False
        if self.level == "patient" and not known.patients:
            return False
        return self.rule.admits(known).allowed

    def _criteria(self) -> list[list[Sql]]:
        return [self._compiled(each) for each in self.filters] or [[]]

    def _compiled(self, params: tuple[tuple[str, str], ...]) -> list[Sql]:
        out = Compiler(self.space.code, self.moment, self.rule).compile(self.type, list(params))
        if out.unknown:
            raise Malformed(
                f"« _typeFilter » : le paramètre « {out.unknown[0][:64]} » n'existe pas pour {self.type}.",
                code="FHIR.PARAM_UNKNOWN",
                path="_typeFilter",
            )
        if out.ids is not None:
            known = [each for each in out.ids if places.ID.fullmatch(each)]
            out.parts.append(named(self.space.code, self.type, known))
        return out.parts

    def _confined(self) -> Sql:
        if self.level == "system":
            return TRUE
        if self.level == "group":
            return has([member(self.space.code, self.type, patient) for patient in self.patients])
        if self.type == "Patient":
            return TRUE
        params = params_of(self.space.code, self.type)
        found: list[int] = []
        for code in definitions.compartments()["Patient"].get(self.type, ()):
            if code in params:
                found += Context(self.space.code, self.type, params[code]).tokens(keys.present("Patient"))
        return has(found)


def types_of(level: str, names: list[str]) -> list[str]:
    """Those of the types that an export of this level may hold."""
    if level == "system":
        return names
    members = definitions.compartments()["Patient"]
    return [name for name in names if name == "Patient" or members.get(name)]


def selections(job: Job, space: Space) -> list[Selection]:
    """What a job takes, type by type; types of which the caller may see nothing are left out."""
    asked = job.asked
    found = []
    for name in asked["types"]:
        rule = access.across(job.space, job.caller, "search-type", name)
        if isinstance(rule, Nothing):
            continue
        filters = tuple(tuple((key, value) for key, value in each) for each in asked["filters"].get(name, ()))
        found.append(
            Selection(
                space,
                name,
                rule,
                asked["level"],
                frozenset(asked["patients"]),
                asked["since"],
                job.moment,
                filters,
            )
        )
    return found


__all__ = ["Selection", "selections", "types_of"]
