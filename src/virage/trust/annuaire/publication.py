"""FHIR resources as the directory once published them: near R4, with nulls, stray commas and older systems.

Only facts are taken: what R4 does not know is left out, what it knows under another shape is put right, older systems become
today's. Each mending is a warning of the load's report; what is still invalid afterwards is refused.
"""

import json as plain_json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virage.core.callers import Caller
from virage.core.errors import Malformed
from virage.core.fhir import definitions, validation
from virage.core.loading import Rejects, Report
from virage.trust.annuaire import actions, resources, rules

_SYSTEMS = {
    "http://rpps.fr": rules.RPPS_SYSTEM,
    "http://finess.sante.gouv.fr": rules.FINESS_SYSTEM,
    "http://sirene.fr": rules.SIRENE_SYSTEM,
    "https://annuaire.sante.fr": resources.TECHNICAL_SYSTEM,
}
_KEY_TYPES = {"IDNPS", "IDNST"}
_TYPES = ("Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Device")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)


def load(path: Path, by: Caller) -> Report:
    """Load a JSON file: a resource, a list of them, or a Bundle. Raises `Malformed` (ANNUAIRE.JSON)."""
    report = Report()
    with Rejects("annuaire", path, report) as rejects:
        found = []
        content, cut_short = _read(path)
        if cut_short:
            rejects.warn(0, "le fichier est coupé : ses crochets ont été refermés")
        for number, source in enumerate(_resources(content), start=1):
            report.read += 1
            resource, mended = mend(source)
            if resource is None:
                rejects.reject(number, mended[0])
                continue
            for what in mended:
                rejects.warn(number, what)
            issues = [i for i in validation.check(resource) if i.severity in ("error", "fatal")]
            if issues:
                rejects.reject(number, f"{issues[0].path} : {issues[0].text}")
                continue
            found.append(resource)
        actions.put(by=by, entries=found, report=report)
    actions.finish(by=by, kind="publication", report=report)
    return report


def _read(path: Path) -> tuple[Any, bool]:
    """The content, and whether the file was cut before its last brackets."""
    try:
        text = path.read_text("utf-8-sig")
        closing = _missing(text)
        # A comma before a closing bracket is outside JSON but inside these files.
        text = _STRING.sub(lambda m: "" if m[0] == "," else m[0], text.rstrip().rstrip(",") + closing)
        return plain_json.loads(text), bool(closing)
    except (ValueError, RecursionError):
        raise Malformed("Ce fichier JSON de l'annuaire est illisible.", code="ANNUAIRE.JSON") from None


def _missing(text: str) -> str:
    """The brackets that would close what is left open at the end."""
    open_: list[str] = []
    for bracket in _BRACKET.finditer(text):
        match bracket[0]:
            case "{" | "[":
                open_.append("}" if bracket[0] == "{" else "]")
            case "}" | "]" if open_:
                open_.pop()
    return "".join(reversed(open_))


def _resources(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _resources(one)
    elif isinstance(value, dict) and value.get("resourceType") == "Bundle":
        yield from _resources([entry.get("resource") for entry in value.get("entry", ())])
    elif isinstance(value, dict) and "resourceType" not in value and isinstance(value.get("resource"), dict):
        yield value["resource"]
    else:
        yield value


def mend(source: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """The R4 resource that an old publication means, and what was put right; or None and why not."""
    if not isinstance(source, dict) or source.get("resourceType") not in _TYPES:
        return None, ["ce n'est pas une ressource de l'annuaire"]
    type_ = source["resourceType"]
    mended: list[str] = []
    body = _shaped({k: v for k, v in source.items() if k not in ("resourceType", "meta")}, type_, type_, mended) or {}
    for identifier in body.get("identifier", []):
        identifier["system"] = _SYSTEMS.get(identifier.get("system", ""), identifier.get("system", ""))
        if identifier["system"] == rules.RPPS_SYSTEM and not rules.is_rpps(identifier.get("value", "")):
            mended.append("numéro RPPS dont la clé est fausse, gardé comme numéro d'exemple")
    key = next((i["value"] for i in body.get("identifier", []) if _is_key(i)), "")
    if not key:
        return None, ["identifiant national absent"]
    kind = {"Practitioner": "practitioner", "Organization": "organization"}.get(type_, type_.lower())
    if "id" not in body or kind in ("practitioner", "organization"):
        body["id"] = resources.stable_id(kind, key)
    profile = f"as-dp-{type_.lower()}"
    source_system = (
        "FINESS" if any(i.get("system") == rules.FINESS_SYSTEM for i in body.get("identifier", [])) else "RPPS"
    )
    return {"resourceType": type_, **body, "meta": resources.meta(profile, source_system)}, mended


def _is_key(identifier: dict[str, Any]) -> bool:
    codes = {c.get("code") for c in identifier.get("type", {}).get("coding", ())}
    return bool(codes & _KEY_TYPES) and bool(identifier.get("value"))


def _shaped(value: Any, type_: str, path: str, mended: list[str]) -> Any:
    """`value` as an element of FHIR type or path `type_`; None when nothing of it can be kept."""
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        return value
    children = {name: child for child in definitions.element(type_).children.values() for name in child.json}
    out: dict[str, Any] = {}
    for name, raw in value.items():
        if name in ("id", "resourceType"):
            out[name] = raw
            continue
        bare = name.removeprefix("_")
        child = children.get(bare)
        if child is None:
            mended.append(f"{path}.{name} n'existe pas en R4 : écarté")
            continue
        if name.startswith("_"):
            continue  # extensions of primitive values: parts of an address that its lines say already
        ref = child.json[bare]
        items = raw if isinstance(raw, list) else [raw]
        kept = [
            shaped
            for item in items
            if (shaped := _primitive(_shaped(item, child.type_name(ref.code), f"{path}.{name}", mended), ref.code))
            is not None
        ]
        if not kept:
            continue
        if isinstance(raw, list) != child.is_list:
            mended.append(f"{path}.{name} : forme rectifiée")
        out[name] = kept if child.is_list else kept[0]
    if set(out) <= {"url"} and "url" in out:
        return None  # an extension that lost its value
    return out or None


def _primitive(value: Any, code: str) -> Any:
    if value is None or isinstance(value, dict):
        return value if value is None or code[:1].isupper() else None
    if code[:1].isupper():
        return None  # a bare text where FHIR has an object
    if code in ("positiveInt", "integer", "unsignedInt") and isinstance(value, str):
        return int(value) if value.isdecimal() else None
    return value
