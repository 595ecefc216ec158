"""The 53 CDA documents that the agency published: read, judged, shown, described, readdressed."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard

from tests.trust.interop.samples import IDENTITY
from tests.trust.interop.test_interop_render import parsed
from virage.trust.interop import check, document_reference, readdress, render

RATCHET = Path(__file__).resolve().parents[2] / "conformity" / "ratchet.json"


def real_documents(shared_data: Path) -> dict[str, bytes]:
    with (shared_data / "cda" / "cda-examples-part.tar.zst").open("rb") as file:
        archive = io.BytesIO(zstandard.ZstdDecompressor().stream_reader(file).read())
    with tarfile.open(fileobj=archive) as tar:
        members = [member for member in tar if member.isfile() and member.name.endswith(".xml")]
        return {Path(one.name).name: tar.extractfile(one).read() for one in members}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def documents(shared_data: Path) -> dict[str, bytes]:
    return real_documents(shared_data)


def test_all_are_taken(documents: dict[str, bytes]) -> None:
    refused = {name: [i.path for i in r.errors] for name, content in documents.items() if (r := check(content)).errors}
    assert len(documents) - len(refused) >= json.loads(RATCHET.read_text())["interop.cda"]
    assert refused == {}
    levels = [check(content).metadata.level for content in documents.values()]
    assert levels.count("N1") == 4
    assert sum(check(content).metadata.self_rendering for content in documents.values()) == 1


def test_each_is_shown_with_its_sections_and_cells(documents: dict[str, bytes]) -> None:
    for name, content in documents.items():
        text = render(content)
        seen = parsed(text)
        facts = check(content).metadata
        assert not seen.tags & {"script", "iframe"}, name
        if facts.level == "N3":
            assert "<h3>" in text, name
            assert "section" in seen.tags, name
        else:
            assert any(link.startswith("data:application/pdf") for link in seen.links), name


def test_each_gives_its_metadata(documents: dict[str, bytes]) -> None:
    for name, content in documents.items():
        resource = document_reference(check(content).metadata, content)
        assert resource["category"], name
        assert resource["context"]["period"]["start"], name
        assert resource["context"]["facilityType"], name


def test_each_can_be_readdressed(documents: dict[str, bytes]) -> None:
    for name, content in documents.items():
        report = check(readdress(content, IDENTITY), IDENTITY)
        assert report.errors == (), name
        before = check(content).metadata
        assert (report.metadata.id, report.metadata.sections) == (before.id, before.sections), name
