"""Reads of the shared store for a professional who chooses whom a program will show: with their rights, traced as theirs."""

import re
from typing import Any
from urllib.parse import urlencode

from virage.core.callers import Caller
from virage.core.errors import VirageError
from virage.core.fhir import SHARED, FhirRequest, json, router

_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")


class NotChosen(VirageError):
    """What was typed designates nobody, or several, or nothing that this professional may see."""

    code = "PSC.CONTEXT"
    status = 422
    issue = "not-found"


def patient(by: Caller, typed: str) -> str:
    """The logical id of the patient that an identifier (INS, or of any system) or a logical id names. Raises NotChosen."""
    words = "".join(typed.split()).removeprefix("Patient/")
    if _ID.fullmatch(words):
        page = _get(by, "Patient?" + urlencode({"identifier": words, "_elements": "id", "_count": "2"}))
        found = [entry["resource"]["id"] for entry in (page or {}).get("entry", ())]
        if len(found) > 1:
            raise NotChosen("Plusieurs patients portent cet identifiant : saisir celui de la base.", path="patient")
        if found:
            return str(found[0])
        if _get(by, f"Patient/{words}?_elements=id") is not None:
            return words
    raise NotChosen(
        "Aucun patient que vous pouvez voir ne porte cet identifiant : vérifier le matricule INS, ou l'identifiant de la base.",
        path="patient",
    )


def encounter(by: Caller, typed: str, patient: str) -> str:
    """The logical id of an encounter of this patient; empty when nothing was typed. Raises NotChosen."""
    words = typed.strip().removeprefix("Encounter/")
    if not words:
        return ""
    found = _get(by, f"Encounter/{words}") if _ID.fullmatch(words) else None
    if found is None or found.get("subject", {}).get("reference") != f"Patient/{patient}":
        raise NotChosen("Ce patient n'a pas ce séjour : vérifier son identifiant, ou laisser vide.", path="sejour")
    return words


def _get(by: Caller, url: str) -> dict[str, Any] | None:
    path, _, query = url.partition("?")
    answer = router.handle(SHARED, FhirRequest("GET", path, query, caller=by))
    return json.loads(answer.body) if answer.status == 200 else None
