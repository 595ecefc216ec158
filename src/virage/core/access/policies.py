"""Which rule holds in which space."""

from collections.abc import Callable

from virage.core.access.filters import AllOf, Everything, Filter, Nothing
from virage.core.access.scopes import scope_filter
from virage.core.callers import Caller

Policy = Callable[[Caller, str, str], Filter]

_policies: dict[str, Policy] = {}


def register(space: str, policy: Policy) -> None:
    """Give a space its rule, which comes on top of the scopes of the token. A second one for the same space is refused."""
    if _policies.setdefault(space, policy) is not policy:
        raise ValueError(f"space {space!r} has its policy already")


def filter_for(space: str, by: Caller, interaction: str, type_: str) -> Filter:
    """The rule for this caller, FHIR interaction (`read`, `search-type`, …) and resource type (`*`: any) in this space.

    The token's scopes always count; the space's own policy, where there is one, must let through too.
    """
    scoped = scope_filter(by, interaction, type_)
    policy = _policies.get(space)
    if policy is None or isinstance(scoped, Nothing):
        return scoped
    ruled = policy(by, interaction, type_)
    if isinstance(scoped, Everything):
        return ruled
    if isinstance(ruled, Everything):
        return scoped
    return AllOf((scoped, ruled))
