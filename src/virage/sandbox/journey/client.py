"""An outside program: plain HTTP with cookies, forms and tokens, and a memory of what it exchanged."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from lxml import html

from virage.core.errors import VirageError


class JourneyFailed(VirageError):
    """A step of the journey did not prove what it had to."""

    code = "JOURNEY.FAILED"


def expect(condition: object, text: str) -> None:
    """Fail the step with this sentence unless the condition holds."""
    if not condition:
        raise JourneyFailed(text)


@dataclass
class Page:
    """An answer read as a page: its text without markup, its forms, its links."""

    url: str
    status: int
    body: str
    tree: html.HtmlElement

    @property
    def text(self) -> str:
        """What a person reads, spaces folded."""
        return " ".join(self.tree.text_content().split())

    def links(self, fragment: str) -> list[str]:
        """Addresses of links whose address or label holds this fragment."""
        found = self.tree.iterlinks()
        return [
            urljoin(self.url, link)
            for element, attribute, link, _ in found
            if element.tag == "a" and attribute == "href" and (fragment in link or fragment in element.text_content())
        ]

    def form(self, fragment: str = "") -> html.FormElement:
        """The first form whose action, fields or button text hold this fragment."""
        for form in self.tree.forms:
            described = " ".join([form.action or "", *form.fields.keys(), form.text_content()])
            if fragment in described:
                return form
        raise JourneyFailed(f"La page {urlsplit(self.url).path} n’a pas le formulaire attendu ({fragment}).")


@dataclass
class Visitor:
    """One program or person over HTTP. `say` gets a line for each exchange, without any body."""

    base: str
    say: Callable[[str], None] = lambda line: None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.base, timeout=30, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> httpx.Response:
        """One exchange, redirections not followed."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if json is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
        response = self.http.request(
            method,
            url,
            json=json,
            data=data,
            files=files,
            params=params,
            headers=sent,
            auth=auth or httpx.USE_CLIENT_DEFAULT,
        )
        self.say(
            f"{method} {urlsplit(str(response.url)).path} → {response.status_code}, {len(response.content)} octets"
        )
        return response

    def page(self, method: str, url: str, **options: Any) -> Page:
        """One exchange read as a page, redirections inside the house followed."""
        response = self.send(method, url, **options)
        for _ in range(10):
            if response.status_code not in (301, 302, 303, 307):
                break
            target = urljoin(str(response.url), response.headers["location"])
            if not target.startswith(self.base):
                break
            response = self.send("GET", target)
        tree = html.document_fromstring(response.text or "<html><body></body></html>")
        return Page(str(response.url), response.status_code, response.text, tree)

    def submit(
        self, page: Page, form: html.FormElement, *, button: tuple[str, str] | None = None, **values: str
    ) -> Page:
        """Send a form of a page with its hidden fields, these values, and the button pressed."""
        fields = dict(form.form_values())
        fields.update(values)
        if button:
            fields[button[0]] = button[1]
        action = urljoin(page.url, form.action or page.url)
        method = (form.method or "GET").upper()
        headers = {"Referer": page.url}
        if method == "GET":
            return self.page("GET", action, params=fields, headers=headers)
        return self.page("POST", action, data=fields, headers=headers)


@dataclass(frozen=True)
class Pkce:
    """A PKCE verifier, its S256 challenge, a state and a nonce."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def challenge(self) -> str:
        """BASE64URL(SHA256(verifier)) without padding, RFC 7636."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


def query_of(url: str) -> dict[str, str]:
    """The query parameters of an address, the first value of each."""
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
