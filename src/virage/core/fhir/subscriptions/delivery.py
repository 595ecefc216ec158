"""Telling the subscribers: in order, as many at once as they ask for, tried again with growing pauses, given up after some failures."""

import http.client
import time
from typing import Any

from virage.core import accounts, outside, settings
from virage.core.access import Nothing
from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.service import FhirService
from virage.core.fhir.subscriptions import bundles, evaluation, table
from virage.core.fhir.subscriptions.table import Notice, Subscribed
from virage.core.outside import Unreachable

MOST_ATTEMPTS = 6
HANDSHAKES = 3
_SLICE = 20.0
_JSON = "application/fhir+json"
BY = system("subscriptions")


def base_of(service: FhirService) -> str:
    """The address of a base for those outside."""
    return settings.base_url() + service.base


def activate(space: int, id: str) -> float | None:
    """Shake hands with the endpoint, then be active; seconds to wait before another try, or None when it is settled."""
    one, service = table.get(space, id), evaluation.service_of(space)
    if one is None or service is None or one.state != "requested":
        return None
    body = b""
    if one.declared.topic:
        body = bundles.history(one, base_of(service), bundles.status(one, base_of(service), "handshake"), ())
    try:
        _post(one, body)
    except VirageError as error:
        failures = one.failures + 1
        if isinstance(error, Unreachable) and failures < HANDSHAKES:
            table.change(space, id, "requested", error.text, failures)
            return float(4**failures)
        _settle(one, service, "error", error.text, failures)
        return None
    table.spoke(space, id)
    _settle(one, service, "active", "", 0)
    return None


def beat(space: int, id: str) -> None:
    """Tell the endpoint that nothing happened; as many silences as for a handshake put the subscription in error."""
    one, service = table.get(space, id), evaluation.service_of(space)
    if one is None or service is None or one.state != "active" or one.over:
        return
    base = base_of(service)
    # Also after a failure the next sign is due a whole period later.
    table.spoke(space, id)
    try:
        _post(one, bundles.history(one, base, bundles.status(one, base, "heartbeat"), ()))
    except VirageError as error:
        if isinstance(error, Unreachable) and one.failures + 1 < HANDSHAKES:
            table.change(space, id, "active", error.text, one.failures + 1)
        else:
            _settle(one, service, "error", error.text, one.failures + 1)
        return
    if one.failures:
        table.change(space, id, "active", "", 0)


def deliver(space: int, id: str) -> float | None:
    """Tell what is due; seconds to wait before going on (0: at once), or None when nothing waits."""
    service = evaluation.service_of(space)
    until = time.monotonic() + _SLICE
    while service is not None:
        one = table.get(space, id)
        if one is None or one.state != "active":
            return None
        if one.over:
            end(space, id)
            return None
        if accounts.standing(one.owner) is None:
            _settle(one, service, "error", "Le compte qui a demandé cet abonnement n'est plus ouvert.", one.failures)
            return None
        notices = table.take(space, id, one.declared.most)
        if not notices:
            return None
        attempts = notices[0].attempts
        try:
            told = _tell(one, service, notices)
        except VirageError as error:
            code = getattr(error, "answered", None)
            if isinstance(error, Unreachable) and attempts < MOST_ATTEMPTS:
                pause = float(4**attempts)
                table.settle(space, id, notices, "pending", code, error.text, pause)
                return pause
            table.settle(space, id, notices, "failed", code, error.text)
            _settle(one, service, "error", error.text, attempts)
            return None
        if told:
            table.settle(space, id, notices, "sent", 200, "")
            table.spoke(space, id)
        if time.monotonic() > until:
            return 0.0
    return None


def _tell(one: Subscribed, service: FhirService, notices: list[Notice]) -> bool:
    """Send one notification of these notices, save those about what the subscriber may no longer see: they are `withheld`.

    False when none is left to tell.
    """
    shown: list[Notice] = []
    resources: dict[str, bytes | str] = {}
    for notice in notices:
        sent = _shown(one, service, notice.focus)
        if sent is None:
            table.settle(one.space, one.id, [notice], "withheld", None, "")
        else:
            shown.append(notice)
            resources[notice.focus] = sent
    if not shown:
        return False
    if not one.declared.topic:
        ((focus, body),) = resources.items()
        if isinstance(body, bytes):
            _post(one, body, f"/{focus}")
        else:
            _post(one, b"")
        return True
    base = base_of(service)
    beside = [] if one.declared.content == "empty" else list(resources.values())
    _post(one, bundles.history(one, base, bundles.status(one, base, "event-notification", shown), beside))
    return True


def _shown(one: Subscribed, service: FhirService, focus: str) -> bytes | str | None:
    """What of a resource goes along: its bytes, or its reference where it is not sent whole; None when it may not be told of."""
    whole = one.declared.content == "full-resource" if one.declared.topic else bool(one.declared.payload)
    type, _, id = focus.partition("/")
    rule = evaluation.rule_of(one, service, type)
    version = service.store.read(type, id)
    if isinstance(rule, Nothing) or version is None:
        return None
    if version.deleted:
        return focus
    if not rule.admits(service.store.facts(version)).allowed:
        return None
    return bundles.visible(one, service, version, base_of(service)) if whole else focus


def _post(one: Subscribed, body: bytes, resource: str = "") -> None:
    """Send to the endpoint; with `resource`, as R4 has it, an update of that resource under it. Raises Unreachable."""

    def take(response: http.client.HTTPResponse) -> int:
        response.read(4096)
        return response.status

    headers = {line[0]: line[1] for line in one.declared.headers}
    headers["User-Agent"] = "virage"
    if body:
        headers["Content-Type"] = _JSON
    else:
        headers["Content-Length"] = "0"
    url = one.declared.endpoint.rstrip("/") + resource if resource else one.declared.endpoint
    method = "PUT" if resource else "POST"
    code = outside.call(method, url, headers, body, take, seconds=one.declared.timeout)
    if not 200 <= code < 300:
        error = Unreachable(f"L'adresse de l'abonnement répond {code}.")
        error.answered = code  # type: ignore[attr-defined]
        raise error


def _settle(one: Subscribed, service: FhirService, state: str, problem: str, failures: int) -> None:
    """Write the state where the machinery looks and where people do: in the resource.

    Nothing is written when the subscriber wrote it again, or deleted it, since `one` was read.
    """
    with service.store.in_turn("Subscription", one.id, again=True):
        version = service.store.read("Subscription", one.id)
        now = table.get(one.space, one.id)
        if now is None or (now.state, now.declared, now.owner) != (one.state, one.declared, one.owner):
            return
        table.change(one.space, one.id, state, problem, failures)
        if version is None or version.deleted:
            return
        resource: dict[str, Any] = {**version.resource, "status": state}
        resource.pop("error", None)
        if problem:
            resource["error"] = problem
        service.store.update(resource, by=BY, if_match=version.version)


def end(space: int, id: str) -> None:
    """The end of a subscription has come: it is off."""
    one, service = table.get(space, id), evaluation.service_of(space)
    if one is not None and service is not None:
        _settle(one, service, "off", "", 0)
