"""Measures against their libraries, and reports against their measure: groups, populations, scores, subjects."""

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

Line = Mapping[str, Any]
_DEFINE = re.compile(r'^\s*define\s+(?:function\s+)?(?:"([^"\n]+)"|([A-Za-z_]\w*))', re.MULTILINE)
_NAME = re.compile(r'(?:(?:"([^"]+)"|([A-Za-z_]\w*))\.)?(?:"([^"]+)"|([A-Za-z_]\w*))')


def measure(item: Item, session: Session) -> None:
    """Criteria of stratifiers in CQL name what the libraries of the measure define; those of populations may be elsewhere."""
    held = item.value.get("library")
    libraries = [each for each in held if type(each) is str] if type(held) is list else []
    for group in children(item, "group"):
        for part in children(group, "stratifier"):
            for criteria in children(part, "criteria"):
                _criteria(criteria, libraries, session)


def _criteria(item: Item, libraries: list[str], session: Session) -> None:
    text = item.value.get("expression") if type(item.value) is dict else None
    if type(text) is not str or item.value.get("language") not in ("text/cql", "text/cql.identifier"):
        return
    if not libraries:
        session.add("not-found", "Cette mesure emploie CQL et ne nomme aucune bibliothèque (library).", item.place)
        return
    match = _NAME.fullmatch(text.strip())
    if match is None:
        return
    space = match[1] or match[2]
    named = [each for each in libraries if not space or each.partition("|")[0].rpartition("/")[2] == space]
    if not named:
        session.add("not-found", "Ce critère nomme une bibliothèque que la mesure n'emploie pas.", item.place)
    if len(named) != 1:
        return
    library = session.registry.find("Library", named[0])
    names = _defined(library) if library is not None else None
    if names is not None and (match[3] or match[4]) not in names:
        session.add("invalid", "La bibliothèque de cette mesure ne définit pas ce que ce critère nomme.", item.place)


def _defined(library: Line) -> set[str] | None:
    """The names that the CQL text of a library defines; None when it has no text."""
    for each in library.get("content", ()):
        if type(each) is dict and each.get("contentType") == "text/cql" and type(each.get("data")) is str:
            try:
                text = base64.b64decode(each["data"]).decode("utf-8", errors="replace")
            except (binascii.Error, ValueError):
                return None
            return {quoted or plain for quoted, plain in _DEFINE.findall(text)}
    return None


def report(item: Item, session: Session) -> None:
    """Subjects agree with counts and with the type of the report; groups with those of the measure, when it is known."""
    kind = item.value.get("type")
    groups = children(item, "group")
    for group in groups:
        for population in children(group, "population"):
            _subjects(population, kind, session)
    canonical = item.value.get("measure")
    source = session.registry.find("Measure", canonical) if type(canonical) is str else None
    if source is None:
        return
    scoring = _codes(source.get("scoring"))
    for group in groups:
        _score(group, kind, scoring, session)
    if source.get("group"):
        _matched(groups, source["group"], item, "groupe", session)


def _subjects(population: Item, kind: Any, session: Session) -> None:
    results = population.value.get("subjectResults") if type(population.value) is dict else None
    if type(results) is not dict:
        return
    if kind != "subject-list":
        session.add("invalid", "Seul un rapport de type « subject-list » désigne ses sujets.", population.place)
    found = session.resolve(str(results.get("reference", "")), population.frame)
    count = population.value.get("count")
    if found is not None and type(count) is int:
        entries = found[0].get("entry", ())
        if found[0].get("resourceType") == "List" and len(entries) != count:
            session.add("invalid", "Le compte n'est pas celui des sujets de la liste.", population.place)


def _score(group: Item, kind: Any, scoring: set[Any], session: Session) -> None:
    score = group.value.get("measureScore") if type(group.value) is dict else None
    codes = {code for _, code in scoring}
    place = (group.place, "measureScore", -1)
    if score is not None and (kind == "data-collection" or codes == {"cohort"}):
        session.add("invalid", "Un tel rapport ne porte pas de résultat (measureScore) : retirez-le.", place)
    elif codes & {"proportion", "ratio", "continuous-variable"} and kind != "data-collection":
        if score is None:
            text = "Le résultat (measureScore) de ce groupe est exigé par la mesure."
            session.add("required", text, group.place)
        elif type(score) is dict:
            value: Any = score.get("value")
            if type(value) not in (int, float) and not isinstance(value, Decimal):
                if not score.get("extension"):  # guides may give another kind of score there
                    session.add("required", "La valeur du résultat (measureScore.value) est exigée.", place)
            elif codes == {"proportion"} and not 0 <= value <= 1:
                session.add("value", "Le résultat d'une proportion est compris entre 0 et 1.", (place, "value", -1))
            for name in ("unit", "system", "code") if codes == {"proportion"} else ():
                if name in score:
                    session.add("invalid", "Le résultat d'une proportion n'a pas d'unité.", (place, name, -1))


def _matched(given: list[Item], defined: Any, parent: Item, word: str, session: Session) -> None:
    """Groups, or populations of a group, by their codes; one alone on either side needs none."""
    lines = [each for each in defined if type(each) is dict] if isinstance(defined, list | tuple) else []
    free = len(lines) == 1 and len(given) <= 1
    met: set[int] = set()
    for each in given:
        if type(each.value) is not dict:
            continue
        codes = _codes(each.value.get("code"))
        found = next((rank for rank, line in enumerate(lines) if codes & _codes(line.get("code"))), None)
        if found is None and free and (not _codes(lines[0].get("code")) or (word == "groupe" and not codes)):
            found = 0
        if found is None:
            text = f"Le code de ce {word} ne répond à aucun de ceux de la mesure."
            session.add("invalid", text, each.place)
            continue
        if found in met:
            session.add("duplicate", f"Ce {word} de la mesure est déjà donné.", each.place)
        met.add(found)
        if word == "groupe":
            _matched(children(each, "population"), lines[found].get("population", ()), each, "ensemble", session)
            _stratified(each, lines[found].get("stratifier", ()), session)
    if given or word == "groupe":
        whole = parent.value.get("type") != "data-collection"
        for rank in range(len(lines)):
            if rank not in met and not (free and not given) and whole and not _is_observed(lines[rank]):
                with session.after(parent.place):
                    session.add("not-found", f"Un {word} de la mesure manque au rapport.", parent.place)


def _is_observed(line: Line) -> bool:
    """Whether a population is the observation of others, which a report does not count."""
    return any(code == "measure-observation" for _, code in _codes(line.get("code")))


def _stratified(group: Item, defined: Any, session: Session) -> None:
    """The stratifiers of a group are those of the measure, by their codes or, without codes, by their texts."""
    lines = [each for each in defined if type(each) is dict] if isinstance(defined, list | tuple) else []
    given = children(group, "stratifier")
    met: set[int] = set()
    for each in given:
        concepts = each.value.get("code") if type(each.value) is dict else None
        names = (
            {name for one in concepts if type(one) is dict for name in _names(one)} if type(concepts) is list else set()
        )
        found = next((rank for rank, line in enumerate(lines) if names & _names(line.get("code"))), None)
        if found is None and len(lines) == len(given) == 1 and not _names(lines[0].get("code")):
            found = 0
        if found is None:
            session.add("invalid", "Cette stratification n'est pas de celles de la mesure.", each.place)
        else:
            met.add(found)
    if given and len(met) < len(lines):
        with session.after(group.place):
            session.add("not-found", "Une stratification de la mesure manque au rapport.", group.place)


def _names(concept: Any) -> set[Any]:
    """What a concept may be recognised by: its codes, or its text when it has none."""
    if type(concept) is not dict:
        return set()
    codes: set[Any] = set(_codes(concept))
    return codes or ({concept["text"]} if type(concept.get("text")) is str else set())


def _codes(concept: Any) -> set[tuple[Any, Any]]:
    codings = concept.get("coding") if type(concept) is dict else None
    found = codings if type(codings) is list else []
    return {(str(each.get("system")), str(each.get("code"))) for each in found if type(each) is dict}
