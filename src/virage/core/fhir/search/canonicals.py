"""References by address (`canonical`): a questionnaire of its answers, the definitions of a plan, the profiles of a resource.

`url|version` designates that version, `url` alone the latest that the caller may read. R4, references.html#canonical.
"""

from collections.abc import Iterable

from virage.core import db
from virage.core.access import Filter
from virage.core.fhir.index import keys, param_of, params_of, paths, remembered
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.context import Context, has
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import version_of
from virage.core.fhir.store.space import Space, by_code
from virage.core.fhir.store.version import Version
from virage.core.fhir.validation.registry import age, split


@remembered(4096)
def targets(space: int, type_: str, code: str) -> tuple[str, ...]:
    """The types that a parameter, or any of a type for `*`, may designate by their address; none for plain references."""
    params = params_of(space, type_)
    found: dict[str, None] = {}
    for param in params.values() if code == "*" else [params[code]] if code in params else []:
        try:
            by_address = any(path.type == "canonical" for path in paths.read(type_, param.expression))
        except paths.Unreadable:
            continue
        if param.type == "reference" and by_address:
            found |= dict.fromkeys(each for each in param.targets if param_of(space, each, "url") is not None)
    return tuple(found)


def designated(space: Space, addresses: Iterable[str], types: Iterable[str], rule: Filter, most: int) -> list[Version]:
    """The resources of these types that the addresses designate, `most` and one more of a type at the most."""
    wanted = [split(each) for each in addresses]
    found: list[Version] = []
    for type_ in types:
        param = param_of(space.code, type_, "url")
        if param is None or not wanted:
            continue
        context = Context(space.code, type_, param)
        tokens = context.tokens(*(keys.address(url) for url, _ in wanted))
        condition = assemble([has(tokens), access_condition(rule, space.code, type_)])
        if condition is FALSE:
            continue
        statement = Query(space.code, (places.type_code(type_),), condition).page(most + 1, None)
        with db.cursor() as cursor:
            cursor.execute(statement.text, statement.values)
            held = [version_of(row[:6]) for row in cursor]
        found += _chosen(held, wanted)
    return found


def references_to(context: Context, found: Iterable[Version], rule: Filter, most: int) -> list[int]:
    """The tokens, without bucket, of what designates these resources, all of one type, by their address."""
    held = {
        version.id: (url, number)
        for version in found
        if (url := _text(version, "url"))
        for number in [_text(version, "version")]
    }
    if not held:
        return []
    types = {version.type for version in found}
    urls = dict.fromkeys(url for url, _ in held.values())
    latest = {version.id for version in designated(by_code(context.space), urls, types, rule, most)}
    told = [keys.address(f"{url}|{number}") for url, number in held.values() if number]
    told += [keys.unversioned(url) for id_, (url, _) in held.items() if id_ in latest]
    return context.tokens(*told)


def _text(version: Version, name: str) -> str:
    found = version.resource.get(name)
    return found if type(found) is str else ""


def _chosen(held: list[Version], wanted: list[tuple[str, str]]) -> list[Version]:
    chosen: dict[str, Version] = {}
    for url, version in wanted:
        alike = [each for each in held if each.resource.get("url") == url]
        if version:
            alike = [each for each in alike if each.resource.get("version") == version]
        elif alike:
            alike = [max(alike, key=lambda each: (age(str(each.resource.get("version", ""))), each.last_updated))]
        chosen |= {each.id: each for each in alike}
    return list(chosen.values())


def names(version: Version) -> list[str]:
    """The addresses that may designate a resource: `url|version`, and `url`."""
    url, number = _text(version, "url"), _text(version, "version")
    if not url:
        return []
    return [f"{url}|{number}", url] if number else [url]
