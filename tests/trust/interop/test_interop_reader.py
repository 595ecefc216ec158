from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bounds import bounded
from tests.trust.interop.samples import facts
from virage.core.errors import Malformed, VirageError
from virage.trust.interop import Code, Section, check, compose, render

_BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ClinicalDocument xmlns="urn:hl7-org:v3"><title>&b;</title></ClinicalDocument>"""
_OUTSIDE = b"""<!DOCTYPE x SYSTEM "file:///etc/passwd"><ClinicalDocument xmlns="urn:hl7-org:v3"/>"""
_SAMPLE = compose(facts(), sections=[Section(Code("1", "2"), "Titre", ["Un paragraphe"])])


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "INTEROP.EMPTY"),
        (b"  \n", "INTEROP.EMPTY"),
        (b"<a><b></a>", "INTEROP.XML_MALFORMED"),
        (b"\xff\xfe\x00", "INTEROP.XML_MALFORMED"),
        (b'<?xml version="1.0" encoding="martian"?><a/>', "INTEROP.XML_MALFORMED"),
        (_BOMB, "INTEROP.XML_UNSAFE"),
        (_OUTSIDE, "INTEROP.XML_UNSAFE"),
        (b"<a>" * 200_000, "INTEROP.XML_UNSAFE"),
        (b"<a " + b" ".join(b'x%d=""' % n for n in range(100)) + b"/>", "INTEROP.XML_UNSAFE"),
        (b"<a/>", "INTEROP.NOT_CDA"),
        (b'<ClinicalDocument xmlns="urn:other"/>', "INTEROP.NOT_CDA"),
        (b'<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"/>', "INTEROP.NOT_CDA"),
    ],
)
def test_what_is_not_a_safe_cda_is_refused_quickly(document: bytes, code: str) -> None:
    with bounded(), pytest.raises(Malformed) as caught:
        check(document)
    assert caught.value.code == code


def test_too_large_is_413() -> None:
    with pytest.raises(Malformed) as caught:
        check(b" " * (33 * 1024 * 1024) + b"<a/>")
    assert caught.value.status == 413


def test_a_self_rendering_document_is_read_and_its_sheet_left_alone() -> None:
    inner = _SAMPLE.split(b"?>", 1)[1]
    sheet = (
        b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><d:Contenu xmlns:d="urn:d">'
        + inner
        + b'</d:Contenu><xsl:template match="/"><script>alert(1)</script></xsl:template></xsl:stylesheet>'
    )
    report = check(sheet)
    assert report.sound
    assert report.metadata.self_rendering
    assert "<script" not in render(sheet)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(document: bytes) -> None:
    with pytest.raises(Malformed):
        check(document)


@given(st.integers(0, len(_SAMPLE) - 1), st.integers(0, 300), st.binary(max_size=12))
def test_a_damaged_document_never_crashes_the_reader(at: int, removed: int, put: bytes) -> None:
    damaged = _SAMPLE[:at] + put + _SAMPLE[at + removed :]
    with suppress(VirageError):
        check(damaged)
        assert render(damaged).startswith("<article")
