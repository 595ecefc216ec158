"""What a Subscription asks for, read and refused with reasons. Nothing is called here but the resolver of names.

Sources: FHIR R4 « Subscription »; Subscriptions R5 Backport IG 1.1.0 (topic in `criteria`, filters and content in extensions).
"""

import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl

from virage.core import outside
from virage.core.access import Everything
from virage.core.errors import Invalid, VirageError
from virage.core.fhir.search.run import compiled_query
from virage.core.fhir.store import Space, places

TOPIC = "urn:virage:SubscriptionTopic:changement"
"""The topic of every base: a resource was written."""
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_LEAST_HEARTBEAT = 60
_LONGEST_TIMEOUT = 30
_MOST_EVENTS = 100
_CONTENTS = ("empty", "id-only", "full-resource")
_PAYLOADS = ("", "application/fhir+json", "application/json")
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}):[ \t]*([\x20-\x7e]{0,1000})")
# What the transport says itself, or what would let one request pose as another.
_FORBIDDEN = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type", "te", "upgrade", "trailer"}
)
_CONTROLS = frozenset({"_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_contained"})


@dataclass(frozen=True, slots=True)
class Declared:
    """A subscription in one value: the type it looks at, its criteria, where and how to tell.

    `topic` is empty in the R4 style, where `payload` says whether the resource goes along; else `content` says what does, and
    `most` how many events one notification may tell. `timeout` is what an attempt may last, `heartbeat` the longest silence: seconds.
    """

    type: str
    params: list[list[str]]
    endpoint: str
    headers: list[list[str]]
    payload: str
    topic: str
    content: str
    ends: str
    heartbeat: int = 0
    timeout: int = _LONGEST_TIMEOUT
    most: int = 1

    def as_json(self) -> dict[str, Any]:
        """The same, for the table."""
        return asdict(self)


def read(resource: dict[str, Any], space: Space) -> Declared:
    """Read a Subscription that is structurally sound. Raises Invalid (422) with the path of what cannot be served."""
    channel = resource["channel"]
    if channel["type"] != "rest-hook":
        raise _no("channel.type", "Le canal servi ici est « rest-hook ».", "not-supported")
    # Required, but an extension in the place of the text satisfies that.
    criteria = resource.get("criteria", "")
    topic = content = ""
    heartbeat = _extension(channel, "backport-heartbeat-period", "valueUnsignedInt") or 0
    most = _extension(channel, "backport-max-count", "valuePositiveInt") or 0
    timeout = _timeout(channel)
    if criteria == TOPIC:
        topic = TOPIC
        criteria = _extension(resource.get("_criteria"), "backport-filter-criteria", "valueString")
        content = _extension(channel.get("_payload"), "backport-payload-content", "valueCode") or "id-only"
        if content not in _CONTENTS:
            raise _no(
                "channel.payload", "Le contenu d'un avis est « empty », « id-only » ou « full-resource ».", "value"
            )
    if heartbeat and (not topic or heartbeat < _LEAST_HEARTBEAT):
        raise _no(
            "channel",
            f"Un signe de vie (backport-heartbeat-period) va avec le sujet « {TOPIC} », et vient après {_LEAST_HEARTBEAT} secondes au moins.",
            "value",
        )
    if most and not topic:
        raise _no(
            "channel", f"Plusieurs changements par avis (backport-max-count) vont avec le sujet « {TOPIC} ».", "value"
        )
    payload = channel.get("payload", "").partition(";")[0].strip()
    if payload not in _PAYLOADS:
        raise _no("channel.payload", "Les avis partent en « application/fhir+json », ou sans corps.", "not-supported")
    type, params = _criteria(criteria, space)
    endpoint = channel.get("endpoint", "")
    if not endpoint:
        raise _no("channel.endpoint", "Un abonnement « rest-hook » dit où prévenir.", "required")
    try:
        outside.target(endpoint)
    except outside.AddressRefused as error:
        raise _no("channel.endpoint", error.text, "value", error.code) from None
    except outside.Unreachable:
        pass  # it may be known tomorrow: the handshake will tell
    headers = _headers(channel.get("header", []))
    # A maximum: a server may tell fewer at once.
    most = min(most or 1, _MOST_EVENTS)
    ends = resource.get("end", "")
    return Declared(type, params, endpoint, headers, payload, topic, content, ends, heartbeat, timeout, most)


def _timeout(channel: dict[str, Any]) -> int:
    asked = _extension(channel, "backport-timeout", "valueUnsignedInt")
    if asked == "":
        return _LONGEST_TIMEOUT
    if not 1 <= asked <= _LONGEST_TIMEOUT:
        raise _no("channel", f"Un envoi (backport-timeout) dure de 1 à {_LONGEST_TIMEOUT} secondes.", "value")
    return int(asked)


def _criteria(text: str, space: Space) -> tuple[str, list[list[str]]]:
    type, _, query = text.partition("?")
    if type not in places.TYPE_CODES:
        raise _no(
            "criteria",
            f"Un critère s'écrit « Type?paramètre=valeur », ou « {TOPIC} » avec l'extension backport-filter-criteria.",
            "value",
        )
    params = parse_qsl(query, keep_blank_values=True, max_num_fields=50) if query.count("&") < 50 else []
    if query and not params:
        raise _no("criteria", "Le critère est illisible, ou a plus de 50 paramètres.", "value")
    if any(name.partition(":")[0] in _CONTROLS for name, _ in params):
        raise _no("criteria", "Un critère porte des paramètres de recherche seulement.", "value")
    if any("." in name or name.startswith("_has") for name, _ in params):
        raise _no(
            "criteria",
            "Un critère porte sur la ressource elle-même, sans chaîne ni « _has » : donnez une référence, comme « patient=Patient/12 ».",
            "not-supported",
        )
    try:
        compiled, _ = compiled_query(space, type, params, Everything())
    except VirageError as error:
        raise _no("criteria", error.text, "value") from None
    if compiled.unknown:
        raise _no("criteria", f"Le paramètre « {compiled.unknown[0][:64]} » n'existe pas pour {type}.", "not-supported")
    return type, [[name, value] for name, value in params]


def _headers(given: list[str]) -> list[list[str]]:
    found = []
    for place, line in enumerate(given):
        match = _HEADER.fullmatch(line)
        if match is None or match[1].lower() in _FORBIDDEN or place >= 20:
            raise _no(
                f"channel.header[{place}]",
                "Un en-tête s'écrit « Nom: valeur », et n'est pas de ceux du transport.",
                "value",
            )
        found.append([match[1], match[2]])
    return found


def _extension(holder: Any, name: str, value: str) -> Any:
    extensions = holder.get("extension", []) if isinstance(holder, dict) else []
    return next((each.get(value, "") for each in extensions if each.get("url") == _BACKPORT + name), "")


def _no(path: str, text: str, issue: str, code: str = "FHIR.SUBSCRIPTION") -> Invalid:
    return Invalid(text, code=code, issue=issue, path=f"Subscription.{path}")
