"""`virage load fhir`: the conformance resources of FHIR packages, put in the shared store, several versions side by side."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virage.core.callers import Caller
from virage.core.fhir import json, store, validation
from virage.core.loading import Rejects, Report


def load(path: Path, by: Caller) -> Report:
    """Load a package (`.tgz`), a folder of packages and JSON files, or one JSON file.

    A resource that is there already, under the same address and version, is left as it is. Raises BadPackage (400).
    """
    report = Report()
    with Rejects("fhir", path, report) as rejects:
        sound: list[dict[str, Any]] = []
        for number, resource in enumerate(_resources(path), start=1):
            report.read += 1
            faults = [each for each in validation.check(resource) if each.severity in ("error", "fatal")]
            if faults and not validation.is_draft(resource, faults):
                rejects.reject(number, f"{faults[0].path} : {faults[0].text}", str(resource.get("url", "")))
                continue
            sound.append({**resource, "id": ident(resource)})
        done = store.Store(store.space("fhir")).load(sound, by=by)
    report.created, report.unchanged = done.written, done.present
    return report


def ident(resource: dict[str, Any]) -> str:
    """An id of our own for one version of a conformance resource: packages give the same id to all versions."""
    if "url" not in resource:
        return str(resource.get("id", ""))
    key = f"{resource['resourceType']} {resource['url']}|{resource.get('version', '')}"
    return "pkg-" + hashlib.sha256(key.encode()).hexdigest()[:32]


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if each.suffix in (".tgz", ".json"):
                yield from _resources(each)
    elif path.suffix == ".json":
        resource = json.loads(path.read_bytes())
        inner = [entry.get("resource") for entry in resource.get("entry", ())] if resource.get("entry") else [resource]
        yield from (
            each for each in inner if isinstance(each, dict) and str(each.get("resourceType")) in validation.KEPT
        )
    else:
        yield from validation.conformance_of(path)
