"""What the sandbox's certificate authority publishes: its certificates and its revocation lists."""

from cryptography.hazmat.primitives.serialization import Encoding
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from virage.core.accounts import door
from virage.core.accounts.certificates.queries import revocation_list as make_list
from virage.core.pki.authority import authority


@require_safe
@door("public")
def revocation_list(request: HttpRequest, name: str) -> HttpResponse:
    """The revocation list of an authority (RFC 5280, DER)."""
    return HttpResponse(make_list(name), content_type="application/pkix-crl", headers={"Cache-Control": "max-age=60"})


@require_safe
@door("public")
def authority_certificate(request: HttpRequest, name: str) -> HttpResponse:
    """The certificate of an authority (DER)."""
    found, _ = authority(name)
    return HttpResponse(found.public_bytes(Encoding.DER), content_type="application/pkix-cert")
