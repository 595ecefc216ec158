"""Which rule holds in which space."""

from collections.abc import Callable

from virage.core.access.filters import AllOf, ByType, Everything, Filter, Nothing
from virage.core.access.scopes import scope_filter
from virage.core.callers import Caller

Policy = Callable[[Caller, str, str], Filter]

_policies: dict[str, Policy] = {}
_public: dict[str, frozenset[str]] = {}


def register(space: str, policy: Policy, *, public: frozenset[str] = frozenset()) -> None:
    """Give a space its rule, which comes on top of the scopes of the token. A second one for the same space is refused.

    `public` are the types, in no patient's compartment, that whoever signed in may read there: a patient's scope opens them too.
    """
    if _policies.setdefault(space, policy) is not policy:
        raise ValueError(f"space {space!r} has its policy already")
    _public[space] = public


def _scoped(space: str, by: Caller, interaction: str, type_: str) -> Filter:
    return scope_filter(by, interaction, type_, public=_public.get(space, frozenset()))


def filter_for(space: str, by: Caller, interaction: str, type_: str) -> Filter:
    """The rule for this caller, FHIR interaction (`read`, `search-type`, …) and resource type (`*`: any) in this space.

    The token's scopes always count; the space's own policy, where there is one, must let through too.
    """
    scoped = _scoped(space, by, interaction, type_)
    policy = _policies.get(space)
    if policy is None or isinstance(scoped, Nothing):
        return scoped
    return _both(scoped, policy(by, interaction, type_))


def across(space: str, by: Caller, interaction: str, type_: str) -> Filter:
    """The same for a search, which by chains and includes meets other types: each by the scopes that open it."""
    own = filter_for(space, by, interaction, type_)
    if isinstance(own, Nothing) or type_ == "*" or isinstance(_scoped(space, by, interaction, "*"), Everything):
        return own
    policy = _policies.get(space)
    ruled = Everything() if policy is None else policy(by, interaction, type_)

    def of(other: str) -> Filter:
        return own if other == type_ else _both(_scoped(space, by, interaction, other), ruled)

    return ByType(of)


def _both(scoped: Filter, ruled: Filter) -> Filter:
    if isinstance(scoped, Everything):
        return ruled
    if isinstance(ruled, Everything):
        return scoped
    return AllOf((scoped, ruled))
