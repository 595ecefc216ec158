"""Subscriptions as clients meet them: declared by the usual interactions, looked into by $status, $events and $journal."""

import re
from typing import Any

from virage.core import db
from virage.core.errors import Malformed, Unknown
from virage.core.fhir import prefer, router
from virage.core.fhir.interactions import reads, rights, writes
from virage.core.fhir.interactions.operations import take_inputs
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService, Operation
from virage.core.fhir.subscriptions import bundles, evaluation, rules, table
from virage.core.fhir.subscriptions.table import Notice, Subscribed

_PLACE = re.compile(r"/Subscription/([A-Za-z0-9.\-]{1,64})/_history/")
_MOST = 1000
_DEFINITION = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"


def written(request: FhirRequest, service: FhirService) -> FhirResponse:
    """create, update, patch of a Subscription: written as `requested`, then activated by the worker after a handshake.

    Raises Invalid (422) with the path of what cannot be served.
    """
    if request.method != "PATCH":
        resource = dict(request.resource)
        if resource.get("resourceType") == "Subscription":
            writes.check(resource, service)
            rules.read(resource, service.store.space)
            if resource["status"] != "off":
                resource["status"] = "requested"
            resource.pop("error", None)
            request.parsed = resource
    return db.retrying(lambda: _written(request, service))


def _written(request: FhirRequest, service: FhirService) -> FhirResponse:
    response = router.default(request, service)
    place = _PLACE.search(response.headers.get("Location") or response.headers.get("Content-Location", ""))
    if place is not None and not (request.method == "POST" and response.status == 200):
        _declare(service, place[1], request)
    return response


def _declare(service: FhirService, id: str, request: FhirRequest) -> None:
    from virage.core.fhir.subscriptions.tasks import activate

    version = service.store.read("Subscription", id)
    if version is None or version.deleted:
        return
    space = service.store.space
    declared = rules.read(version.resource, space)
    rights.rule(request, service, "search-type", declared.type)
    state = "off" if version.resource["status"] == "off" else "requested"
    # What breaks the glass is one consultation, with its reason: not whatever comes later.
    table.declare(space.code, id, request.caller.with_purpose("normal", ""), declared, state)
    if state == "requested":
        activate.defer(space=space.code, id=id)


def removed(request: FhirRequest, service: FhirService) -> FhirResponse:
    """delete of a Subscription: nothing more is told, its notices go."""
    return db.retrying(lambda: _removed(request, service))


def _removed(request: FhirRequest, service: FhirService) -> FhirResponse:
    response = router.default(request, service)
    space = service.store.space.code
    # A deletion by criteria does not say which.
    for id in [request.id] if request.id else table.ids(space):
        version = service.store.read("Subscription", id)
        if version is None or version.deleted:
            table.forget(space, id)
    return response


def _found(request: FhirRequest, service: FhirService) -> Subscribed:
    version = reads.found(service.store.read("Subscription", request.id), request)
    rights.admit(rights.rule(request, service, "read"), service, version)
    one = table.get(service.store.space.code, request.id)
    if one is None:
        raise Unknown("Cet abonnement n'a pas encore d'état.", code="FHIR.UNKNOWN")
    return one


def status(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$status: a searchset with the state of a subscription, or of those that the caller may see, by `id` and `status`."""
    take_inputs(request)
    found = [_found(request, service)] if request.id else _listed(request, service)
    told = [
        {"resource": bundles.status(one, request.base, "query-status"), "search": {"mode": "match"}} for one in found
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(told)}
    return FhirResponse.of({**bundle, "entry": told} if told else bundle)


def _listed(request: FhirRequest, service: FhirService) -> list[Subscribed]:
    rule = rights.rule(request, service, "search-type")
    space = service.store.space.code
    wanted = {name: _words(request, name) for name in ("id", "status")}
    for name, _ in request.params:
        if name not in wanted and name not in prefer.RESULT_PARAMETERS:
            raise Malformed(
                "$status prend « id » et « status ».",
                code="FHIR.PARAM_UNKNOWN",
                issue="not-supported",
                path=prefer.as_path(name),
            )
    ids = sorted(wanted["id"] or table.ids(space))[:_MOST]
    found = []
    for version in service.store.read_many([("Subscription", id) for id in ids]).values():
        one = table.get(space, version.id) if rule.admits(service.store.facts(version)).allowed else None
        if one is not None and (not wanted["status"] or one.state in wanted["status"]):
            found.append(one)
    return found


def _words(request: FhirRequest, name: str) -> set[str]:
    return {word for key, value in request.params if key == name for word in value.split(",") if word}


def events(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$events: the notices between `eventsSinceNumber` and `eventsUntilNumber`, with what they are about as `content` says.

    Only for whom the subscription tells: the rights are the subscriber's and the caller's.
    """
    take_inputs(request)
    one = _found(request, service)
    notices = _range(request, one)
    content = request.param("content") or one.declared.content or "id-only"
    if content not in ("empty", "id-only", "full-resource"):
        raise Malformed("« content » : empty, id-only ou full-resource.", code="FHIR.PARAM_VALUE", path="content")
    resources: list[bytes | str] = []
    references = list(dict.fromkeys(each.focus for each in notices))
    if content == "full-resource":
        pairs = [(type, id) for type, _, id in (each.partition("/") for each in references)]
        rule = rights.rule(request, service, "read", one.declared.type)
        theirs = evaluation.rule_of(one, service, one.declared.type)
        for version in service.store.read_many(pairs).values():
            facts = service.store.facts(version)
            if rule.admits(facts).allowed and theirs.admits(facts).allowed:
                resources.append(bundles.visible(one, service, version, request.base))
    elif content == "id-only":
        resources = list(references)
    told = bundles.status(one, request.base, "query-event", notices)
    return FhirResponse(200, bundles.history(one, request.base, told, resources))


def journal(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$journal: how each delivery went, as Parameters: number, focus, state, attempts, time and HTTP status of the last one."""
    take_inputs(request)
    one = _found(request, service)
    lines = [_line(each) for each in _range(request, one)]
    # FHIR JSON has no empty arrays.
    return FhirResponse.of({"resourceType": "Parameters"} | ({"parameter": lines} if lines else {}))


def _line(each: Notice) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "number", "valueInteger": each.number},
        {"name": "focus", "valueReference": {"reference": each.focus}},
        {"name": "version", "valueInteger": each.version},
        {"name": "state", "valueCode": each.state},
        {"name": "attempts", "valueInteger": each.attempts},
    ]
    if each.tried is not None:
        parts.append({"name": "tried", "valueInstant": each.tried.isoformat(timespec="milliseconds")})
    if each.state == "pending":
        parts.append({"name": "due", "valueInstant": each.due.isoformat(timespec="milliseconds")})
    if each.code is not None:
        parts.append({"name": "httpStatus", "valueInteger": each.code})
    if each.problem:
        parts.append({"name": "problem", "valueString": each.problem})
    return {"name": "delivery", "part": parts}


def _range(request: FhirRequest, one: Subscribed) -> list[Notice]:
    bounds = []
    for name, otherwise in (("eventsSinceNumber", 1), ("eventsUntilNumber", 1 << 60)):
        text = request.param(name) or str(otherwise)
        if not (text.isascii() and text.isdecimal()) or len(text) > 19:
            raise Malformed(f"« {name} » est un nombre.", code="FHIR.PARAM_VALUE", issue="value", path=name)
        bounds.append(min(int(text), 1 << 62))
    return table.notices(one.space, one.id, bounds[0], bounds[1], _MOST)


OVERRIDES = {
    ("create", "Subscription"): written,
    ("update", "Subscription"): written,
    ("patch", "Subscription"): written,
    ("delete", "Subscription"): removed,
}
SUBSCRIPTIONS = (
    Operation("status", status, "Subscription", "type instance", False, _DEFINITION + "backport-subscription-status"),
    Operation("events", events, "Subscription", "instance", False, _DEFINITION + "backport-subscription-events"),
    Operation("journal", journal, "Subscription", "instance", False, "urn:virage:OperationDefinition:journal"),
)
