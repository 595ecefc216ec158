"""Documents that the sandbox writes are real ones: the room that judges documents finds nothing to say."""

from dataclasses import replace
from typing import get_args

import pytest

from virage.sandbox import demo, documents, pdf
from virage.trust import interop


@pytest.mark.parametrize("kind", get_args(documents.Kind))
def test_each_kind_is_a_sound_document_about_its_patient(kind: documents.Kind) -> None:
    patient, author = demo.patiente(), demo.professionals()[0].entry
    written = documents.write(kind, patient, author)
    report = interop.check(written.content, documents.traits_of(patient))
    assert [issue.text for issue in report.issues] == []
    assert report.metadata.level == ("N1" if kind == "ordonnance" else "N3")
    assert report.metadata.authors[0].ident == interop.Id(interop.IDNAT_PS, author.idnat)
    assert report.metadata.title == written.title
    assert interop.render(written.content)


def test_the_same_call_gives_the_same_bytes_and_another_number_another_document() -> None:
    patient, author = demo.patiente(), demo.professionals()[0].entry
    first = documents.write("biologie", patient, author)
    assert documents.write("biologie", patient, author) == first
    other = documents.write("biologie", patient, author, number=1)
    assert interop.check(other.content).metadata.id != interop.check(first.content).metadata.id


def test_a_document_about_another_patient_is_seen_as_such() -> None:
    patient, author = demo.patiente(), demo.professionals()[0].entry
    written = documents.write("lettre", patient, author)
    other = replace(documents.traits_of(patient), birth_name="AUTRE")
    assert any(issue.severity == "error" for issue in interop.check(written.content, other).issues)


def test_the_page_is_a_well_formed_pdf() -> None:
    content = pdf.page("Titre (é)", ["une ligne", r"une \ autre"])
    assert content.startswith(b"%PDF-1.4")
    start = int(content.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert content[start : start + 4] == b"xref"
    for number, line in enumerate(content[start:].splitlines()[3:8], start=1):
        assert content[int(line[:10]) :].startswith(b"%d 0 obj" % number)
