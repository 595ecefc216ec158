"""The official R4 validation cases, run as their manifest says, and how far our verdicts agree.

A case agrees when each of its runs (alone; against its profile) is found valid or invalid as published. Where a run is
invalid, the paths agree when our first error is where the published first error is.
"""

import io
import re
import tarfile
from dataclasses import dataclass, field
from typing import Any

import orjson
import zstandard

from virage.core.fhir import validation

ROOT = "validator/"


@dataclass
class Verdict:
    """One run: what is published, what we say."""

    case: str
    run: str
    valid: bool
    path: str
    ours: list[Any] = field(default_factory=list)
    crash: str = ""

    @property
    def our_valid(self) -> bool:
        return not self.ours

    @property
    def agrees(self) -> bool:
        return self.our_valid == self.valid and not self.crash

    @property
    def same_path(self) -> bool:
        return self.agrees and (self.valid or normal(self.ours[0].path) == normal(self.path))


def normal(path: str) -> str:
    """A FHIRPath location without comments, and without what notations add."""
    path = re.sub(r"/\*.*?\*/", "", path)
    path = re.sub(r"\[url='[^']*'\]", "", path).strip(".")
    path = path.removeprefix("/f:")
    return "" if path in ("$", "?", "Resource", "(document)") else path  # the whole of what is no resource


class Suite:
    """The cases and their files, unpacked in memory."""

    def __init__(self, archive: bytes) -> None:
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(archive)).read()
        self.files: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    self.files[member.name] = file.read()
        self.cases = orjson.loads(self.files[ROOT + "manifest.json"])["test-cases"]

    def outcome(self, named: Any) -> dict[str, Any] | None:
        """A published outcome, given by name or in place; None when it is not here."""
        if isinstance(named, str):
            content = self.files.get(ROOT + "outcomes/" + named)
            if content is None:
                return None
            return self.outcome(orjson.loads(content))
        if not isinstance(named, dict):
            return None
        if isinstance(named.get("outcome"), str):
            return self.outcome(named["outcome"])
        return named.get("outcome", named)

    def read(self, name: str) -> tuple[dict[str, Any] | None, list[Any]]:
        """A file as a resource, with the faults of its form; None when it is none."""
        content = self.files[ROOT + name]
        return validation.read(content, name.endswith(".xml") or content.lstrip()[:1] == b"<")

    def fetch(self, reference: str) -> dict[str, Any] | None:
        """A resource of the suite, by the name of its file."""
        for suffix in (".xml", ".json"):
            name = reference.rpartition("/")[2] + suffix
            if ROOT + name in self.files:
                return self.read(name)[0]
        return None

    def registry(self, names: list[str]) -> validation.Registry:
        """A registry with these supporting files."""
        registry = validation.Registry()
        for name in names:
            if ROOT + name not in self.files:
                continue
            resource, _ = self.read(name)
            if resource is None:
                continue
            registry.add(resource)
            if resource.get("resourceType") == "Bundle":
                for entry in resource.get("entry", ()):
                    registry.add(entry.get("resource", {}))
        return registry

    def run(self, case: dict[str, Any]) -> list[Verdict]:
        """The verdicts of one case; runs without a published outcome are left out."""
        verdicts = []
        asked = [("base", case, [])]
        if isinstance(case.get("profile"), dict):
            profile = case["profile"]
            asked.append(
                ("profile", {**case, "java": None, **profile}, [profile["source"], *profile.get("supporting", [])])
            )
        for name, settings, more in asked:
            published = self.outcome(settings.get("java"))
            if published is None:
                continue
            errors = [each for each in published.get("issue", ()) if each["severity"] in ("error", "fatal")]
            if "errorCount" in published:
                errors = [{"expression": ["?"]}] * published["errorCount"]
            path = (errors[0].get("expression") or errors[0].get("location") or ["?"])[0] if errors else ""
            verdict = Verdict(case["name"], name, not errors, path)
            supporting = [*case.get("supporting", []), *case.get("profiles", []), *case.get("supporting5", []), *more]
            try:
                verdict.ours = self.check(case, supporting, more[:1])
            except Exception as error:  # a crash is a wrong verdict, and is shown
                verdict.crash = f"{type(error).__name__}: {error}"
            verdicts.append(verdict)
        return verdicts

    def check(self, case: dict[str, Any], supporting: list[str], profiles: list[str]) -> list[Any]:
        """Our errors for one run."""
        resource, faults = self.read(case["file"])
        if resource is None:
            return faults
        registry = self.registry(supporting)
        canonicals = []
        for name in profiles:
            if ROOT + name in self.files:
                source, _ = self.read(name)
                canonicals.append(source["url"] if source else name)
            else:
                canonicals.append(name)
        options = validation.Options(
            check_text=bool(case.get("security-checks")),
            assume_rest=bool(case.get("assumeValidRestReferences")),
            must_resolve=case.get("validateReference") == "CHECK_EXISTS_AND_TYPE"
            or (case.get("validateReference") == "CHECK_VALID" and bool(profiles)),
            resolver=self.fetch,
            contained=case.get("validateContains") != "IGNORE",
        )
        issues = faults + validation.validate(resource, profiles=canonicals, registry=registry, options=options)
        return [each for each in issues if each.severity == "error"]
