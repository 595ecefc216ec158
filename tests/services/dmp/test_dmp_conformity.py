"""Documents and bundles of others, taken by the real base once they are about the sandbox's people; a floor that only rises."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.services.dmp.world import DOCTOR, World
from tests.trust.interop.test_interop_real_documents import real_documents
from virage.trust import interop

RATCHET = Path(__file__).resolve().parents[2] / "conformity" / "ratchet.json"


def floor(name: str) -> int:
    return json.loads(RATCHET.read_text())[name]


def test_the_53_documents_are_published_read_back_and_rendered(world: World, shared_data: Path) -> None:
    refused, taken = {}, 0
    for name, original in real_documents(shared_data).items():
        content = interop.readdress(original, world.traits())
        mime = "application/xslt+xml" if interop.check(content).metadata.self_rendering else "text/xml"
        answer = world.ask(DOCTOR, "POST", "", world.lot(content, mime=mime))
        if answer.status != 200:
            refused[name] = [issue["details"]["text"] for issue in answer.json["issue"]]
            continue
        url = answer.json["entry"][2]["response"]["location"]
        back = world.ask(DOCTOR, "GET", url)
        assert (back.status, back.headers["Content-Type"]) == (200, mime), name
        assert back.body == content, name
        assert interop.render(back.body).startswith("<article"), name
        taken += 1
    assert taken >= floor("dmp.cda"), refused
    assert len(world.found(DOCTOR, "&_count=100").ids) == taken


def bundles(shared_data: Path) -> dict[str, dict[str, Any]]:
    with (shared_data / "ig-resources" / "ihe-iti-mhd-part.tar.zst").open("rb") as file:
        archive = io.BytesIO(zstandard.ZstdDecompressor().stream_reader(file).read())
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            name = Path(member.name).name
            if member.isfile() and name.startswith("Bundle-ex-") and name.endswith(".json"):
                bundle = json.loads(tar.extractfile(member).read())  # type: ignore[union-attr]
                if bundle["type"] == "transaction":
                    found[name] = bundle
    own = shared_data / "ans-pdsm4dmp-examples" / "Bundle-example-td2-1-remplacement.json"
    found[own.name] = json.loads(own.read_text())
    return found


def settled(value: Any, world: World, documents: dict[str, str]) -> Any:
    """The same bundle about our patient, by our doctor, with what it replaces being here."""
    if isinstance(value, dict):
        if value.get("resourceType") in ("Patient", "Practitioner", "PractitionerRole") and "id" in value:
            system, _, number = (
                world.ins if value["resourceType"] == "Patient" else f"urn:oid:1.2.250.1.71.4.2.1|{DOCTOR.subject}"
            ).partition("|")
            return {
                "resourceType": value["resourceType"],
                "id": value["id"],
                "identifier": [{"system": system, "value": number}],
            }
        return {key: settled(inner, world, documents) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner, world, documents) for inner in value]
    if isinstance(value, str):
        if value.startswith("Patient?") or (value.startswith(("Patient/", "http://example.org/fhir/Patient/"))):
            return f"Patient?identifier={world.ins}"
        for old, new in documents.items():
            value = value.replace(old, new)
    return value


# What the base refuses, and why it does.
REFUSED = {
    "Bundle-ex-comprehensiveProvideDocumentBundleReplace.json": "La taille annoncée n'est pas celle du document.",
    "Bundle-ex-dummyBundleDocAndBinary.json": "Un lot contient exactement un List de code « submissionset ».",
    "Bundle-ex-ProvideDocumentBundle-addToFolder.json": "Un lot ne fait que créer (POST) et remplacer le statut d'un document (PATCH).",
}


def test_mhd_bundles_are_taken_or_refused_for_the_reason_told(world: World, shared_data: Path) -> None:
    taken, refused = [], {}
    for name, bundle in sorted(bundles(shared_data).items()):
        old = world.published(b"%PDF-1.4", mime="application/pdf")
        about = settled(bundle, world, {"doc-x-id": old, "ex-documentreference": old})
        answer = world.ask(DOCTOR, "POST", "", about)
        if answer.status == 200:
            taken.append(name)
        else:
            refused[name] = answer.json["issue"][0]["details"]["text"]
    assert {name: text for name, text in refused.items() if name not in REFUSED or REFUSED[name] != text} == {}
    assert len(taken) >= floor("dmp.mhd"), refused


@pytest.mark.parametrize(
    "name", ["DocumentReference-example-td3-1a-cr-consultation", "DocumentReference-example-td3-1a-ordonnance"]
)
def test_national_examples_of_metadata_are_kept_as_they_are(world: World, shared_data: Path, name: str) -> None:
    with (shared_data / "ig-resources" / "ans-pdsm4dmp-part.tar.zst").open("rb") as file:
        archive = io.BytesIO(zstandard.ZstdDecompressor().stream_reader(file).read())
    with tarfile.open(fileobj=archive) as tar:
        member = next(one for one in tar if one.name.endswith(f"{name}.json"))
        resource = settled(json.loads(tar.extractfile(member).read()), world, {})  # type: ignore[union-attr]
    content = world.cda()
    attachment = resource["content"][0]["attachment"]
    attachment.pop("url", None)
    attachment.update(world.reference(content)["content"][0]["attachment"])
    resource["status"] = "current"
    resource.pop("relatesTo", None)
    answer = world.ask(DOCTOR, "POST", "DocumentReference", resource)
    assert answer.status == 201, answer.body
    for key in ("type", "category", "date", "masterIdentifier"):
        assert answer.json[key] == resource[key]
    assert answer.json["context"]["period"] == resource["context"]["period"]
