"""Reads of the directory."""

from collections.abc import Iterable, Mapping
from typing import Any

from virage.core import fhir
from virage.core.access import Everything
from virage.core.fhir import json
from virage.trust.annuaire import nomenclatures as nom
from virage.trust.annuaire import rules
from virage.trust.annuaire.resources import INSEE_CODE, stable_id

SPACE = "annuaire"
_MOST_SITUATIONS = 100


def store() -> "fhir.Store":
    """The store of the directory."""
    return fhir.Store(fhir.space(SPACE))


def present(type_: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Stored resources of a type among these logical ids, by id."""
    found = store().read_many((type_, id_) for id_ in ids)
    return {id_: json.loads(version.body) for (_, id_), version in found.items()}


def unstamped(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what the store writes on it, to compare two of them."""
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    return json.loads(json.dumps({**resource, "meta": meta}))


def address(rpps: str) -> str:
    """The path of the Practitioner that stands for a professional; empty when the directory has none."""
    id_ = stable_id("practitioner", rules.idnat_ps(rpps))
    return f"/annuaire/fhir/Practitioner/{id_}" if present("Practitioner", [id_]) else ""


def professional(rpps: str) -> dict[str, Any] | None:
    """A professional by RPPS, in the shape of Pro Santé Connect's claims, or None.

    Keys: `idnat`, `rpps`, `family`, `given`, `civilite`, `exercices` (list of `codeProfession`, `codeCategorieProfessionnelle`,
    `codeSavoirFaire`, `codeTypeSavoirFaire`, `nomDexercice`, `prenomDexercice`, `activities`). Raises `Invalid` (ANNUAIRE.RPPS_WRONG).
    """
    rules.require_rpps(rpps)
    page = store().search("Practitioner", [("identifier", f"{rules.RPPS_SYSTEM}|{rpps}")], access=Everything(), count=1)
    if not page.entries:
        return None
    person = json.loads(page.entries[0].version.body)
    roles = store().search(
        "PractitionerRole",
        [("practitioner", f"Practitioner/{person['id']}"), ("_include", "PractitionerRole:organization")],
        access=Everything(),
        count=_MOST_SITUATIONS,
    )
    bodies = [json.loads(entry.version.body) for entry in roles.entries]
    structures = {f"Organization/{b['id']}": b for b in bodies if b["resourceType"] == "Organization"}
    activities = [_activity(b, structures) for b in bodies if b["resourceType"] == "PractitionerRole"]
    name = person.get("name", [{}])[0]
    professions, skills = [], []
    for qualification in person.get("qualification", ()):
        codes = {c.get("system", ""): c.get("code", "") for c in qualification["code"].get("coding", ())}
        if rules.nos(nom.G15) in codes:
            professions.append((codes[rules.nos(nom.G15)], codes.get(rules.nos(nom.R09), "")))
        elif rules.nos(nom.R38) in codes:
            skills.append((codes.get(rules.nos(nom.R04), ""), codes[rules.nos(nom.R38)]))
    family, given = name.get("family", ""), (name.get("given") or [""])[0]
    exercices = [
        {
            "codeProfession": code,
            "codeCategorieProfessionnelle": category,
            "codeCiviliteDexercice": (name.get("suffix") or [""])[0],
            "nomDexercice": family,
            "prenomDexercice": given,
            "codeTypeSavoirFaire": skills[0][0] if skills else "",
            "codeSavoirFaire": skills[0][1] if skills else "",
            "activities": [a for profession, a in activities if profession in ("", code)],
        }
        for code, category in professions
    ]
    return {
        "idnat": rules.idnat_ps(rpps),
        "rpps": rpps,
        "family": family,
        "given": given,
        "civilite": (name.get("prefix") or [""])[0],
        "exercices": exercices,
    }


def _activity(role: dict[str, Any], structures: dict[str, dict[str, Any]]) -> tuple[str, dict[str, str]]:
    codes = {c.get("system"): c.get("code", "") for concept in role.get("code", ()) for c in concept.get("coding", ())}
    profession = next((c.get("code", "") for s in role.get("specialty", ()) for c in s.get("coding", ())), "")
    structure = structures.get(role.get("organization", {}).get("reference", ""), {})
    numbers = {
        i["type"]["coding"][0]["code"]: i.get("value", "") for i in structure.get("identifier", ()) if "type" in i
    }
    sector = next(
        (
            c.get("code", "")
            for concept in structure.get("type", ())
            for c in concept.get("coding", ())
            if c.get("system") == rules.nos(nom.R02)
        ),
        "",
    )
    return profession, {
        "codeModeExercice": codes.get(rules.nos(nom.R23), ""),
        "codeGenreActivite": codes.get(rules.nos(nom.R22), ""),
        "codeRole": codes.get(rules.nos(nom.R21), ""),
        "codeSecteurDactivite": sector,
        "numeroFinessSite": numbers.get("FINEG", ""),
        "numeroSiretSite": numbers.get("SIRET", ""),
        "numeroSirenSite": numbers.get("SIREN", ""),
        "numeroFinessetablissementJuridique": structure.get("partOf", {}).get("identifier", {}).get("value", "")
        or numbers.get("FINEJ", ""),
        "identifiantTechniqueDeLaStructure": numbers.get("INTRN", ""),
        "raisonSocialeSite": structure.get("name", ""),
        "enseigneCommercialeSite": (structure.get("alias") or [""])[0],
        **_where(structure),
    }


def _where(structure: dict[str, Any]) -> dict[str, str]:
    """How to reach a structure. The directory keeps lines as on an envelope: what tells them apart is told, no more."""
    address = (structure.get("address") or [{}])[0]
    city = address.get("city", "")
    insee = next((e["valueCoding"]["code"] for e in address.get("extension", ()) if e["url"] == INSEE_CODE), "")
    # A secure mailbox carries its type as an extension; the address to write to is the plain one.
    plain: dict[str, list[str]] = {}
    for point in structure.get("telecom", ()):
        if "extension" not in point:
            plain.setdefault(point.get("system", ""), []).append(point.get("value", ""))
    phones = [*plain.get("phone", ()), "", ""]
    return {
        **rules.street(address.get("line", ())),
        "codePostal": address.get("postalCode", ""),
        "codeCommune": insee,
        "bureauCedex": city if "CEDEX" in city.upper() else "",
        "codeDepartement": rules.department(insee),
        "telephone": phones[0],
        "telephone2": phones[1],
        "telecopie": (plain.get("fax") or [""])[0],
        "adresseEMail": (plain.get("email") or [""])[0],
    }
