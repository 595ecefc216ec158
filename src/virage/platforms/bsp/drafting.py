"""From a file and a short form to what the shared record takes: the header is filled from who publishes and for whom.

What is typed and the file chosen are kept (session, file store) until they are sent, so that a refusal loses nothing.
"""

import base64
import uuid
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from virage.core import blobs
from virage.core.callers import Caller
from virage.core.errors import Invalid
from virage.platforms.bsp import rules
from virage.services import dmp
from virage.trust import interop
from virage.trust.ins import Identity

_PROFESSIONS = "1.2.250.1.213.1.1.4.5"
_SECTORS = "1.2.250.1.71.4.2.4"
_SETTINGS = "1.2.250.1.213.1.1.4.9"
_ENCOUNTERS = "2.16.840.1.113883.5.4"
_DRAFTS = "bsp_drafts"
_FIELDS = ("type", "titre", "jour", "mois", "annee", "cacher")
MOST_BYTES = 20 * 1024 * 1024

Session = MutableMapping[str, Any]


def draft_of(session: Session, patient: str) -> dict[str, Any]:
    """What was typed and chosen for this patient and not sent yet."""
    return dict(session.get(_DRAFTS, {}).get(patient, {}))


def _keep(session: Session, patient: str, more: Mapping[str, Any]) -> dict[str, Any]:
    draft = {**draft_of(session, patient), **more}
    session[_DRAFTS] = {**session.get(_DRAFTS, {}), patient: draft}
    return draft


def keep_file(session: Session, patient: str, file: Any) -> dict[str, Any]:
    """Keep the file chosen. Raises `Invalid` (`BSP.TOO_LARGE`, `BSP.MEDIA`)."""
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Invalid("Le fichier dépasse 20 Mo.", code="BSP.TOO_LARGE", status=413, issue="too-long")
    name = str(file.name or "document")
    media = rules.media_of(name, content)
    if not media:
        raise Invalid(
            "Ce fichier n’est ni un PDF, ni une image JPEG ou TIFF, ni un texte, ni un document CDA.", code="BSP.MEDIA"
        )
    kept = {"digest": blobs.put(content).digest, "name": name[:120], "media": media, "size": len(content)}
    return _keep(session, patient, kept)


def keep_fields(session: Session, patient: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what was typed, right or wrong."""
    return _keep(session, patient, {name: str(typed.get(name, ""))[:200] for name in _FIELDS})


def keep_date(session: Session, patient: str, day: str) -> None:
    """The form holds: the day of the act (`YYYY-MM-DD`, or empty for now) is settled."""
    _keep(session, patient, {"day": day})


def is_complete(draft: Mapping[str, Any]) -> bool:
    """Whether it can be sent."""
    has_all = {"digest", "day", "type", "titre"} <= draft.keys()
    return has_all and draft["type"] in interop.document_types() and bool(draft["titre"].strip())


def forget(session: Session, patient: str) -> None:
    """It is sent: nothing is kept any more."""
    session[_DRAFTS] = {key: value for key, value in session.get(_DRAFTS, {}).items() if key != patient}


def send(draft: Mapping[str, Any], *, by: Caller, identity: Identity) -> str:
    """Publish a complete draft; answers the document's logical id. Raises what the shared record refuses with."""
    document = envelope(
        blobs.read(draft["digest"]),
        draft["media"],
        by=by,
        identity=identity,
        type_code=draft["type"],
        title=draft["titre"],
        acted_on=draft["day"],
    )
    resource = submission_of(
        document, by=by, patient=identity.patient, title=draft["titre"], hidden=bool(draft["cacher"])
    )
    return str(dmp.publish(by=by, submission=dmp.simplified(resource)).documents[0].id)


def traits_of(identity: Identity) -> interop.Traits:
    """The identity as a document's header holds it. Raises Forbidden (INS.NOT_QUALIFIED)."""
    traits, matricule = identity.traits, identity.matricule
    return interop.Traits(
        matricule=matricule.value,
        oid=matricule.oid,
        birth_name=traits.family,
        given_names=traits.given_list or traits.given,
        first_given=traits.given,
        birth_date=traits.birth_date.isoformat() if traits.birth_date else "",
        sex=traits.sex,
        birth_place=traits.birth_place,
    )


def envelope(
    content: bytes, media: str, *, by: Caller, identity: Identity, type_code: str, title: str, acted_on: str
) -> bytes:
    """A CDA of level N1 around a file; a file that is a CDA already is left as it is.

    `acted_on` is `YYYY-MM-DD` or empty for now.
    """
    if media == "text/xml":
        return content
    kind = interop.document_types()[type_code]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facility = f"1{by.finess}" if by.finess else f"4{by.rpps}"
    organisation = interop.Organisation(
        name=by.structure or "Cabinet",
        ident=interop.Id(interop.IDNAT_STRUCT, facility),
        setting=interop.Code("AMBULATOIRE", _SETTINGS, "Ambulatoire"),
    )
    specialty = f"G15_{by.profession or '10'}" + (f"/{by.specialty}" if by.specialty else "")
    person = interop.Participant(
        ident=interop.Id(interop.IDNAT_PS, by.subject),
        name=by.name,
        specialty=interop.Code(specialty, _PROFESSIONS, by.role),
        time=now,
        organisation=organisation,
    )
    ident = interop.Id(f"2.25.{uuid.uuid4().int}")
    facts = interop.CdaMetadata(
        id=ident,
        set_id=ident,
        version=1,
        code=interop.Code(kind.code, kind.system, kind.title),
        title=title,
        effective_time=now,
        language="fr-FR",
        traits=traits_of(identity),
        authors=(person,),
        custodian=organisation,
        legal_authenticator=person,
        performer=person,
        service_start=acted_on or now,
        facility_type=interop.Code("SA07", _SECTORS, "Cabinet individuel"),
        encounter_type=interop.Code("AMB", _ENCOUNTERS, "Ambulatoire"),
    )
    return interop.compose(facts, payload=content, media_type=media)


def submission_of(document: bytes, *, by: Caller, patient: str, title: str, hidden: bool) -> dict[str, Any]:
    """The DocumentReference of a simplified publication (ITI-105) of this document, its bytes inside."""
    report = interop.check(document)
    resource = interop.document_reference(report.metadata, document, mime="text/xml")
    resource["subject"] = {"reference": f"Patient/{patient}"}
    contained = [one for one in resource.get("contained", []) if one.get("id") != "deposant"]
    family, given = by.name.rpartition(" ")[2], by.name.rpartition(" ")[0]
    contained.append(
        {
            "resourceType": "Practitioner",
            "id": "deposant",
            "identifier": [{"system": f"urn:oid:{interop.IDNAT_PS}", "value": by.subject}],
            "name": [{"family": family, "given": [given] if given else []}],
        }
    )
    resource["contained"] = contained
    others = [one for one in resource.get("author", []) if one.get("reference") != "#deposant"]
    resource["author"] = [{"reference": "#deposant"}, *others] if not _is_author(resource, by) else resource["author"]
    attachment = resource["content"][0]["attachment"]
    attachment["data"] = base64.b64encode(document).decode()
    attachment.pop("url", None)
    if title:
        attachment["title"] = title
    if hidden:
        resource.setdefault("securityLabel", []).append(
            {"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.13", "code": "INVISIBLE_PATIENT"}]}
        )
    return resource


def _is_author(resource: dict[str, Any], by: Caller) -> bool:
    named = {author.get("reference", "").removeprefix("#") for author in resource.get("author", [])}
    return any(
        one.get("id") in named and any(i.get("value") == by.subject for i in one.get("identifier", []))
        for one in resource.get("contained", [])
        if one.get("id") != "deposant"
    )
