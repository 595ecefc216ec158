"""Subscriptions from the declaration to the endpoint, a real one on the loopback."""

import orjson
import pytest

from tests.core.fhir.router.conftest import asking, observation, patient
from virage.core import db, events, outside
from virage.core.callers import Caller
from virage.core.fhir.subscriptions import delivery, rules, table
from virage.core.fhir.subscriptions.tasks import look_after

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def subscription(url, criteria="Observation?code=http://loinc.org|8867-4", **channel):
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Essai",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": url, **channel},
    }


def by_topic(url, content, filter="Observation?code=8867-4"):
    return {
        **subscription(url, rules.TOPIC),
        "_criteria": {"extension": [{"url": _BACKPORT + "backport-filter-criteria", "valueString": filter}]},
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": _BACKPORT + "backport-payload-content", "valueCode": content}]},
        },
    }


def _subscribe(ask, resource):
    made = ask("POST", "Subscription", resource)
    assert made.status == 201, made.body
    assert made.json["status"] == "requested"
    id = made.json["id"]
    assert delivery.activate(0, id) is None
    assert ask("GET", f"Subscription/{id}").json["status"] == "active"
    return id


def _tell(id):
    events.drain()
    return delivery.deliver(0, id)


def _journal(ask, id):
    told = ask("GET", f"Subscription/{id}/$journal")
    assert told.status == 200, told.body
    return [
        {part["name"]: next(v for k, v in part.items() if k.startswith("value")) for part in line["part"]}
        for line in told.json.get("parameter", [])
    ]


def test_an_empty_notice_for_what_matches_only(ask, endpoint):
    anne = ask("POST", "Patient", patient()).json["id"]
    id = _subscribe(ask, subscription(endpoint.url, header=["X-Key: abc"]))
    endpoint.got.clear()
    ask("POST", "Observation", observation(f"Patient/{anne}", code={"text": "autre"}))
    made = ask("POST", "Observation", observation(f"Patient/{anne}")).json["id"]
    ask("POST", "Patient", patient())
    _tell(id)
    ((method, path, headers, body),) = endpoint.got
    assert (method, path, body) == ("POST", "/hook", b"")
    assert headers["X-Key"] == "abc"
    (line,) = _journal(ask, id)
    assert line["state"] == "sent"
    assert line["focus"] == {"reference": f"Observation/{made}"}
    assert line["httpStatus"] == 200


def test_nothing_is_noted_when_nobody_looks(ask):
    ask("POST", "Observation", observation("Patient/x"))
    with db.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM events_delivery").fetchone() == (0,)


def test_a_payload_is_an_update_under_the_endpoint(ask, endpoint):
    id = _subscribe(ask, subscription(endpoint.url, payload="application/fhir+json"))
    endpoint.got.clear()
    made = ask("POST", "Observation", observation("Patient/x")).json
    _tell(id)
    ((method, path, _, body),) = endpoint.got
    assert (method, path) == ("PUT", f"/hook/Observation/{made['id']}")
    assert orjson.loads(body) == made


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_topics_handshake_and_notices(ask, endpoint, content):
    id = _subscribe(ask, by_topic(endpoint.url, content))
    bundle = orjson.loads(endpoint.got.pop()[3])
    assert _parameter(bundle, "type")["valueCode"] == "handshake"
    made = ask("POST", "Observation", observation("Patient/x")).json
    _tell(id)
    bundle = orjson.loads(endpoint.got.pop()[3])
    assert bundle["type"] == "history"
    assert _parameter(bundle, "type")["valueCode"] == "event-notification"
    assert _parameter(bundle, "eventsSinceSubscriptionStart")["valueString"] == "1"
    focus = [part for part in _parameter(bundle, "notificationEvent")["part"] if part["name"] == "focus"]
    assert bool(focus) is (content != "empty")
    assert [each["resource"] for each in bundle["entry"][1:] if "resource" in each] == (
        [made] if content == "full-resource" else []
    )
    told = ask("GET", f"Subscription/{id}/$status").json["entry"][0]["resource"]
    assert {"name": "status", "valueCode": "active"} in told["parameter"]
    found = ask("GET", f"Subscription/{id}/$events?eventsSinceNumber=1&content=full-resource").json
    assert [each["resource"]["id"] for each in found["entry"][1:]] == [made["id"]]
    assert len(ask("GET", f"Subscription/{id}/$events?eventsSinceNumber=2").json["entry"]) == 1
    assert ask("GET", f"Subscription/{id}/$events?eventsSinceNumber=x").status == 400


def _parameter(bundle, name):
    return next(each for each in bundle["entry"][0]["resource"]["parameter"] if each["name"] == name)


def test_failures_are_tried_again_in_order_then_the_subscription_is_in_error(ask, endpoint):
    id = _subscribe(ask, subscription(endpoint.url))
    for _ in range(2):
        ask("POST", "Observation", observation("Patient/x"))
    endpoint.status = 503
    endpoint.got.clear()
    pauses = [_tell(id)]
    assert delivery.deliver(0, id) is None  # not due yet
    while pauses[-1] is not None:
        _make_due()
        pauses.append(delivery.deliver(0, id))
    assert pauses == [4.0, 16.0, 64.0, 256.0, 1024.0, None]
    assert len(endpoint.got) == delivery.MOST_ATTEMPTS
    told = ask("GET", f"Subscription/{id}").json
    assert told["status"] == "error"
    assert "503" in told["error"]
    first, second = _journal(ask, id)
    assert (first["state"], first["httpStatus"], first["attempts"]) == ("failed", 503, delivery.MOST_ATTEMPTS)
    assert (second["state"], second["attempts"]) == ("pending", 0)
    # Mended by the subscriber, who writes it again: what waited is told.
    endpoint.status = 200
    assert ask("PUT", f"Subscription/{id}", {**told, "status": "requested"}).status == 200
    delivery.activate(0, id)
    delivery.deliver(0, id)
    assert [line["state"] for line in _journal(ask, id)] == ["failed", "sent"]


def _make_due():
    with db.cursor() as cursor:
        cursor.execute("UPDATE subscription_notice SET due = clock_timestamp() - interval '1 second'")


def test_an_endpoint_that_does_not_shake_hands_is_in_error(ask, endpoint):
    endpoint.status = 500
    id = ask("POST", "Subscription", subscription(endpoint.url)).json["id"]
    pauses = [delivery.activate(0, id) for _ in range(delivery.HANDSHAKES)]
    assert pauses == [4.0, 16.0, None]
    assert ask("GET", f"Subscription/{id}").json["status"] == "error"
    ask("POST", "Observation", observation("Patient/x"))
    events.drain()
    assert _journal(ask, id) == []


def test_only_what_the_subscriber_may_see(ask, endpoint):
    anne, bob = (ask("POST", "Patient", patient()).json["id"] for _ in range(2))
    scopes = frozenset({"patient/Observation.rs", "system/Subscription.cruds"})
    hers = asking(caller=Caller(kind="software", subject="x", patient=anne, scopes=scopes))
    id = _subscribe(hers, subscription(endpoint.url, "Observation"))
    endpoint.got.clear()
    ask("POST", "Observation", observation(f"Patient/{bob}"))
    mine = ask("POST", "Observation", observation(f"Patient/{anne}")).json["id"]
    moved = ask("POST", "Observation", observation(f"Patient/{anne}")).json["id"]
    events.drain()
    # Between the change and the notice it went out of her sight.
    ask("PUT", f"Observation/{moved}", observation(f"Patient/{bob}", id=moved))
    delivery.deliver(0, id)
    assert len(endpoint.got) == 1
    lines = {line["focus"]["reference"]: line["state"] for line in _journal(hers, id)}
    assert lines == {f"Observation/{mine}": "sent", f"Observation/{moved}": "withheld"}
    other = asking(caller=Caller(kind="software", subject="y", scopes=frozenset({"system/Subscription.cruds"})))
    assert other("POST", "Subscription", subscription(endpoint.url, "Observation")).status == 403


def test_deleted_switched_off_and_ended(ask, endpoint):
    id = _subscribe(ask, subscription(endpoint.url))
    told = ask("GET", f"Subscription/{id}").json
    assert ask("PUT", f"Subscription/{id}", {**told, "status": "off"}).json["status"] == "off"
    ask("POST", "Observation", observation("Patient/x"))
    events.drain()
    assert _journal(ask, id) == []
    assert ask("DELETE", f"Subscription/{id}").status == 204
    assert table.get(0, id) is None
    id = _subscribe(ask, {**subscription(endpoint.url), "end": "2020-01-01T00:00:00Z"})
    ask("POST", "Observation", observation("Patient/x"))
    events.drain()
    assert _journal(ask, id) == []
    look_after(0)
    assert ask("GET", f"Subscription/{id}").json["status"] == "off"


INSIDE = [
    "http://127.0.0.1/x",
    "https://localhost/x",
    "https://10.1.2.3/",
    "https://169.254.169.254/",
    "https://[fd00::1]/",
]


@pytest.mark.parametrize("url", INSIDE)
def test_endpoints_inside_are_refused(ask, url):
    told = ask("POST", "Subscription", subscription(url))
    assert told.status == 422
    assert told.json["issue"][0]["expression"] == ["Subscription.channel.endpoint"]


def test_a_name_that_changes_its_mind_is_refused_at_delivery(ask, endpoint, monkeypatch):
    id = _subscribe(ask, subscription(endpoint.url))
    endpoint.got.clear()
    ask("POST", "Observation", observation("Patient/x"))
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 80))])
    _tell(id)
    assert endpoint.got == []
    assert _journal(ask, id)[0]["state"] == "failed"
    assert ask("GET", f"Subscription/{id}").json["status"] == "error"


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (subscription("https://93.184.216.34/", "Nothing"), "criteria"),
        (subscription("https://93.184.216.34/", "Observation?nothing=1"), "criteria"),
        (subscription("https://93.184.216.34/", "Observation?date=x"), "criteria"),
        (subscription("https://93.184.216.34/", "Observation?_sort=date"), "criteria"),
        (subscription("https://93.184.216.34/", "Observation?" + "a=1&" * 100), "criteria"),
        (subscription("https://93.184.216.34/", header=["no colon"]), "channel.header[0]"),
        (subscription("https://93.184.216.34/", header=["Host: other"]), "channel.header[0]"),
        (subscription("https://93.184.216.34/", header=["X: a\r\nY: b"]), "channel.header[0]"),
        (subscription("https://93.184.216.34/", payload="text/html"), "channel.payload"),
        (subscription("https://93.184.216.34/", type="email"), "channel.type"),
        (subscription("gopher://93.184.216.34/"), "channel.endpoint"),
    ],
)
def test_what_cannot_be_served_is_said_with_its_path(ask, resource, path):
    told = ask("POST", "Subscription", resource)
    assert told.status == 422, told.body
    assert told.json["issue"][0]["expression"][0] == f"Subscription.{path}"
    assert ask("GET", "Subscription?_summary=count").json["total"] == 0
