"""$export as clients see it: the order, its state, its files. Source: FHIR Bulk Data Access IG 2.0.0, « Export »."""

from typing import Any
from urllib.parse import parse_qsl

from virage.core import access, audit, db
from virage.core.access import Everything, Nothing
from virage.core.errors import Forbidden, Invalid, Malformed, Unknown, VirageError
from virage.core.fhir import json, prefer
from virage.core.fhir.bulk import exporting, jobs, selection
from virage.core.fhir.index.dates import date_range
from virage.core.fhir.interactions import reads, rights
from virage.core.fhir.interactions.operations import inputs, text_of
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

_FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
_KNOWN = (
    frozenset({"_outputFormat", "_since", "_type", "_typeFilter", "_elements", "patient"}) | prefer.RESULT_PARAMETERS
)
_MOST_FILTERS = 50
_NOT_FOR_FILTERS = ("_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements")
NDJSON = "application/fhir+ndjson"


def export(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$export of the base, of all patients, or of a Group: 202 with the address where its state is told.

    Raises Malformed (400), Forbidden (403) for a type named that the caller may not search, TooMany (429).
    """
    if prefer.prefer(request).wait:
        raise Malformed(
            "Un export se fait en arrière-plan : ajoutez l'en-tête « Prefer: respond-async ».",
            code="FHIR.ASYNC",
            issue="required",
            path="Prefer",
        )
    from virage.core.fhir.bulk.tasks import export as task
    from virage.core.fhir.store.writing import now

    asked = _asked(request, service)
    with db.transaction():
        job = jobs.begin("export", request, service, asked, now())
        audit.trace(by=request.caller, action="fhir.export.order", detail={"job": job, "level": asked["level"]})
        task.defer(job=job)
    return accepted(request, "export", job)


def accepted(request: FhirRequest, kind: str, job: str) -> FhirResponse:
    """202, with the address where the state of a job is told."""
    return FhirResponse(202, headers={"Content-Location": f"{request.base}/${kind}-status?job={job}"}, native=True)


def _asked(request: FhirRequest, service: FhirService) -> dict[str, Any]:
    given = inputs(request)
    for part in given:
        if part["name"] not in _KNOWN and not prefer.prefer(request).lenient:
            raise _wrong(
                part["name"][:64],
                f"« {part['name'][:64]} » n'est pas servi par $export : retirez-le, ou ajoutez « Prefer: handling=lenient ».",
            )
    wanted = text_of(given, "_outputFormat").replace(" ", "+")
    if wanted and wanted not in _FORMATS:
        raise _wrong("_outputFormat", "Le seul format d'export est « application/fhir+ndjson ».")
    level = "group" if request.type == "Group" else "patient" if request.type == "Patient" else "system"
    names = [name.strip() for text in _all(given, "_type") for name in text.split(",") if name.strip()]
    patients: list[str] = []
    if level == "group":
        patients = _members(request, service)
    elif named := _patients(given):
        if level != "patient":
            raise _wrong("patient", "« patient » se donne à Patient/$export.")
        level, patients = "group", named
    types = _types(request, service, level, names)
    return {
        "level": level,
        "types": types,
        "patients": patients,
        "since": _since(text_of(given, "_since")),
        "filters": _filters(given, types, service),
        "elements": [each.strip() for text in _all(given, "_elements") for each in text.split(",") if each.strip()],
    }


def _all(given: list[dict[str, Any]], name: str) -> list[str]:
    return [text for part in given if part["name"] == name and (text := text_of([part], name))]


def _types(request: FhirRequest, service: FhirService, level: str, names: list[str]) -> list[str]:
    # A room that answers searches in its own way has reasons that an export would go around.
    served = [
        name
        for name in sorted(service.served)
        if "search-type" in service.served[name]
        and ("search-type", name) not in service.overrides
        and ("search-type", "*") not in service.overrides
    ]
    for name in names:
        if name not in served:
            raise _wrong("_type", f"« {name[:64]} » n'est pas un type que cette base exporte.")
    possible = selection.types_of(level, [name for name in served if not names or name in names])
    found = []
    for name in possible:
        rule = access.filter_for(service.space, request.caller, "search-type", name)
        if not isinstance(rule, Nothing):
            found.append(name)
        elif names:
            raise Forbidden(rule.reason)
    if not found:
        raise Forbidden("Votre jeton n'ouvre la recherche d'aucun type à exporter ici : il y faut « system/*.rs ».")
    return found


def _since(text: str) -> int:
    if not text:
        return 0
    try:
        # A plus sign that the client did not encode has become a space.
        return date_range(text.replace(" ", "+"))[0]
    except (ValueError, VirageError):
        raise _wrong("_since", "« _since » est un instant, comme 2024-01-31T08:00:00Z.") from None


def _filters(given: list[dict[str, Any]], types: list[str], service: FhirService) -> dict[str, list[list[list[str]]]]:
    """Criteria by type, each checked now so that a wrong one is refused at once."""
    found: dict[str, list[list[list[str]]]] = {}
    texts = _all(given, "_typeFilter")
    if len(texts) > _MOST_FILTERS:
        raise _wrong("_typeFilter", f"« _typeFilter » se donne {_MOST_FILTERS} fois au plus.")
    for text in texts:
        # Several in one parameter are separated by commas that a new type follows.
        for one in _split(text, types):
            name, _, query = one.partition("?")
            if name not in types:
                raise _wrong("_typeFilter", "« _typeFilter » s'écrit « Type?critères », d'un type qui est exporté.")
            params = parse_qsl(query, keep_blank_values=True)
            if not params or any(key.partition(":")[0] in _NOT_FOR_FILTERS for key, _ in params):
                raise _wrong("_typeFilter", "« _typeFilter » porte des critères de recherche seulement.")
            found.setdefault(name, []).append([[key, value] for key, value in params])
    for name, each in found.items():
        filters = tuple(tuple((key, value) for key, value in one) for one in each)
        selection.Selection(service.store.space, name, Everything(), "system", frozenset(), 0, 0, filters).query()
    return found


def _split(text: str, types: list[str]) -> list[str]:
    parts: list[str] = []
    for piece in text.split(","):
        if parts and piece.partition("?")[0] not in types:
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return parts


def _patients(given: list[dict[str, Any]]) -> list[str]:
    found = []
    for part in given:
        if part["name"] == "patient":
            value = part.get("valueReference")
            text = value.get("reference") if isinstance(value, dict) else part.get("valueString")
            if (
                not isinstance(text, str)
                or not text.removeprefix("Patient/").replace("-", "").replace(".", "").isalnum()
            ):
                raise _wrong("patient", "« patient » est une référence comme « Patient/12 ».")
            found.append(text.removeprefix("Patient/"))
    return found


def _members(request: FhirRequest, service: FhirService) -> list[str]:
    version = reads.found(service.store.read("Group", request.id), request)
    rights.admit(rights.rule(request, service, "read", "Group"), service, version)
    found = []
    for each in version.resource.get("member", []):
        reference = each.get("entity", {}).get("reference", "")
        if not each.get("inactive") and isinstance(reference, str) and reference.startswith("Patient/"):
            found.append(reference.removeprefix("Patient/"))
    if not found:
        raise Invalid("Ce groupe n'a aucun patient actif : rien à exporter.", code="FHIR.GROUP", issue="business-rule")
    return sorted(set(found))


def status(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The state of an export: 202 under way, 200 with the manifest, 500 when it failed; DELETE ends it, 202."""
    job = jobs.of_caller(request, service, "export")
    early = unfinished(request, job, f"{job.progress.get('done', 0)} ressources écrites")
    if early is not None:
        return early
    files = [(number, file) for number, file in enumerate(job.progress["files"]) if file["count"]]
    told = {
        "output": [listed(job, *each) for each in files if each[1]["type"] != "Bundle" or not job.asked["since"]],
        "deleted": [listed(job, *each) for each in files if each[1]["type"] == "Bundle" and job.asked["since"]],
        "error": [],
    }
    return manifest(job, told)


def unfinished(request: FhirRequest, job: jobs.Job, progress: str) -> FhirResponse | None:
    """What is answered of a job instead of its manifest: 202 when DELETE ends it, or while it is under way; None once it is done.

    Raises VirageError (500) when it failed.
    """
    if request.method == "DELETE":
        jobs.cancel(job)
        audit.trace(by=request.caller, action=f"fhir.{job.kind}.cancel", detail={"job": job.id})
        return FhirResponse(202, native=True)
    if job.state == "failed":
        raise VirageError(job.problem, code="FHIR.JOB_FAILED", status=500, issue="exception")
    if job.state == "done":
        return None
    headers = {"X-Progress": progress.encode("ascii", "replace").decode(), "Retry-After": "2"}
    return FhirResponse(202, headers=headers, native=True)


def manifest(job: jobs.Job, files: dict[str, Any]) -> FhirResponse:
    """200 with a manifest, which says until when the files are kept."""
    from virage.core.fhir.representation import http_date
    from virage.core.fhir.store.writing import instant

    told = {
        "transactionTime": instant(job.moment),
        "request": job.request,
        "requiresAccessToken": True,
        **files,
    }
    headers = {"Content-Type": "application/json", "Expires": http_date(job.expires)}
    return FhirResponse(200, json.dumps(told), headers, native=True)


def listed(job: jobs.Job, number: int, file: dict[str, Any]) -> dict[str, Any]:
    """A file of a job, as a manifest lists it."""
    url = f"{job.base}/${job.kind}-file?job={job.id}&file={number}"
    return {"type": file["type"], "url": url, "count": file["count"]}


def download(request: FhirRequest, service: FhirService) -> FhirResponse:
    """A file of a finished export, in pieces."""
    return sent(request, jobs.of_caller(request, service, "export"), "files")


def sent(request: FhirRequest, job: jobs.Job, which: str) -> FhirResponse:
    """A file of a job by its number. Raises Unknown (404)."""
    files = job.progress.get(which, [])
    number = request.param("file") or ""
    if job.state != "done" or not number.isdecimal() or len(number) > 6 or int(number) >= len(files):
        raise Unknown("Ce fichier n'existe pas : relisez l'état du travail.", code="FHIR.JOB_FILE")
    file = files[int(number)]
    audit.later(by=request.caller, action="fhir.export.read", entities=())
    headers = {"Content-Type": NDJSON, "Content-Length": str(file["size"])}
    return FhirResponse(200, headers=headers, native=True, stream=exporting.chunks_of(job, file))


def _wrong(name: str, text: str) -> Malformed:
    return Malformed(text, code="FHIR.PARAM_VALUE", issue="value", path=prefer.as_path(name))
