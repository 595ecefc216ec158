"""Finding a professional by name, for people."""

from collections.abc import Iterable
from typing import Any

from virage.core.access import Everything
from virage.core.fhir import json
from virage.trust.annuaire import nomenclatures as nom
from virage.trust.annuaire import rules
from virage.trust.annuaire.queries import store


def card(person: dict[str, Any]) -> dict[str, str]:
    """What a list shows of a Practitioner: `rpps`, `name`, `profession` (French title); empty where the directory is silent."""
    rpps = next((i.get("value", "") for i in person.get("identifier", ()) if i.get("system") == rules.RPPS_SYSTEM), "")
    name = (person.get("name") or [{}])[0]
    profession = next(
        (
            coding.get("code", "")
            for qualification in person.get("qualification", ())
            for coding in qualification.get("code", {}).get("coding", ())
            if coding.get("system") == rules.nos(nom.G15)
        ),
        "",
    )
    words = [*(name.get("prefix") or ()), *(name.get("given") or ()), name.get("family", "")]
    return {
        "rpps": rpps,
        "name": " ".join(word for word in words if word),
        "profession": nom.label(nom.G15, profession),
    }


def names(numbers: Iterable[str]) -> dict[str, str]:
    """Given and family names by RPPS of those whom the directory knows, in one search; at most a hundred are looked for."""
    asked = sorted({one for one in numbers if one.isdigit()})[:100]
    if not asked:
        return {}
    token = ",".join(f"{rules.RPPS_SYSTEM}|{one}" for one in asked)
    page = store().search("Practitioner", [("identifier", token)], access=Everything(), count=len(asked))
    found = {}
    for entry in page.entries:
        person = json.loads(entry.version.body)
        name = (person.get("name") or [{}])[0]
        found[card(person)["rpps"]] = " ".join([*(name.get("given") or ()), name.get("family", "")]).strip()
    return found


def search_professionals(name: str, *, count: int = 20) -> list[dict[str, str]]:
    """Active professionals any part of whose name begins with each of these words, by name; those without RPPS are left out."""
    words = [("name", word) for word in name.split()[:5]]
    if not words:
        return []
    page = store().search(
        "Practitioner", [*words, ("active", "true"), ("_sort", "family")], access=Everything(), count=count
    )
    cards = [card(json.loads(entry.version.body)) for entry in page.entries]
    return [one for one in cards if one["rpps"]]
