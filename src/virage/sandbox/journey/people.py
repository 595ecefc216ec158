"""How the people of the journey prove who they are, as their own programs and browsers would."""

import secrets
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import import_key

from virage.sandbox.journey.client import Page, Pkce, Visitor, expect, query_of

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def software_token(visitor: Visitor, client_id: str, key: dict[str, Any], scope: str) -> str:
    """A token for a program by itself: `client_credentials`, the client proved by a signed assertion (RFC 7523)."""
    discovery = visitor.send("GET", "/psc/.well-known/openid-configuration").json()
    endpoint = discovery["token_endpoint"]
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": endpoint,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(16),
    }
    private = import_key(key)
    algorithm = key.get("alg") or {"EC": "ES256", "RSA": "RS256"}[key["kty"]]
    assertion = jwt.encode({"alg": algorithm, "kid": key.get("kid", "")}, claims, private)
    answer = visitor.send(
        "POST",
        endpoint,
        data={
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion,
        },
    )
    expect(answer.status_code == 200, f"Le logiciel n’a pas reçu de jeton ({answer.status_code}).")
    expect(answer.json().get("token_type", "").lower() == "bearer", "Le jeton n’est pas de type Bearer.")
    return str(answer.json()["access_token"])


def confirm_on_phone(phone: Visitor, waiting: Page, pin: str) -> None:
    """The phone shows the request; its owner gives the PIN and picks the number that the computer shows."""
    shown = waiting.tree.get_element_by_id("nombre").text_content().strip()
    (address,) = waiting.links("telephone/")[:1]
    request = phone.page("GET", address)
    expect(shown in request.text, "Le téléphone ne propose pas le nombre affiché.")
    done = phone.submit(request, request.form("pin"), button=("reponse", "confirmer"), pin=pin, code=shown)
    expect(done.status == 200 and "confirm" in done.text.lower(), "Le téléphone n’a pas confirmé la connexion.")


def professional_token(
    visitor: Visitor, client: tuple[str, str], redirect_uri: str, identifier: str, pin: str
) -> dict[str, Any]:
    """Authorization code with PKCE, confirmed on the e-CPS: the answer of the token endpoint."""
    discovery = visitor.send("GET", "/psc/.well-known/openid-configuration").json()
    pkce = Pkce()
    query = {
        "response_type": "code",
        "client_id": client[0],
        "redirect_uri": redirect_uri,
        "scope": "openid scope_all",
        "acr_values": "eidas1",
        "state": pkce.state,
        "nonce": pkce.nonce,
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    }
    page = visitor.page("GET", discovery["authorization_endpoint"], params=query)
    expect(page.status == 200, f"La page de connexion répond {page.status}.")
    waiting = visitor.submit(page, page.form("identifiant"), identifiant=identifier)
    phone = Visitor(visitor.base, visitor.say)
    try:
        confirm_on_phone(phone, waiting, pin)
    finally:
        phone.close()
    answer = visitor.send("GET", waiting.url)
    back = answer.headers.get("location", "")
    expect(back.startswith(redirect_uri), "La connexion ne revient pas vers le logiciel.")
    given = query_of(back)
    expect(given.get("state") == pkce.state, "Le paramètre state n’est pas revenu tel quel.")
    exchange = {
        "grant_type": "authorization_code",
        "code": given["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": pkce.verifier,
    }
    answer = visitor.send("POST", discovery["token_endpoint"], data=exchange, auth=client)
    expect(answer.status_code == 200, f"Le code n’a pas été échangé ({answer.status_code}).")
    return dict(answer.json())


def with_purpose(visitor: Visitor, client: tuple[str, str], refresh_token: str, purpose: str, reason: str) -> str:
    """The same person, now for another purpose: the refresh grant carries the access mode and the reason."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "purpose": purpose, "reason": reason}
    answer = visitor.send("POST", "/psc/token", data=form, auth=client)
    expect(answer.status_code == 200, f"Le jeton d’urgence n’a pas été délivré ({answer.status_code}).")
    return str(answer.json()["access_token"])


def claims_of(visitor: Visitor, token: str) -> dict[str, Any]:
    """What userinfo tells of the professional."""
    answer = visitor.send("GET", "/psc/userinfo", token=token)
    expect(answer.status_code == 200, f"userinfo répond {answer.status_code}.")
    return dict(answer.json())
