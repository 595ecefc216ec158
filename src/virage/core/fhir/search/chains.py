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
from virage.core.fhir.search.leading import assemble, either
from virage.core.fhir.search.naming import named
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE, Sql, fenced, some
from virage.core.fhir.store import containing, places
from virage.core.fhir.store.reading import version_of
from virage.core.fhir.store.space import by_code
from virage.core.fhir.store.version import Version

MAX_FAR = 5000
MAX_DEPTH = 8
_ROW = re.compile(r"\br(?=\.)|(?<=fhir_resource )r\b")

Inner = Callable[[bool, str, str, str, int], list[Sql] | None]
"""(contained, type, name, value, depth) → the conditions of one parameter on that type, or on what is contained of that type; None
when the name is not known there."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a chain needs to know: the space (or that of what is contained), the caller's rule, how an inner parameter is compiled,
    the types of which something is contained in a resource.
    """

    space: int
    rule: Filter
    inner: Inner
    held: Callable[[], frozenset[str]]

    @property
    def inside(self) -> bool:
        """Whether the rows are of what is contained."""
        return self.space != self.outside

    @property
    def outside(self) -> int:
        """The space of the resources themselves, where references lead."""
        return keys.outside(self.space)


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
    return through(
        scene,
        type_,
        head,
        lambda contained, target: scene.inner(contained, target, rest, value, depth + 1),
        depth,
        rest,
    )


def through(
    scene: Scene, type_: str, head: str, inner_of: Callable[[bool, str], list[Sql] | None], depth: int, rest: str = "…"
) -> Sql | None:
    """The resources whose reference `head` leads to one that meets the conditions that `inner_of` gives for its type.

    As R4 has it (search, « Contained Resources »), what is contained is looked at too. None when `head` is no reference, or when no type knows what is asked.
    """
    code, _, asked = head.partition(":")
    param = param_of(scene.space, type_, code)
    if param is None or param.type != "reference":
        return None
    _check_depth(depth)
    by_address = canonicals.targets(scene.space, type_, code)
    context = Context(scene.space, type_, param)
    found: list[Sql] = []
    contained: list[Sql] = []
    known = False
    for target in _targets(context, asked, rest):
        inner = inner_of(False, target)
        if inner is None:
            continue
        known = True
        if target in scene.held():
            contained.append(_contained(scene, context, target, inner_of(True, target) or [], depth))
        inner = [*inner, access_condition(scene.rule, scene.outside, target)]
        if target == "Patient" and not scene.inside and stores_by(type_, code, scene.space):
            found.append(_within(scene, context.keys[0], type_, target, inner, depth, forward=True))
        elif target in by_address:
            found.append(has(_addressed(scene, context, target, inner, head)))
        else:
            rids = _far_rows(scene, target, inner, head)
            found.append(has([(key ^ rid) & keys.MASK for key in context.keys for rid in rids]))
    if contained:
        return either([[each] for each in (*found, *contained)])
    return some(found) if known else None


def _contained(scene: Scene, context: Context, far: str, inner: list[Sql], depth: int) -> Sql:
    """The reference leads to something that the resource contains."""
    space = scene.outside | keys.CONTAINED
    condition = assemble([*inner, anything_contained(space, far)])
    if condition is FALSE:
        return FALSE
    name = f"t{depth}"
    text = _ROW.sub(name, condition.text)
    holder = containing.HOLDER.format(r="r") if scene.inside else "r.rid"
    # The keys of its tokens say the space and the type.
    source = f"FROM fhir_resource {name} WHERE {text}"
    values = condition.values
    tokens = " OR ".join(_local(name, "r") for _ in context.keys)
    lead = Sql(
        f"(r.compartment, r.rid) IN (SELECT {name}.compartment, {containing.HOLDER.format(r=name)} {source})",
        values,
        "chain",
    )
    return Sql(
        f"EXISTS (SELECT {source} AND {name}.compartment = r.compartment AND {containing.near(name, holder)} AND ({tokens}){{f}})",
        (*values, *(key ^ keys.LOCAL for key in context.keys)),
        "" if scene.inside else "chain",
        lead=None if scene.inside else lead,
    )


def _local(name: str, holder: str) -> str:
    """That `holder` refers to the contained `name`, whose parameter is to be given."""
    number = f"({name}.version::bigint << {keys.LOCAL_BITS})"
    return f"{holder}.tokens @> ARRAY[((%s::bigint # {number}) & {keys.MASK}) | {BUCKET}]"


def anything_contained(space: int, type_: str) -> Sql:
    """Whatever is contained of a type; `space` is that of what is contained."""
    return has([(keys.param_hash(space, type_, "_id") ^ keys.value_hash(keys.present())) & keys.MASK])


def _within(scene: Scene, key: int, near: str, far: str, inner: list[Sql], depth: int, forward: bool) -> Sql:
    """Both ends in one compartment: the far one is looked for beside the row."""
    condition = assemble(inner)
    if condition is FALSE:
        return FALSE
    name = f"t{depth}"
    text = _ROW.sub(name, condition.text)
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
    return None if condition is FALSE else Query(scene.outside, (places.type_code(far),), condition)


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
    param = param_of(scene.outside, far, code)
    if param is None or param.type != "reference":
        return None
    _check_depth(depth)
    if param.targets and type_ not in param.targets:
        raise BadSearch(f"« {far}:{code} » ne désigne pas de {type_}.", code="FHIR.SEARCH_PARAM", path="_has")
    inner = scene.inner(False, far, rest, value, depth + 1)
    if inner is None:
        return None
    inner = [*inner, access_condition(scene.rule, scene.outside, far)]
    context = Context(scene.outside, far, param)
    if scene.inside:
        return _held_by(scene, context, far, inner, depth)
    if type_ == "Patient" and stores_by(far, code, scene.space):
        return _within(scene, context.keys[0], type_, far, inner, depth, forward=False)
    return _referred_to(scene, type_, far, code, inner)


def _held_by(scene: Scene, context: Context, far: str, inner: list[Sql], depth: int) -> Sql:
    """Only what contains it can refer to a contained resource."""
    condition = assemble(inner, placed=True)
    if condition is FALSE:
        return FALSE
    name = f"t{depth}"
    tokens = " OR ".join(_local("r", name) for _ in context.keys)
    return Sql(
        f"EXISTS (SELECT FROM fhir_resource {name} WHERE {name}.compartment = r.compartment"
        f" AND {name}.rid = {containing.HOLDER.format(r='r')} AND {name}.space = %s AND {name}.type = %s"
        f" AND {name}.tokens IS NOT NULL AND {_ROW.sub(name, condition.text)} AND ({tokens}){{f}})",
        (scene.outside, places.type_code(far), *condition.values, *(key ^ keys.LOCAL for key in context.keys)),
    )


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


def renamed(part: Sql, name: str) -> str:
    """The text of a condition, on a row of this name."""
    return _ROW.sub(name, fenced(part).text)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDear(f"Une recherche s'enchaîne sur {MAX_DEPTH} ressources au plus.")
