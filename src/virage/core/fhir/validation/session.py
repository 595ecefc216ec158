"""One run of validation: what it knows, what it may do, what it has found."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from virage.core.errors import Issue
from virage.core.fhir import definitions
from virage.core.fhir.validation.items import Frame
from virage.core.fhir.validation.registry import Registry
from virage.core.fhir.validation.report import MAX_ISSUES, Enough, Place, text_of
from virage.core.fhir.validation.terminology import BuiltIn, Terminology

Resolver = Callable[[str], Mapping[str, Any] | None]

REFERENCE = re.compile(
    r"(?:(https?://[^\s?#]+)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?"
)
MAX_STEPS = 400_000  # shapes met; a profile made to cost more is refused
MAX_EXPRESSED = (
    2_000_000  # steps of expressions that are not R4's own, besides those that the size of the resource explains
)
_EXPRESSED_BY_STEP = 100


@dataclass(frozen=True)
class Options:
    """How strict to be where R4 leaves it open.

    `unknown_extensions` is the severity of an extension nobody here defines; `unknown_profiles` that of a profile that a
    resource declares, `unknown_targets` that of one that a profile names for a reference; `must_resolve` asks that references find
    their target; `check_text` refuses markup inside plain strings; `displays` is the severity of a wrong wording; `assume_rest` takes the http reference of an
    answer for that of a FHIR server;
    `resolver` finds resources that are neither contained, in the bundle, nor in the registry.
    """

    unknown_extensions: str = "error"
    unknown_profiles: str = "warning"
    unknown_targets: str = "error"
    must_resolve: bool = False
    check_text: bool = False
    displays: str = "error"
    assume_rest: bool = False
    contained: bool = True
    resolver: Resolver | None = None


@dataclass
class Session:
    """Findings, in order, without repeats; `quiet` ones are asked only whether something conforms."""

    registry: Registry
    options: Options = field(default_factory=Options)
    terminology: Terminology = None  # type: ignore[assignment]  # set just below when none is given
    issues: list[Issue] = field(default_factory=list)
    steps: int = 0
    expressed: int = 0
    errors: int = 0
    others: int = 0
    #: (identity of a value, profile) under way or decided: cyclic profiles end there
    verdicts: dict[tuple[int, str], bool] = field(default_factory=dict)
    #: the same, once written
    reported: set[tuple[int, str]] = field(default_factory=set)
    #: fetched resources, kept so that their identities stay theirs
    kept: list[Mapping[str, Any]] = field(default_factory=list)
    bundles: dict[int, "Entries"] = field(default_factory=dict)
    #: what rules in FHIRPath know of bundles
    named: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: by identity of a question, the marks of the answers that it proposes
    proposed: dict[int, frozenset[Any]] = field(default_factory=dict)
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    depth: int = 0
    #: findings that come after all else about a resource: its depth in the path, and the turn
    late: dict[Issue, tuple[int, int]] = field(default_factory=dict)
    lateness: tuple[int, int] | None = None
    #: rules of types, told after what is below the element
    closed: set[Issue] = field(default_factory=set)
    closing: bool = False
    turns: int = 0

    def __post_init__(self) -> None:
        if self.terminology is None:
            self.terminology = BuiltIn(self.registry)

    def add(self, code: str, text: str, place: Place, severity: str = "error", below: str = "") -> None:
        """Write a finding once. Raises Enough at the limit."""
        where = text_of(place) + below
        key = (code, text, where)
        if key in self.seen:
            return
        self.seen.add(key)
        # Many warnings must not hide an error that comes later.
        if severity != "error":
            self.others += 1
            if self.others > MAX_ISSUES:
                return
        issue = Issue(code, text, where, severity)
        self.issues.append(issue)
        if self.lateness is not None:
            self.late[issue] = self.lateness
        if self.closing:
            self.closed.add(issue)
        if severity == "error":
            self.errors += 1
            if self.errors >= MAX_ISSUES:
                text = f"Plus de {MAX_ISSUES} erreurs : le contrôle s'arrête là. Corrigez celles-ci puis recommencez."
                self.issues.append(Issue("too-costly", text, where, "information"))
                raise Enough

    @contextmanager
    def after(self, place: Place) -> Iterator[None]:
        """What is found within is told after all else about the resource at this place."""
        before = self.lateness
        if before is None:
            self.turns += 1
            self.lateness = (text_of(place).count("."), self.turns)
        try:
            yield
        finally:
            self.lateness = before

    def spend(self) -> None:
        """Count one shape met. Raises Enough, with a finding, when the work has no end."""
        self.steps += 1
        if self.steps > MAX_STEPS or self.expressed > MAX_EXPRESSED + _EXPRESSED_BY_STEP * self.steps:
            text = "Ce contrôle demande trop de calcul : allégez la ressource ou le profil."
            self.issues.append(Issue("too-costly", text, "", "error"))
            raise Enough

    def charge(self, steps: int) -> None:
        """Count what an expression of a profile took; the next shape met may be the last."""
        self.expressed += steps

    def entries(self, bundle: Mapping[str, Any]) -> "Entries":
        """The entries of a bundle, ready to be looked up."""
        found = self.bundles.get(id(bundle))
        if found is None:
            found = self.bundles[id(bundle)] = Entries(bundle)
        return found

    def resolve(self, reference: str, frame: Frame) -> tuple[Mapping[str, Any], Frame] | None:
        """The resource that a literal reference points at, from within `frame`, with its own frame."""
        if reference.startswith("#"):
            return self._contained(reference[1:], frame)
        plain, _, fragment = reference.partition("#")
        found = self._entry(plain, frame)
        if found is None:
            match = REFERENCE.fullmatch(plain)
            known = self.registry.resource(match[2], match[3]) if match else None
            if known is None and self.options.resolver is not None:
                known = self.options.resolver(plain)
            if known is not None:
                self.kept.append(known)
            found = None if known is None else (known, Frame(known))
        if found is not None and fragment:
            return self._contained(fragment, found[1])
        return found

    def _contained(self, ident: str, frame: Frame) -> tuple[Mapping[str, Any], Frame] | None:
        root = frame.root
        if not ident:
            return root, Frame(root, None, frame.bundle, frame.full_url, frame.outer)
        for each in root.get("contained", ()):
            if type(each) is dict and each.get("id") == ident:
                return each, Frame(each, root, frame.bundle, frame.full_url, frame)
        return None

    def _entry(self, reference: str, frame: Frame) -> tuple[Mapping[str, Any], Frame] | None:
        current: Frame | None = frame
        while current is not None:
            if current.bundle is not None:
                entries = self.entries(current.bundle).meant_by(reference, current.full_url)
                if entries:
                    entry = entries[0]
                    return entry["resource"], Frame(
                        entry["resource"], None, current.bundle, entry.get("fullUrl", ""), current.outer
                    )
            sibling = _parameter(reference, current.resource)
            if sibling is not None:
                return sibling, Frame(sibling, None, None, "", current)
            current = current.outer
        return None


def _parameter(reference: str, holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A resource among the parameters of one Parameters, by type and id."""
    if holder.get("resourceType") != "Parameters":
        return None
    for each in holder.get("parameter", ()):
        value = each.get("resource") if type(each) is dict else None
        if type(value) is dict and f"{value.get('resourceType')}/{value.get('id')}" == reference:
            return value
    return None


class Entries:
    """The entries of a bundle, by what references may call them; made once for a bundle."""

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        self.bundle = bundle
        self.by_url: dict[str, list[Mapping[str, Any]]] = {}
        self.by_id: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
        for each in bundle.get("entry", ()):
            content = each.get("resource") if type(each) is dict else None
            url = each.get("fullUrl", "") if type(each) is dict else None
            if type(content) is not dict or type(url) is not str:
                continue
            self.by_url.setdefault(url, []).append(each)
            kind, ident = content.get("resourceType"), content.get("id")
            if type(kind) is str and type(ident) is str:
                self.by_id.setdefault((kind, ident), []).append(each)

    def meant_by(self, reference: str, full_url: str) -> list[Mapping[str, Any]]:
        """Entries that a reference from the entry `full_url` may mean, by the rules of R4 (bundle.html#references)."""
        match = REFERENCE.fullmatch(reference)
        if match is None or match[1]:
            return _version(self.by_url.get(reference.partition("/_history/")[0], []), match)
        base = REFERENCE.fullmatch(full_url)
        if base is not None and base[1]:
            return _version(self.by_url.get(f"{base[1]}/{match[2]}/{match[3]}", []), match)
        # Without a server address around, an id alone means entries of no other identity (in a document, no urn).
        found = self.by_id.get((match[2], match[3]), [])
        if self.bundle.get("type") == "document":
            found = [each for each in found if not each.get("fullUrl", "").startswith("urn:")]
        return _version(found, match)


def _version(entries: list[Mapping[str, Any]], match: re.Match[str] | None) -> list[Mapping[str, Any]]:
    if match is None or not match[4]:
        return entries
    return [each for each in entries if each["resource"].get("meta", {}).get("versionId") in (None, match[4])]


def is_resource_type(name: str) -> bool:
    """Whether R4 has this resource type."""
    return name in definitions.resource_types()
