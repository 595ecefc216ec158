"""Calls to addresses that a client gave: never to the server's own network, whatever a name resolves to.

The name is resolved here, every address that it gives is looked at, and the connection goes to one of those very addresses:
a name that changes its mind between the look and the call gains nothing. Redirections are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from virage.core import settings
from virage.core.errors import VirageError

Result = TypeVar("Result")
_LONGEST = 2000
_WAIT = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(VirageError):
    """The address is not one that this server may call."""

    code = "FHIR.ADDRESS"
    status = 422
    issue = "value"


class Unreachable(VirageError):
    """The other side did not answer as it should; the text says how, without a word of what was sent."""

    code = "FHIR.UNREACHABLE"
    status = 502
    issue = "transient"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: `ip` is the address to connect to, `path` what to ask for."""

    secure: bool
    host: str
    port: int
    ip: str
    path: str


def target(url: str, loopback: bool | None = None) -> Target:
    """Look at a URL and resolve its name. Raises AddressRefused, or Unreachable when the name is not known.

    `loopback` lets this machine itself be called, also by `http`; unset, the setting VIRAGE_SUBSCRIPTION_LOOPBACK decides.
    """
    if len(url) > _LONGEST or any(char <= " " or char == "\x7f" for char in url) or not url.isascii():
        raise AddressRefused("L'adresse est trop longue, ou contient des caractères interdits.")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
    except ValueError:
        raise AddressRefused("L'adresse est mal formée.") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
        raise AddressRefused("Une adresse « https://… » est attendue, sans nom d'utilisateur ni fragment.")
    try:
        # By RFC 6761 `localhost` is the loopback, even for a resolver that does not know it.
        found = socket.getaddrinfo("127.0.0.1" if host == "localhost" else host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable("Le nom de cette adresse est inconnu du DNS.") from None
    addresses = [str(each[4][0]) for each in found]
    if not addresses or any(is_inside(each, loopback) for each in addresses):
        raise AddressRefused(
            "Cette adresse mène au réseau du serveur lui-même (boucle, adresse privée ou locale) : donnez une adresse publique."
        )
    if parts.scheme == "http" and not all(_loops(each) for each in addresses):
        raise AddressRefused("Rien ne passe ici qu'en « https:// ».")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port, addresses[0], path)


def is_inside(address: str, loopback: bool | None = None) -> bool:
    """Whether an IP address belongs to no public network; `loopback` as in `target`."""
    ip = _plain(address)
    if ip.is_loopback and (settings.flag("VIRAGE_SUBSCRIPTION_LOOPBACK") if loopback is None else loopback):
        return False
    return not ip.is_global or ip.is_multicast or ip.is_unspecified or ip.is_reserved


def _loops(address: str) -> bool:
    return _plain(address).is_loopback


def _plain(address: str) -> Any:
    """The address that is really meant: an IPv4 address may hide in an IPv6 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    take: Callable[[http.client.HTTPResponse], Result],
    seconds: float = 30.0,
    loopback: bool | None = None,
) -> Result:
    """Send a request and hand the answer to `take`, all within `seconds`. Raises AddressRefused, Unreachable."""
    where = target(url, loopback)
    connection = _Pinned(where)
    bell = threading.Timer(seconds, connection.cut)
    bell.daemon = True
    bell.start()
    try:
        connection.request(method, where.path, body=body or None, headers={**headers, "Connection": "close"})
        with connection.getresponse() as response:
            return take(response)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"L'autre côté n'a pas répondu comme il faut ({type(error).__name__}).") from None
    finally:
        bell.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was looked at, under the name that was given."""

    def __init__(self, where: Target) -> None:
        super().__init__(where.host, where.port, timeout=_WAIT)
        self._where = where

    def connect(self) -> None:
        self.sock = socket.create_connection((self._where.ip, self._where.port), timeout=_WAIT)
        if self._where.secure:
            self.default_port = 443
            # At hand before it shakes hands: a server that does it one byte at a time is cut off too.
            secured = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self._where.host, do_handshake_on_connect=False
            )
            self.sock = secured
            secured.do_handshake()

    def cut(self) -> None:
        """End it, from another thread, whatever it is waiting for."""
        held = self.sock
        if held is not None:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
