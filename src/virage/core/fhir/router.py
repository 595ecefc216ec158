"""The whole REST surface of FHIR R4 in one table: method and shape of the path → interaction → handler.

`handle` never raises: every refusal, foreseen or not, leaves as an OperationOutcome from the one catch at its end.
"""

import logging
import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from virage.core.errors import Malformed, Unknown, VirageError, of_machine
from virage.core.fhir import outcome, prefer, representation
from virage.core.fhir.capability import capabilities
from virage.core.fhir.interactions import batches, histories, operations, reads, searches, writes
from virage.core.fhir.request import FhirRequest, FhirResponse, decode_segment
from virage.core.fhir.service import FhirService, Handler

log = logging.getLogger("virage.fhir")

# Shapes: T a resource type, I an id, V a version, C a second type (or *) inside a compartment, $ an operation.
TABLE: Mapping[str, Mapping[str, tuple[str, Handler]]] = {
    "": {"GET": ("search-system", searches.search), "POST": ("batch", batches.bundle)},
    "metadata": {"GET": ("capabilities", capabilities)},
    "_search": {"POST": ("search-system", searches.search)},
    "_history": {"GET": ("history-system", histories.history)},
    "T": {
        "GET": ("search-type", searches.search),
        "POST": ("create", writes.create),
        "PUT": ("update", writes.update_where),
        "PATCH": ("patch", writes.patch_where),
        "DELETE": ("delete", writes.delete_where),
    },
    "T/_search": {"POST": ("search-type", searches.search)},
    "T/_history": {"GET": ("history-type", histories.history)},
    "T/I": {
        "GET": ("read", reads.read),
        "PUT": ("update", writes.update),
        "PATCH": ("patch", writes.patch),
        "DELETE": ("delete", writes.delete),
    },
    "T/I/_history": {"GET": ("history-instance", histories.history)},
    "T/I/_history/V": {"GET": ("vread", reads.vread)},
    "T/I/C": {"GET": ("search-type", searches.search)},
    "T/I/C/_search": {"POST": ("search-type", searches.search)},
    "$": dict.fromkeys(("GET", "POST", "DELETE"), ("operation", operations.operate)),
    "T/$": {"GET": ("operation", operations.operate), "POST": ("operation", operations.operate)},
    "T/I/$": {"GET": ("operation", operations.operate), "POST": ("operation", operations.operate)},
}

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")


class NotServed(Unknown):
    """No such address on this base, or a type that it does not serve."""

    code = "FHIR.NOT_SERVED"
    issue = "not-supported"


class MethodNotAllowed(VirageError):
    """The address exists, the method does not apply to it; `allow` lists those that do."""

    code = "FHIR.METHOD"
    status = 405
    issue = "not-supported"

    def __init__(self, text: str, allow: list[str]) -> None:
        super().__init__(text)
        self.allow = allow


class Place(NamedTuple):
    """Where a path leads: its shape in TABLE and the names found in it."""

    shape: str
    type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    compartment: tuple[str, str] | None = None


def handle(service: FhirService, request: FhirRequest) -> FhirResponse:
    """Answer one request. Never raises: what goes wrong is an OperationOutcome with the right status."""
    try:
        if request.method == "GET" and not request.query and (plain := reads.plain(request, service)) is not None:
            return plain
        handler = answering(service, request)
        if request.method not in _READING and (request.interaction != "operation" or request.id):
            # Before anything changes: a refusal says that nothing was done.
            prefer.wanted_format(request)
        return representation.finish(request, handler(request, service))
    except VirageError as error:
        return refusal(request, error)
    except Exception as error:
        return accident(request, error)


def dispatch(service: FhirService, request: FhirRequest) -> FhirResponse:
    """Find the handler and call it; raises VirageError for refusals. Entries of a bundle come through here too."""
    return answering(service, request)(request, service)


def answering(service: FhirService, request: FhirRequest) -> Handler:
    """The handler of a request on this base: the room's own, where it overrides the standard one. Raises as `find`."""
    handler = find(service, request)
    override = service.overrides.get((request.interaction, request.type)) if service.overrides else None
    if override is None and service.overrides:
        override = service.overrides.get((request.interaction, "*"))
    return override or handler


def default(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The standard behaviour, for an override that only wanted to look first. Raises VirageError."""
    return find(service, request)(request, service)


def find(service: FhirService, request: FhirRequest) -> Handler:
    """The standard handler of a request, whose names are filled in. Raises NotServed, MethodNotAllowed, Malformed."""
    place = locate(request.path)
    request.type, request.id, request.version_id = place.type, place.id, place.version
    request.operation, request.compartment = place.operation, place.compartment
    methods = TABLE[place.shape]
    method = "GET" if request.method == "HEAD" else request.method
    served = service.served
    if place.type and place.type != "*" and place.type not in served:
        raise NotServed(f"Le type « {place.type} » n'est pas servi sur {service.base}.")
    if method == "OPTIONS":
        request.interaction = "options"
        return options
    if method not in methods:
        raise MethodNotAllowed(f"La méthode {method[:16]} ne s'applique pas à cette adresse.", allowed(service, place))
    interaction, handler = methods[method]
    request.interaction = interaction
    if interaction != "operation" and not _serves(service, interaction, place.type):
        raise MethodNotAllowed(
            f"L'interaction « {interaction} » n'est pas offerte pour cette adresse sur {service.base}.",
            allowed(service, place),
        )
    return handler


def locate(path: str) -> Place:
    """Read a path (without leading slash). Raises NotServed for a shape that FHIR does not know, Malformed for a bad id."""
    parts = path.split("/")
    if parts[-1] == "" and len(parts) > 1:
        parts.pop()
    if "%" in path:
        parts = [decode_segment(part) for part in parts]
    first = parts[0]
    count = len(parts)
    if not _TYPE.match(first):
        if count == 1 and first in ("", "metadata", "_search", "_history"):
            return Place(first)
        if count == 1 and first[:1] == "$" and len(first) > 1:
            return Place("$", operation=first[1:])
        raise _nowhere()
    if count == 1:
        return Place("T", first)
    second = parts[1]
    if count == 2 and second in ("_search", "_history"):
        return Place(f"T/{second}", first)
    if count == 2 and second[:1] == "$" and len(second) > 1:
        return Place("T/$", first, operation=second[1:])
    if not _ID.match(second):
        raise Malformed(
            "Un identifiant logique a 1 à 64 caractères parmi lettres non accentuées, chiffres, « - » et « . ».",
            code="FHIR.ID",
            issue="value",
        )
    if count == 2:
        return Place("T/I", first, second)
    third = parts[2]
    if third == "_history" and count == 3:
        return Place("T/I/_history", first, second)
    if third == "_history" and count == 4 and _ID.match(parts[3]):
        return Place("T/I/_history/V", first, second, parts[3])
    if third[:1] == "$" and len(third) > 1 and count == 3:
        return Place("T/I/$", first, second, operation=third[1:])
    if third == "*" or _TYPE.match(third):
        inside = (first, second)
        type = "" if third == "*" else third
        if count == 3:
            return Place("T/I/C", type, compartment=inside)
        if count == 4 and parts[3] == "_search":
            return Place("T/I/C/_search", type, compartment=inside)
    raise _nowhere()


def options(request: FhirRequest, service: FhirService) -> FhirResponse:
    """What may be done at an address."""
    return FhirResponse(204, headers={"Allow": ", ".join(allowed(service, locate(request.path)))})


def allowed(service: FhirService, place: Place) -> list[str]:
    """The methods that this base serves at a place, for the Allow header."""
    methods = [
        method
        for method, (interaction, _) in TABLE[place.shape].items()
        if interaction == "operation" or _serves(service, interaction, place.type)
    ]
    if "GET" in methods:
        methods.insert(0, "HEAD")
    return [*methods, "OPTIONS"]


def _serves(service: FhirService, interaction: str, type: str) -> bool:
    if interaction == "capabilities":
        return True
    if interaction == "batch":
        return "batch" in service.system or "transaction" in service.system
    if type:
        return interaction in service.served[type]
    return interaction in service.system or interaction == "search-type"


def _nowhere() -> NotServed:
    return NotServed("Cette adresse ne mène à rien : [base]/Type, [base]/Type/id, … sont attendus.")


def refusal(request: FhirRequest, error: VirageError) -> FhirResponse:
    """The answer that says why not."""
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allow)
    if error.status == 503:
        headers["Retry-After"] = "5"
    if error.status == 401:
        from virage.core.accounts.bearer import challenge

        headers["WWW-Authenticate"] = challenge(error)
    return _last(request, FhirResponse.of(outcome.of_error(error), error.status, headers))


def accident(request: FhirRequest, error: Exception) -> FhirResponse:
    """The answer to what nobody foresaw: an id to find it in the log, where no value of the request is written."""
    if (told := of_machine(error)) is not None:
        log.error("machine: %s in %s %s", told.code, request.interaction, request.type)
        return refusal(request, told)
    mark = secrets.token_hex(6)
    frames = _frames(error)
    log.error(
        "accident %s: %s in %s %s: %s",
        mark,
        type(error).__name__,
        request.interaction,
        request.type,
        " < ".join(frames),
    )
    told = VirageError(
        f"Une erreur imprévue est survenue ; donnez la référence {mark} à l'exploitant.",
        code="FHIR.ACCIDENT",
        status=500,
        issue="exception",
    )
    return _last(request, FhirResponse.of(outcome.of_error(told), 500))


def _frames(error: BaseException) -> list[str]:
    """Files and lines only: the text of a database error would quote what was being written."""
    trail: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        trail.append(f"{code.co_filename.rpartition('/virage/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return trail[::-1][:12]


def _last(request: FhirRequest, response: FhirResponse) -> FhirResponse:
    """Represent an outcome; when even the wished format is at fault, in JSON."""
    try:
        return representation.finish(request, response)
    except Exception:
        return representation.plain(response)
