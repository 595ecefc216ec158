"""What distinguishes one provider of ours from another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virage.core import settings
from virage.core.accounts.models import Account, Grant
from virage.core.pki import KeyRing, keys

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Issuer:
    """A provider: `name` is also its key ring and its cookie; `endpoints` maps names of the discovery document to paths.

    `claims(account, grant)` gives what userinfo says besides `sub`; `subject(account, client)` the `sub` itself. Lifetimes in
    seconds; a `refresh` of 0 gives no refresh token. With `signed_userinfo`, userinfo is a JWT. `audience` is that of its
    access tokens.
    """

    name: str
    title: str
    path: str
    algorithm: str
    kinds: frozenset[str]
    endpoints: Mapping[str, str]
    claims: Callable[[Account, Grant | None], Claims]
    subject: Callable[[Account, Account], str]
    access: Callable[[], int]
    refresh: Callable[[], int]
    audience: Callable[[], str]
    id_token_life: int = 120
    session_life: int = 4 * 3600
    session_idle: int = 30 * 60
    acr: str = "eidas1"
    signed_userinfo: bool = False
    needs_nonce: bool = False
    client_credentials: bool = False
    scopes_supported: tuple[str, ...] = ("openid",)
    claims_supported: tuple[str, ...] = ("sub",)
    extra: Mapping[str, Any] = field(default_factory=dict)
    introspected: Callable[[Account, Grant], Claims] = lambda account, grant: {}

    @property
    def url(self) -> str:
        """The `iss`."""
        return settings.base_url() + self.path

    @property
    def ring(self) -> KeyRing:
        """The keys that sign id_tokens, and userinfo where it is signed."""
        return keys(f"{self.name}-id", self.algorithm)  # type: ignore[arg-type]

    @property
    def cookie(self) -> str:
        """The name of the session's cookie, bound to the provider's path."""
        return f"virage_{self.name}"

    def endpoint(self, name: str) -> str:
        """The full address of an endpoint named as in the discovery document."""
        return self.url + self.endpoints[name]


def discovery(issuer: Issuer) -> Claims:
    """The provider's description (OpenID Connect Discovery, 3)."""
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    grants = ["authorization_code"]
    if issuer.refresh():
        grants.append("refresh_token")
    if issuer.client_credentials:
        grants.append("client_credentials")
    document: Claims = {
        "issuer": issuer.url,
        **{name: issuer.url + path for name, path in issuer.endpoints.items()},
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["pairwise" if issuer.signed_userinfo else "public"],
        "id_token_signing_alg_values_supported": [issuer.algorithm],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "scopes_supported": list(issuer.scopes_supported),
        "claims_supported": list(issuer.claims_supported),
        "acr_values_supported": [issuer.acr],
        "ui_locales_supported": ["fr"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
    }
    if issuer.signed_userinfo:
        document["userinfo_signing_alg_values_supported"] = [issuer.algorithm]
    for name in ("introspection_endpoint", "revocation_endpoint"):
        if name in issuer.endpoints:
            document[f"{name}_auth_methods_supported"] = methods
    return document | dict(issuer.extra)


def key_documents(issuer: Issuer) -> list[Claims]:
    """The public keys: those of its id_tokens, and those of the access tokens that it gives."""
    return [*issuer.ring.public(), *keys("access").public()]


ASSERTION_ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
