"""A live server on the loopback, with people to sign in, and a browser without scripts."""

import html
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conftest import clone, drop, use
from tests.site.running import PATIENCE
from virage.core import settings as house_settings
from virage.core.accounts import actions, portals, rules, tokens
from virage.core.accounts.models import Account, ProviderSession
from virage.core.callers import system
from virage.trust.psc.models import EcpsRequest

BY = system("test")
SECRET = "s" * 43
PIN = "4271"
BACK = "http://127.0.0.1:9/retour"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests read what they need."""


@dataclass
class Live:
    """The server under test and its people."""

    url: str
    client_key: ECKey
    client_rsa: RSAKey
    rpps: str = "99900000011"

    def path(self, path: str) -> str:
        return self.url + path


@pytest.fixture(scope="module")
def house(database_server, django_db_setup, django_db_blocker) -> Iterator[Live]:
    """One server and one database for a file of tests: what a test leaves behind, `live` takes away."""
    from django.db import connections

    before = connections["default"].settings_dict["NAME"]
    name = f"{before}_psc_{secrets.token_hex(4)}"
    clone(database_server, name)
    use(database_server, name)
    house_settings.folder("static")  # WhiteNoise warns where it is missing
    from virage.site.wsgi import application

    def closing(environ, start):
        """Each request has a thread of its own: its connection goes with it."""
        answer = application(environ, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        connections.close_all()
        return [body]

    server = make_server("127.0.0.1", 0, closing, _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    key = ECKey.generate_key("P-256", {"kid": "lps-1", "use": "sig"})
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("VIRAGE_BASE_URL", url)
        patch.setattr("virage.core.audit.recording.at_once", True)
        # Of itself, httpx gives a server five seconds: on a busy machine that is luck.
        patch.setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, "read", PATIENCE)
        people(key, _RSA)
        yield Live(url, key, _RSA)
        server.shutdown()
        server.server_close()
        thread.join()
        connections["default"].close()
    use(database_server, before)
    drop(database_server, name)


@pytest.fixture
def live(house, django_db_blocker) -> Iterator[Live]:
    """The server, with nobody signed in, nothing waiting and no phone locked."""
    with django_db_blocker.unblock():
        EcpsRequest.objects.all().delete()
        ProviderSession.objects.all().delete()
        Account.objects.update(pin_failures=0, locked_until=None)
        tokens.forget()
        yield house


_RSA = RSAKey.generate_key(2048, {"kid": "lps-2", "use": "sig"})


def people(key: ECKey, rsa: RSAKey) -> None:
    actions.ensure_account(
        by=BY,
        login="essai-medecin",
        kind="professional",
        name="Ada Essai",
        given_names="Ada",
        family_name="Essai",
        rpps="99900000011",
        profession="10",
        specialty="SM54",
        finess="990000019",
        structure="Cabinet des essais",
        role="médecin généraliste",
        pin=PIN,
        demo=True,
    )
    actions.ensure_account(
        by=BY,
        login="essai-infirmier",
        kind="professional",
        name="Léo Preuve",
        rpps="99900000029",
        profession="60",
        pin=PIN,
        demo=True,
    )
    actions.ensure_account(
        by=BY,
        login="essai-lps",
        kind="software",
        name="Logiciel des essais",
        client_secret=SECRET,
        client_keys={"keys": [key.as_dict(private=False), rsa.as_dict(private=False)]},
        scopes=[
            *["openid", "scope_all", "user/*.cruds", "system/*.cruds", "patient/*.cruds"],
            *["launch/patient", "launch/encounter", "fhirUser"],
        ],
        redirect_uris=[BACK, "http://127.0.0.1/*"],
        logout_uris=["http://127.0.0.1:9/fini"],
        demo=True,
    )
    actions.ensure_account(
        by=BY,
        login="autre-lps",
        kind="software",
        name="Autre logiciel",
        client_secret="a" * 43,
        scopes=["openid", "scope_all"],
        redirect_uris=["https://autre.example/retour"],
    )
    actions.ensure_account(
        by=BY,
        login="essai-usager",
        kind="citizen",
        name="Zoé Adrun",
        given_names="Zoé Marie",
        family_name="Adrun",
        gender="female",
        birth_date="1975-12-31",
        birth_place="63220",
        birth_country="99100",
        patient="essai-patient",
        demo=True,
    )
    actions.ensure_account(by=BY, login="essai-agent", kind="agent", name="Paul Pilote", role="pilote", demo=True)
    portals.ensure_portal_client()


def hidden(page: httpx.Response, name: str) -> str:
    """The value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, f"no field {name} in the page: {page.status_code} {page.text[:2000]}"
    return html.unescape(found[1])


@dataclass
class Request:
    """One sign-in asked by a client: its query, its verifier."""

    live: Live
    query: dict
    verifier: str

    @property
    def url(self) -> str:
        return self.live.path("/psc/auth?") + urlencode(self.query)


def ask(live: Live, **change: str | None) -> Request:
    verifier = secrets.token_urlsafe(48)
    query = {
        "response_type": "code",
        "client_id": "essai-lps",
        "redirect_uri": BACK,
        "scope": "openid scope_all",
        "acr_values": "eidas1",
        "state": "état &=?",
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": rules.challenge_of(verifier),
        "code_challenge_method": "S256",
    } | change
    return Request(live, {name: value for name, value in query.items() if value is not None}, verifier)


def begin(browser: httpx.Client, request: Request, identifier: str = "99900000011") -> httpx.Response:
    """Up to the page that waits: the identifier is given."""
    page = browser.get(request.url)
    form = {name: hidden(page, name) for name in ("csrfmiddlewaretoken", "demande")} | {"identifiant": identifier}
    answer = browser.post(request.live.path("/psc/connexion"), data=form)
    return browser.get(urljoin(str(answer.url), answer.headers["location"])) if answer.status_code == 303 else answer


def confirm(live: Live, waiting: httpx.Response, pin: str = PIN, code: str = "") -> httpx.Response:
    """What the professional does on the phone, which is another device."""
    shown = re.search(r'id="nombre">(\d\d)<', waiting.text)
    where = re.search(r'id="telephone" href="([^"]+)"', waiting.text)
    assert shown
    assert where
    with httpx.Client() as phone:
        page = phone.get(live.path(where[1]))
        form = {
            "csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"),
            "pin": pin,
            "code": code or shown[1],
            "reponse": "confirmer",
        }
        return phone.post(live.path(where[1]), data=form)


def sign_in(browser: httpx.Client, request: Request, identifier: str = "99900000011") -> dict[str, str]:
    """The whole sign-in; the parameters with which the browser returns to the client."""
    waiting = begin(browser, request, identifier)
    done = confirm(request.live, waiting)
    assert done.status_code == 200, done.text
    return returned(browser.get(waiting.url), request.query["redirect_uri"])


def returned(answer: httpx.Response, address: str) -> dict[str, str]:
    """The parameters of a return to the client."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(address), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def redeem(request: Request, code: str, **change: str) -> httpx.Response:
    """The code exchanged by the client."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": request.query["redirect_uri"],
        "code_verifier": request.verifier,
    } | change
    return httpx.post(request.live.path("/psc/token"), data=form, auth=("essai-lps", SECRET))


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client
