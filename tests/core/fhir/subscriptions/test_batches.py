"""How many changes a notification tells, and how long an attempt may last: what the subscriber says of both."""

import orjson
import pytest

from tests.core.fhir.router.conftest import asking, observation, patient
from tests.core.fhir.subscriptions.test_edges import observed
from tests.core.fhir.subscriptions.test_subscriptions import (
    _BACKPORT,
    _journal,
    _make_due,
    _subscribe,
    _tell,
    by_topic,
    subscription,
)
from virage.core import events, outside
from virage.core.callers import Caller
from virage.core.fhir.subscriptions import delivery


def with_channel(resource, name, value, number):
    more = {"url": _BACKPORT + name, value: number}
    return {**resource, "channel": {**resource["channel"], "extension": [more]}}


def several(url, most, content="id-only"):
    return with_channel(by_topic(url, content), "backport-max-count", "valuePositiveInt", most)


def _told(endpoint):
    """The numbers of the events of each notification, with the ids beside them."""
    found = []
    for _, _, _, body in endpoint.got:
        bundle = orjson.loads(body)
        status = bundle["entry"][0]["resource"]["parameter"]
        numbers = [each["part"][0]["valueString"] for each in status if each["name"] == "notificationEvent"]
        found.append((numbers, [each["fullUrl"].rpartition("/")[2] for each in bundle["entry"][1:]]))
    endpoint.got.clear()
    return found


def test_several_changes_in_one_notification(ask, endpoint):
    id = _subscribe(ask, several(endpoint.url, 3))
    endpoint.got.clear()
    endpoint.status = 503
    made = [observed(ask) for _ in range(5)]
    assert _tell(id) == 4.0
    assert _told(endpoint) == [(["1", "2", "3"], made[:3])]
    # What waits behind a notification that failed is told after it.
    assert delivery.deliver(0, id) is None
    assert _told(endpoint) == []
    endpoint.status = 200
    _make_due()
    assert delivery.deliver(0, id) is None
    assert _told(endpoint) == [(["1", "2", "3"], made[:3]), (["4", "5"], made[3:])]
    journal = _journal(ask, id)
    assert [(line["state"], line["attempts"]) for line in journal] == [("sent", 2)] * 3 + [("sent", 1)] * 2
    answer = ask("GET", f"Subscription/{id}/$events").json["entry"][0]["resource"]["parameter"]
    numbers = [each["part"][0]["valueString"] for each in answer if each["name"] == "notificationEvent"]
    assert numbers == ["1", "2", "3", "4", "5"]


def test_a_resource_that_changed_twice_stands_once_in_a_notification(ask, endpoint):
    id = _subscribe(ask, several(endpoint.url, 10, "full-resource"))
    endpoint.got.clear()
    one, other = observed(ask), observed(ask)
    assert ask("PUT", f"Observation/{one}", observation("Patient/x", id=one, status="amended")).status == 200
    _tell(id)
    bundle = orjson.loads(endpoint.got[0][3])
    assert _told(endpoint) == [(["1", "2", "3"], [one, other])]
    assert [each["resource"]["status"] for each in bundle["entry"][1:]] == ["amended", "final"]


def test_a_notification_leaves_out_what_may_no_longer_be_seen(ask, endpoint):
    anne, bob = (ask("POST", "Patient", patient()).json["id"] for _ in range(2))
    scopes = frozenset({"patient/Observation.rs", "system/Subscription.cruds"})
    hers = asking(caller=Caller(kind="software", subject="x", patient=anne, scopes=scopes))
    id = _subscribe(hers, several(endpoint.url, 10))
    endpoint.got.clear()
    moved, mine = (observed(ask, f"Patient/{anne}") for _ in range(2))
    events.drain()
    ask("PUT", f"Observation/{moved}", observation(f"Patient/{bob}", id=moved))
    endpoint.status = 503
    assert delivery.deliver(0, id) == 4.0
    endpoint.status = 200
    _make_due()
    delivery.deliver(0, id)
    assert _told(endpoint) == [(["2"], [mine])] * 2
    assert [line["state"] for line in _journal(hers, id)] == ["withheld", "sent"]


def test_an_attempt_lasts_as_long_as_the_subscriber_says(ask, endpoint, monkeypatch):
    allowed = []
    real = outside.call

    def calling(*given, **more):
        allowed.append(more["seconds"])
        return real(*given, **more)

    monkeypatch.setattr(outside, "call", calling)
    for resource in (by_topic(endpoint.url, "empty"), subscription(endpoint.url)):
        _subscribe(ask, with_channel(resource, "backport-timeout", "valueUnsignedInt", 5))
        _subscribe(ask, resource)
    assert allowed == [5, 30, 5, 30]


@pytest.mark.parametrize("seconds", [0, 31])
def test_a_time_that_cannot_be_kept_is_refused(ask, seconds):
    resource = by_topic("https://93.184.216.34/", "empty")
    told = ask("POST", "Subscription", with_channel(resource, "backport-timeout", "valueUnsignedInt", seconds))
    assert told.status == 422
    assert told.json["issue"][0]["expression"] == ["Subscription.channel"]


def test_only_a_topic_tells_several_at_once(ask):
    resource = subscription("https://93.184.216.34/")
    told = ask("POST", "Subscription", with_channel(resource, "backport-max-count", "valuePositiveInt", 2))
    assert told.status == 422
    assert told.json["issue"][0]["expression"] == ["Subscription.channel"]
