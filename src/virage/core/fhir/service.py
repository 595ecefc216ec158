"""What a FHIR base declares: its types, its own operations, what it does differently. One value, read by the router."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from virage.core import settings
from virage.core.callers import Caller
from virage.core.errors import Issue
from virage.core.fhir.request import FhirRequest, FhirResponse

if TYPE_CHECKING:
    from virage.core.fhir.store import Store

Handler = Callable[[FhirRequest, "FhirService"], FhirResponse]
EgressGuard = Callable[[dict[str, Any], Caller, str], dict[str, Any]]
IngressGuard = Callable[[dict[str, Any], Caller, str], Sequence[Issue]]

TYPE_INTERACTIONS = frozenset(
    ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
)
SYSTEM_INTERACTIONS = frozenset(["transaction", "batch", "search-system", "history-system"])


@dataclass(frozen=True)
class Operation:
    """An operation `$name`, at one or several levels.

    `type` is the resource type it belongs to, `""` for the whole base, `"*"` for every type; `level` holds `system`, `type`,
    `instance` separated by spaces. `affects_state=False` opens it to GET as well. `definition` is the canonical address of its
    OperationDefinition. `public` operations are served without a token; those that `removes` answer DELETE too. The router does not decide who may call: `handler`
    asks `core.access` what it needs, because only it knows what it touches.
    """

    name: str
    handler: Handler
    type: str = ""
    level: str = "system"
    affects_state: bool = True
    definition: str = ""
    public: bool = False
    removes: bool = False

    @property
    def levels(self) -> frozenset[str]:
        """The levels as a set."""
        return frozenset(self.level.split())


@dataclass(frozen=True)
class FhirService:
    """One FHIR base: `/dmp/fhir`, kept in the space `dmp` whose number in the store's keys is `code`.

    `types` maps each served type to its interactions; None serves every R4 type with every interaction. `system` are the
    interactions on the whole base. `overrides` answer instead of the router, by (interaction, type or `"*"`); they may call
    `router.default(request, service)` to go on as usual. `search_parameters` are SearchParameter resources of this base,
    `profiles` the canonical addresses it supports, by type. `unique` are identifier systems by type: no two resources of the type
    may hold the same value of them.
    """

    base: str
    space: str
    code: int
    title: str
    types: Mapping[str, Collection[str]] | None = None
    system: Collection[str] = SYSTEM_INTERACTIONS
    overrides: Mapping[tuple[str, str], Handler] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    search_parameters: tuple[dict[str, Any], ...] = ()
    profiles: Mapping[str, Collection[str]] = field(default_factory=dict)
    purpose: str = ""
    unique: Mapping[str, Collection[str]] = field(default_factory=dict)

    @cached_property
    def store(self) -> "Store":
        """The store of this service's space."""
        from virage.core.fhir.store import Store, space

        return Store(space(self.space))

    @cached_property
    def served(self) -> Mapping[str, frozenset[str]]:
        """Every served type with its interactions."""
        if self.types is not None:
            return {name: frozenset(interactions) for name, interactions in self.types.items()}
        from virage.core.fhir import definitions

        return dict.fromkeys(definitions.resource_types(), TYPE_INTERACTIONS)

    @cached_property
    def plain(self) -> frozenset[str]:
        """The types whose read is nothing but their bytes: no override, no other form, nothing inside that has guards."""
        own = {type for interaction, type in self.overrides if interaction == "read"}
        if "*" in own:
            return frozenset()
        return (
            frozenset(name for name, offered in self.served.items() if "read" in offered) - own - {"Binary", "Bundle"}
        )

    @cached_property
    def operation_table(self) -> Mapping[tuple[str, str], tuple[Operation, ...]]:
        """Operations by (level, name), the standard ones after those of the room, which win."""
        from virage.core.fhir.bulk.operations import BULK
        from virage.core.fhir.interactions.operations import STANDARD
        from virage.core.fhir.reindex.declaring import REINDEX
        from virage.core.fhir.subscriptions.operations import SUBSCRIPTIONS

        table: dict[tuple[str, str], tuple[Operation, ...]] = {}
        for operation in (*self.operations, *STANDARD, *BULK, *SUBSCRIPTIONS, *REINDEX):
            for level in operation.levels:
                table[level, operation.name] = (*table.get((level, operation.name), ()), operation)
        return table

    def operation(self, level: str, name: str, type: str) -> Operation | None:
        """The operation that answers `$name` at this level for this type, or None."""
        for operation in self.operation_table.get((level, name), ()):
            if level == "system" or operation.type in ("*", type):
                return operation
        return None


SERVICES: dict[str, FhirService] = {}
"""Services by space, filled by `register`."""


def register(service: FhirService) -> FhirService:
    """Make the service and its search parameters known to the house; called once for each `ROOM.fhir` by the site.

    Returns the service.
    """
    SERVICES[service.space] = service
    if service.search_parameters:
        from virage.core.fhir.definitions import parse_search_parameter
        from virage.core.fhir.index.registry import declare

        declare(service.code, [parse_search_parameter(each) for each in service.search_parameters])
    unique = dict(service.unique)
    if service is SHARED:
        unique.update(_of_the_settings())
    if unique:
        from virage.core.fhir.store import uniqueness

        uniqueness.declare(service.code, unique)
    return service


def _of_the_settings() -> dict[str, list[str]]:
    """What VIRAGE_FHIR_UNIQUE declares for the shared store: `Type=system`, separated by spaces. Raises SettingError."""
    from virage.core.fhir import definitions

    found: dict[str, list[str]] = {}
    for word in settings.get("VIRAGE_FHIR_UNIQUE").split():
        type_, _, system = word.partition("=")
        if not system or type_ not in definitions.resource_types():
            raise settings.SettingError(
                "VIRAGE_FHIR_UNIQUE : écrire « Type=système » (par exemple Practitioner=https://rpps.esante.gouv.fr), "
                "séparés par des espaces."
            )
        found.setdefault(type_, []).append(system)
    return found


_GUARDS: dict[str, tuple[EgressGuard, ...]] = {}


_MARKS: dict[str, tuple[bytes, ...]] = {}


def register_egress(type: str, guard: EgressGuard, *, mark: bytes = b"") -> None:
    """Have `guard(resource, caller, space)` look at every resource of this type that leaves any base by any interaction.

    It returns the resource to send, which may be the one it got, and must not change that one in place. `mark` are bytes
    without which the guard would change nothing: stored JSON that does not hold them leaves as it is, unread. Registering
    the same guard twice has no effect.
    """
    present = _GUARDS.get(type, ())
    if guard not in present:
        _GUARDS[type] = (*present, guard)
        _MARKS[type] = (*_MARKS.get(type, ()), mark)


def is_guarded(type: str, body: bytes) -> bool:
    """Whether a guard could change stored JSON of this type."""
    marks = _MARKS.get(type)
    return marks is not None and any(mark in body for mark in marks)


def egress(type: str) -> tuple[EgressGuard, ...]:
    """The guards of a type; empty for most."""
    return _GUARDS.get(type, ())


_WATCHES: dict[str, tuple[IngressGuard, ...]] = {}


def register_ingress(type: str, guard: IngressGuard) -> None:
    """Have `guard(resource, caller, space)` look at every resource of this type that a client writes on any base.

    It returns what forbids the writing; nothing forbids it when it returns nothing. The structure was checked before.
    Registering the same guard twice has no effect.
    """
    present = _WATCHES.get(type, ())
    if guard not in present:
        _WATCHES[type] = (*present, guard)


def ingress(type: str) -> tuple[IngressGuard, ...]:
    """The guards of what comes in of a type; empty for most."""
    return _WATCHES.get(type, ())


def _subscription(request: FhirRequest, service: FhirService) -> FhirResponse:
    from virage.core.fhir.subscriptions.operations import OVERRIDES

    return OVERRIDES[request.interaction, "Subscription"](request, service)


def _parameter(request: FhirRequest, service: FhirService) -> FhirResponse:
    from virage.core.fhir.reindex.declaring import OVERRIDES

    return OVERRIDES[request.interaction, "SearchParameter"](request, service)


_WRITES = ("create", "update", "patch", "delete")

SHARED = FhirService(
    base="/fhir",
    overrides={
        **{(verb, "Subscription"): _subscription for verb in _WRITES},
        **{(verb, "SearchParameter"): _parameter for verb in _WRITES},
    },
    space="fhir",
    code=0,
    title="Entrepôt FHIR R4 partagé",
    purpose="Toutes les ressources FHIR R4, pour les logiciels et les services qui n'ont pas de base à eux.",
)
