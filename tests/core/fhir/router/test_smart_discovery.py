"""What SMART discovery announces is what the authorization server answers."""

import json

import pytest
from django.test import Client

from virage.core.fhir.adapter import application
from virage.site import house

pytestmark = pytest.mark.django_db


def _get(service, path: str) -> dict:
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"{service.base}{path}",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.url_scheme": "http",
    }
    body = b"".join(application(service)(environ, lambda status, headers: told.append(status)))
    assert told[0].startswith("200")
    return json.loads(body)


@pytest.mark.parametrize("service", house.fhir_services(), ids=lambda service: service.base)
def test_every_announced_endpoint_is_one(service) -> None:
    discovery = Client().get("/psc/.well-known/openid-configuration").json()
    smart = _get(service, "/.well-known/smart-configuration")
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
    ):
        assert smart[name] == discovery[name]
    security = _get(service, "/metadata")["rest"][0]["security"]
    uris = {part["url"]: part["valueUri"] for part in security["extension"][0]["extension"]}
    assert uris["token"] == discovery["token_endpoint"]
    assert uris["authorize"] == discovery["authorization_endpoint"]
    assert uris["introspect"] == discovery["introspection_endpoint"]
    assert uris["revoke"] == discovery["revocation_endpoint"]
