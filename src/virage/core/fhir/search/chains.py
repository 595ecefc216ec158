"""Chains (`subject:Patient.name=x`) and their inverse (`_has:Observation:subject:code=x`).

A reference by which resources are stored with their patient joins both ends inside one compartment: the whole is one
statement, bucket by bucket. Elsewhere the far end is looked up first, as long as it is not too much.
"""

import re
from collections.abc import Callable, Sized
from dataclasses import dataclass

from virage.core import db
from virage.core.access import Filter
from virage.core.fhir.index import aliases_of, keys, param_of, params_of, paths, patient_params
from virage.core.fhir.search import canonicals
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.conditions import target_keys
from virage.core.fhir.search.context import BUCKET, Context, has
from virage.core.fhir.search.errors import BadSearch, TooDear, await_revision
from virage.core.fhir.search.includes import reference_paths, referred
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.naming import named
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE, Sql, some
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import version_of
from virage.core.fhir.store.space import by_code
from virage.core.fhir.store.version import Version

MAX_FAR = 5000
MAX_DEPTH = 8
_ROW = re.compile(r"\br\.")

Inner = Callable[[str, str, str, int], list[Sql] | None]
"""(type, name, value, depth) → the conditions of one parameter on that type; None when the name is not known there."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a chain needs to know: the space, the caller's rule, how an inner parameter is compiled."""

    space: int
    rule: Filter
    inner: Inner


def stores_by(type_: str, code: str, space: int) -> bool:
    """Whether each resource of a type is stored in the compartment of the Patient that this parameter refers to."""
    leading = patient_params(type_)
    alias = aliases_of(space, type_).get(code)
    named = alias.codes[0] if alias and len(alias.codes) == 1 else code
    if not leading or named != leading[0] or type_ == "Patient":
        return False
    param = params_of(space, type_)[named]
    try:
        return all(path.is_single for path in paths.read(type_, param.expression))
    except paths.Unreadable:
        return False


def _targets(context: Context, asked: str, rest: str) -> list[str]:
    if context.target:
        return [context.target] if asked in ("", context.target) else []
    known = context.param.targets
    if asked:
        if asked not in places.TYPE_CODES or (known and asked not in known):
            raise BadSearch(
                f"« {context.name} » ne désigne pas de {asked[:40]}.", code="FHIR.SEARCH_PARAM", path=context.name
            )
        return [asked]
    code = rest.partition(":")[0].partition(".")[0]
    if len(known) > 20 or not known:
        raise BadSearch(
            f"« {context.name} » peut désigner de nombreux types : précisez lequel, comme « {context.name}:Patient.{code} ».",
            code="FHIR.SEARCH_PARAM",
            path=context.name,
        )
    return [each for each in known if each in places.TYPE_CODES]


def chain(scene: Scene, type_: str, head: str, rest: str, value: str, depth: int) -> Sql | None:
    """`head` is `param` or `param:Type`, `rest` what follows the dot. None when a name on the way is not known."""
    return through(scene, type_, head, lambda target: scene.inner(target, rest, value, depth + 1), depth, rest)


def through(
    scene: Scene, type_: str, head: str, inner_of: Callable[[str], list[Sql] | None], depth: int, rest: str = "…"
) -> Sql | None:
    """The resources whose reference `head` leads to one that meets the conditions that `inner_of` gives for its type.

    None when `head` is no reference, or when no type knows what is asked.
    """
    code, _, asked = head.partition(":")
    param = param_of(scene.space, type_, code)
    if param is None or param.type != "reference":
        return None
    _check_depth(depth)
    by_address = canonicals.targets(scene.space, type_, code)
    context = Context(scene.space, type_, param)
    found: list[Sql] = []
    known = False
    for target in _targets(context, asked, rest):
        inner = inner_of(target)
        if inner is None:
            continue
        known = True
        inner = [*inner, access_condition(scene.rule, scene.space, target)]
        if target == "Patient" and stores_by(type_, code, scene.space):
            found.append(_within(scene, context.keys[0], type_, target, inner, depth, forward=True))
        elif target in by_address:
            found.append(has(_addressed(scene, context, target, inner, head)))
        else:
            rids = _far_rows(scene, target, inner, head)
            found.append(has([(key ^ rid) & keys.MASK for key in context.keys for rid in rids]))
    return some(found) if known else None


def _within(scene: Scene, key: int, near: str, far: str, inner: list[Sql], depth: int, forward: bool) -> Sql:
    """Both ends in one compartment: the far one is looked for beside the row."""
    condition = assemble(inner)
    if condition is FALSE:
        return FALSE
    name = f"t{depth}"
    text = _ROW.sub(f"{name}.", condition.text)
    source, holder = (f"{name}.rid", "r") if forward else ("r.rid", name)
    # When the chain leads, the compartments of the far ends are found first, once for each bucket; the `+ 0` leaves the primary
    # key as the only way from there.
    lead = Sql(
        f"r.compartment = ANY(ARRAY(SELECT {name}.compartment FROM fhir_resource {name} WHERE {name}.space = %s"
        f" AND {name}.type = %s AND {name}.tokens IS NOT NULL AND {text})) AND r.space + 0 = %s AND r.type + 0 = %s",
        (scene.space, places.type_code(far), *condition.values, scene.space, places.type_code(near)),
        "chain",
    )
    return Sql(
        f"EXISTS (SELECT FROM fhir_resource {name} WHERE {name}.compartment = r.compartment AND {name}.space = %s"
        f" AND {name}.type = %s AND {name}.tokens IS NOT NULL AND {text}"
        f" AND {holder}.tokens @> ARRAY[((%s::bigint # {source}) & {keys.MASK}) | {BUCKET}]{{f}})",
        (scene.space, places.type_code(far), *condition.values, key),
        "chain",
        lead=lead if condition.selective else None,
    )


def _statement(scene: Scene, far: str, inner: list[Sql]) -> Query | None:
    condition = assemble(inner)
    return None if condition is FALSE else Query(scene.space, (places.type_code(far),), condition)


def _far_rows(scene: Scene, far: str, inner: list[Sql], name: str) -> list[int]:
    query = _statement(scene, far, inner)
    if query is None:
        return []
    statement = query.keys(MAX_FAR + 1)
    with db.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        rids = [row[1] for row in cursor]
    _check_far(rids, far, name)
    return rids


def _check_far(found: Sized, far: str, name: str) -> None:
    if len(found) > MAX_FAR:
        raise TooDear(
            f"« {name} » passe par plus de {MAX_FAR} ressources {far} : précisez la condition qui porte sur elles.",
            path=name,
        )


def _far_versions(scene: Scene, far: str, inner: list[Sql], name: str) -> list[Version]:
    query = _statement(scene, far, inner)
    if query is None:
        return []
    statement = query.page(MAX_FAR + 1, None)
    with db.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        versions = [version_of(row[:6]) for row in cursor]
    _check_far(versions, far, name)
    return versions


def _addressed(scene: Scene, context: Context, far: str, inner: list[Sql], name: str) -> list[int]:
    """The tokens of the references that designate the far ends by their address, or by their id."""
    await_revision(name, 4)
    versions = _far_versions(scene, far, inner, name)
    tokens = canonicals.references_to(context, versions, scene.rule, MAX_FAR)
    return tokens + [key for version in versions for key in target_keys(context, far, version.id)]


def reverse(scene: Scene, type_: str, far: str, code: str, rest: str, value: str, depth: int) -> Sql | None:
    """`_has:far:code:rest=value` on resources of `type_`. None when a name is not known."""
    if far not in places.TYPE_CODES:
        return None
    param = param_of(scene.space, far, code)
    if param is None or param.type != "reference":
        return None
    _check_depth(depth)
    if param.targets and type_ not in param.targets:
        raise BadSearch(f"« {far}:{code} » ne désigne pas de {type_}.", code="FHIR.SEARCH_PARAM", path="_has")
    inner = scene.inner(far, rest, value, depth + 1)
    if inner is None:
        return None
    inner = [*inner, access_condition(scene.rule, scene.space, far)]
    context = Context(scene.space, far, param)
    if type_ == "Patient" and stores_by(far, code, scene.space):
        return _within(scene, context.keys[0], type_, far, inner, depth, forward=False)
    return _referred_to(scene, type_, far, code, inner)


def _referred_to(scene: Scene, type_: str, far: str, code: str, inner: list[Sql]) -> Sql:
    wanted: set[str] = set()
    addresses: set[str] = set()
    for version in _far_versions(scene, far, inner, "_has"):
        for path in reference_paths(scene.space, far, code):
            for value in paths.values(path, version.resource):
                target = referred(value)
                if target and target[0] == type_:
                    wanted.add(target[1])
                elif not target and path.type == "canonical" and type(value) is str:
                    addresses.add(value)
    if addresses and type_ in canonicals.targets(scene.space, far, code):
        space = by_code(scene.space)
        wanted |= {each.id for each in canonicals.designated(space, addresses, [type_], scene.rule, MAX_FAR)}
    return named(scene.space, type_, wanted)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDear(f"Une recherche s'enchaîne sur {MAX_DEPTH} ressources au plus.")
