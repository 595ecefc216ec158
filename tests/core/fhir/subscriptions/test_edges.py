"""What may go wrong between a change and its notice: rights that end, names that move, subscriptions that go away meanwhile."""

import socket
import threading
from contextlib import suppress

import orjson
import pytest

from tests.core.fhir.router.conftest import SOFTWARE, asking, observation
from tests.core.fhir.subscriptions.test_subscriptions import (
    _BACKPORT,
    _journal,
    _make_due,
    _parameter,
    _subscribe,
    _tell,
    by_topic,
    subscription,
)
from virage.core import db, events, outside
from virage.core.accounts import ensure_account
from virage.core.accounts.actions import close_account
from virage.core.callers import Caller, system
from virage.core.fhir.subscriptions import delivery, table, tasks

BY = system("test")


def observed(ask, subject="Patient/x", **more):
    return ask("POST", "Observation", observation(subject, **more)).json["id"]


# ── where it goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_asked_once_and_the_connection_goes_to_that_very_address(endpoint, monkeypatch):
    """DNS rebinding: public when it is looked at, private when it is called."""
    asked = []
    real = socket.getaddrinfo

    def moving(host, port, *more, **named):
        if host != "moving.example":
            return real(host, port, *more, **named)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.7"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    url = endpoint.url.replace("127.0.0.1", "moving.example")
    assert outside.call("POST", url, {}, b"", lambda response: response.status) == 200
    assert len(endpoint.got) == len(asked) == 1
    assert endpoint.got[0][2]["Host"].startswith("moving.example")


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.216.34", "192.168.1.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(outside.AddressRefused):
        outside.target("https://both.example/")


@pytest.mark.parametrize(
    "host",
    [
        *[
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
        ],
        *[
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
            "[ff02::1]",
        ],
        *["2130706433", "0x7f000001", "127.1", "localhost"],
    ],
)
def test_inside_by_whatever_name(host):
    with pytest.raises((outside.AddressRefused, outside.Unreachable)):
        outside.target(f"https://{host}/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections_are_not_followed(ask, endpoint, status):
    id = _subscribe(ask, subscription(endpoint.url))
    endpoint.got.clear()
    endpoint.status, endpoint.headers = status, {"Location": endpoint.url + "/inside"}
    observed(ask)
    assert _tell(id) == 4.0
    assert [path for _, path, _, _ in endpoint.got] == ["/hook"]
    (line,) = _journal(ask, id)
    assert (line["state"], line["httpStatus"]) == ("pending", status)


def test_an_endpoint_that_says_one_byte_at_a_time_is_cut_off(monkeypatch):
    monkeypatch.setenv("VIRAGE_SUBSCRIPTION_LOOPBACK", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip():
            with suppress(OSError), server.accept()[0] as client:
                while not done.wait(0.05):
                    client.send(b"H")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(outside.Unreachable):
            outside.call("POST", "http" + url, {}, b"", lambda response: response.read(), seconds=0.4)
        done.set()
        server.shutdown(socket.SHUT_RDWR)  # it may still wait for a call that came too late to be made
        thread.join()


# ── in which order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_follow_each_other_and_are_told_in_order(ask, endpoint):
    id = _subscribe(ask, by_topic(endpoint.url, "id-only"))
    endpoint.got.clear()
    made = [observed(ask) for _ in range(5)]
    endpoint.status = 503
    assert _tell(id) == 4.0
    endpoint.status = 200
    _make_due()
    delivery.deliver(0, id)
    told = [_parameter(orjson.loads(body), "notificationEvent")["part"] for _, _, _, body in endpoint.got]
    numbers = [parts[0]["valueString"] for parts in told]
    assert numbers == ["1", "1", "2", "3", "4", "5"]
    assert [parts[2]["valueReference"]["reference"].rpartition("/")[2] for parts in told[1:]] == made
    assert [line["attempts"] for line in _journal(ask, id)] == [2, 1, 1, 1, 1]


def test_events_by_range_and_content(ask, endpoint):
    id = _subscribe(ask, by_topic(endpoint.url, "empty"))
    made = [observed(ask) for _ in range(4)]
    _tell(id)

    def focus(query, body=None):
        answer = ask("GET" if body is None else "POST", f"Subscription/{id}/$events{query}", body)
        assert answer.status == 200, answer.body
        status = answer.json["entry"][0]["resource"]["parameter"]
        numbers = [each["part"][0]["valueString"] for each in status if each["name"] == "notificationEvent"]
        return numbers, [each["fullUrl"].rpartition("/")[2] for each in answer.json["entry"][1:]]

    assert focus("") == (["1", "2", "3", "4"], [])
    assert focus("?eventsSinceNumber=2&eventsUntilNumber=3&content=id-only") == (["2", "3"], made[1:3])
    assert focus("?eventsSinceNumber=4&eventsUntilNumber=2") == ([], [])
    assert focus("?eventsSinceNumber=99") == ([], [])
    given = [{"name": "eventsSinceNumber", "valueString": "3"}, {"name": "content", "valueCode": "full-resource"}]
    assert focus("", {"resourceType": "Parameters", "parameter": given}) == (["3", "4"], made[2:])
    for wrong in ("eventsUntilNumber=-1", "eventsSinceNumber=" + "9" * 30, "content=all"):
        assert ask("GET", f"Subscription/{id}/$events?{wrong}").status == 400


def test_status_of_one_and_of_several(ask, endpoint):
    one = _subscribe(ask, by_topic(endpoint.url, "id-only"))
    other = ask("POST", "Subscription", subscription(endpoint.url)).json["id"]

    def states(query):
        told = ask("GET", f"Subscription/$status{query}").json
        assert told["type"] == "searchset"
        found = [each["resource"]["parameter"] for each in told.get("entry", [])]
        return sorted(part["valueCode"] for each in found for part in each if part["name"] == "status")

    assert states("") == ["active", "requested"]
    assert states(f"?id={one},none") == ["active"]
    assert states("?status=requested,error") == ["requested"]
    assert states("?status=off") == []
    assert ask("GET", "Subscription/$status?nothing=1").json["issue"][0]["expression"] == ["nothing"]
    stranger = asking(caller=Caller(kind="software", subject="z", scopes=frozenset({"system/Observation.rs"})))
    assert stranger("GET", "Subscription/$status").status == 403
    assert stranger("GET", f"Subscription/{other}/$status").status == 403


# ── signs of life ────────────────────────────────────────────────────────────────────────────────────────────────────────


def alive(url, seconds):
    resource = by_topic(url, "id-only")
    period = {"url": _BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": seconds}
    resource["channel"]["extension"] = [period]
    return resource


def _silent_for(seconds):
    with db.cursor() as cursor:
        cursor.execute("UPDATE subscription SET spoken = spoken - make_interval(secs => %s)", [seconds])


def test_a_sign_of_life_comes_after_the_silence_that_was_asked_for(ask, endpoint):
    id = _subscribe(ask, alive(endpoint.url, 600))
    endpoint.got.clear()
    assert table.silent() == []
    _silent_for(590)
    assert table.silent() == []
    _silent_for(20)
    assert table.silent() == [(0, id)]
    delivery.beat(0, id)
    (_, _, _, body) = endpoint.got.pop()
    bundle = orjson.loads(body)
    assert _parameter(bundle, "type")["valueCode"] == "heartbeat"
    assert _parameter(bundle, "eventsSinceSubscriptionStart")["valueString"] == "0"
    assert len(bundle["entry"]) == 1
    assert table.silent() == []
    # A notice is a sign of life too.
    _silent_for(700)
    observed(ask)
    _tell(id)
    assert table.silent() == []


def test_an_endpoint_that_never_answers_signs_of_life_is_in_error(ask, endpoint):
    id = _subscribe(ask, alive(endpoint.url, 60))
    endpoint.status = 500
    for _ in range(delivery.HANDSHAKES - 1):
        delivery.beat(0, id)
    assert ask("GET", f"Subscription/{id}").json["status"] == "active"
    delivery.beat(0, id)
    assert ask("GET", f"Subscription/{id}").json["status"] == "error"


def test_a_sign_of_life_that_cannot_be_given_is_refused(ask):
    url = "https://93.184.216.34/"
    too_often = alive(url, 5)
    without_topic = {**subscription(url), "channel": {**alive(url, 600)["channel"]}}
    for resource in (too_often, without_topic):
        told = ask("POST", "Subscription", resource)
        assert told.status == 422
        assert told.json["issue"][0]["expression"] == ["Subscription.channel"]


# ── whose rights ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def program(db):
    """A program of the house, and the short way to ask as it."""
    scopes = ["system/Observation.rs", "system/Subscription.cruds"]
    ensure_account(by=BY, login="abonne", kind="software", name="Abonné", scopes=scopes)
    return asking(caller=Caller(kind="software", subject="abonne", client_id="abonne", scopes=frozenset(scopes)))


def test_nothing_is_told_once_the_account_is_closed(ask, program, endpoint):
    id = _subscribe(program, subscription(endpoint.url, "Observation"))
    observed(ask)
    events.drain()
    endpoint.got.clear()
    close_account(by=BY, login="abonne")
    assert delivery.deliver(0, id) is None
    observed(ask)
    _tell(id)
    assert endpoint.got == []
    told = ask("GET", f"Subscription/{id}").json
    assert told["status"] == "error"
    assert "compte" in told["error"]
    assert [line["state"] for line in _journal(ask, id)] == ["pending"]


def test_a_program_that_may_ask_for_less_is_told_less(ask, program, endpoint):
    id = _subscribe(program, subscription(endpoint.url, "Observation"))
    observed(ask)
    events.drain()
    endpoint.got.clear()
    scopes = ["system/Patient.rs", "system/Subscription.cruds"]
    ensure_account(by=BY, login="abonne", kind="software", name="Abonné", scopes=scopes)
    delivery.deliver(0, id)
    observed(ask)
    _tell(id)
    assert endpoint.got == []
    assert [line["state"] for line in _journal(ask, id)] == ["withheld"]


def test_a_broken_glass_does_not_last(ask, endpoint):
    owner = SOFTWARE.with_purpose("bris_de_glace", "urgence vitale")
    id = _subscribe(asking(caller=owner), subscription(endpoint.url))
    assert table.get(0, id).owner.purpose == "normal"


def test_the_end_stops_what_waits(ask, endpoint):
    id = _subscribe(ask, {**subscription(endpoint.url), "end": "2999-01-01T00:00:00Z"})
    observed(ask)
    events.drain()
    endpoint.got.clear()
    with db.cursor() as cursor:
        cursor.execute("UPDATE subscription SET ends = now() - interval '1 second'")
    assert delivery.deliver(0, id) is None
    assert endpoint.got == []
    assert ask("GET", f"Subscription/{id}").json["status"] == "off"


# ── meanwhile ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _meanwhile(monkeypatch, work):
    """Do something while the endpoint is being called."""
    real = outside.call

    def calling(*given, **more):
        monkeypatch.setattr(outside, "call", real)
        answer = real(*given, **more)
        work()
        return answer

    monkeypatch.setattr(outside, "call", calling)


def test_deleted_while_it_is_told(ask, endpoint, monkeypatch):
    id = _subscribe(ask, subscription(endpoint.url))
    for _ in range(3):
        observed(ask)
    events.drain()
    endpoint.got.clear()
    _meanwhile(monkeypatch, lambda: ask("DELETE", f"Subscription/{id}"))
    assert delivery.deliver(0, id) is None
    assert len(endpoint.got) == 1
    assert table.get(0, id) is None
    assert ask("GET", f"Subscription/{id}").status == 410
    with db.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM subscription_notice").fetchone() == (0,)


def test_deleted_while_it_fails(ask, endpoint, monkeypatch):
    id = _subscribe(ask, subscription(endpoint.url))
    observed(ask)
    events.drain()
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 1)
    endpoint.status = 500
    _meanwhile(monkeypatch, lambda: ask("DELETE", f"Subscription/{id}"))
    assert delivery.deliver(0, id) is None
    assert ask("GET", f"Subscription/{id}").status == 410


def test_written_again_while_hands_are_shaken(ask, endpoint, monkeypatch):
    made = ask("POST", "Subscription", subscription(endpoint.url)).json
    again = {**made, "criteria": "Observation?status=final"}
    _meanwhile(monkeypatch, lambda: ask("PUT", f"Subscription/{made['id']}", again))
    assert delivery.activate(0, made["id"]) is None
    # What was shaken on is not what stands now: the new one shakes hands for itself.
    assert ask("GET", f"Subscription/{made['id']}").json["status"] == "requested"
    delivery.activate(0, made["id"])
    assert ask("GET", f"Subscription/{made['id']}").json["status"] == "active"


def test_declared_in_a_transaction(ask, endpoint):
    entry = {"request": {"method": "POST", "url": "Subscription"}, "resource": subscription(endpoint.url)}
    told = ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert told.status == 200, told.body
    id = told.json["entry"][0]["response"]["location"].split("/Subscription/")[-1].split("/")[0]
    assert table.get(0, id).state == "requested"
    refused = {**entry, "resource": subscription("https://10.0.0.1/")}
    told = ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry, refused]})
    assert told.status == 422
    assert told.json["issue"][0]["expression"][0].endswith("channel.endpoint")
    assert ask("GET", "Subscription?_summary=count").json["total"] == 1


@pytest.mark.parametrize(
    "criteria",
    [
        "Observation?subject.name=x",
        "Observation?patient.identifier=urn:s|1",
        "Patient?_has:Observation:subject:code=x",
        "Observation?nothing=x",
        "Observation?code:nothing=x",
        "Observation?_include=Observation:subject",
        "Observation?value-quantity=x",
        "Observation?_filter=((",
        "",
        "?code=x",
        "Observation/1",
        "http://other.example/fhir/Observation?code=x",
    ],
)
def test_criteria_that_are_not_served(ask, criteria):
    filtered = by_topic("https://93.184.216.34/", "empty", criteria or "x")
    for resource in (subscription("https://93.184.216.34/", criteria or "x"), filtered):
        told = ask("POST", "Subscription", resource)
        assert told.status == 422, told.body
        assert told.json["issue"][0]["expression"][0] == "Subscription.criteria"
        assert told.json["issue"][0]["details"]["text"]


def test_lost_work_is_taken_up(ask, endpoint):
    id = _subscribe(ask, subscription(endpoint.url))
    observed(ask)
    events.drain()
    with db.cursor() as cursor:
        cursor.execute("UPDATE subscription_notice SET due = now() - interval '5 minutes'")
    assert table.overdue() == [(0, id)]
    tasks.look_after(0)
