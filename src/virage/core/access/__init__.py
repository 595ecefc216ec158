"""The one place that decides: who, what, on whom, for which purpose.

A rule is a value (`Filter`) with two readings: `admits` answers yes or no with its reason for one resource, and the search
engine turns the same value into SQL for lists. A property test keeps the two equal. Each space registers its policy: a
function of the caller, the interaction and the resource type that gives the filter.
Sources: SMART App Launch 2.2 (scopes), RFC 6750; the national matrices live in the rooms that own them.
"""

from virage.core.access.filters import (
    AllOf,
    AnyOf,
    ByType,
    Decision,
    Everything,
    Facts,
    Filter,
    Has,
    InPatient,
    Not,
    Nothing,
    OfType,
)
from virage.core.access.policies import Policy, across, filter_for, register
from virage.core.access.scopes import DIRECTORY, Scope, parse_scopes, scope_filter

__all__ = [
    "DIRECTORY",
    "AllOf",
    "AnyOf",
    "ByType",
    "Decision",
    "Everything",
    "Facts",
    "Filter",
    "Has",
    "InPatient",
    "Not",
    "Nothing",
    "OfType",
    "Policy",
    "Scope",
    "across",
    "filter_for",
    "parse_scopes",
    "register",
    "scope_filter",
]
