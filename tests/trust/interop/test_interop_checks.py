import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trust.interop.samples import DOCTOR, IDENTITY, facts
from virage.core.errors import Invalid
from virage.trust.interop import Id, Traits, check, compose, readdress
from virage.trust.interop.rules import fold
from virage.trust.interop.timestamps import fhir_datetime, has_zone


def test_a_composed_document_is_sound_and_says_what_was_put_in(n3: bytes) -> None:
    report = check(n3, IDENTITY)
    assert report.errors == ()
    seen = report.metadata
    assert (seen.id, seen.version, seen.title) == (Id("1.2.250.1.999.1.1"), 1, "Compte rendu de consultation")
    assert seen.effective_time == "2026-03-05T10:30:00+01:00"
    assert seen.traits.birth_name == IDENTITY.birth_name
    assert seen.authors[0].ident == DOCTOR.ident
    assert seen.facility_type is not None
    assert seen.facility_type.code == "SA07"
    assert seen.practice_setting is not None
    assert seen.practice_setting.code == "AMBULATOIRE"
    assert (seen.level, seen.service_start) == ("N3", "2026-03-05T10:00:00+01:00")


def test_n1_is_recognised_with_its_format(n1: bytes) -> None:
    report = check(n1)
    assert report.sound
    assert report.metadata.level == "N1"
    assert report.metadata.format_code == "urn:ihe:iti:xds-sd:pdf:2008"


@pytest.mark.parametrize(
    ("cut", "path"),
    [
        (b'<realmCode code="FR"/>', "/ClinicalDocument/realmCode/@code"),
        (b'<templateId root="1.2.250.1.213.1.1.1.1"/>', "/ClinicalDocument/templateId"),
        (b'<id root="1.2.250.1.999.1.1"/>', "/ClinicalDocument/id"),
        (b'<setId root="1.2.250.1.999.1"/>', "/ClinicalDocument/setId"),
        (b'<versionNumber value="1"/>', "/ClinicalDocument/versionNumber/@value"),
        (b"<title>Compte rendu de consultation</title>", "/ClinicalDocument/title"),
        (b'<languageCode code="fr-FR"/>', "/ClinicalDocument/languageCode/@code"),
        (b'<birthTime value="19790328"/>', "/ClinicalDocument/recordTarget/patientRole/patient/birthTime"),
        (b"<county>51215</county>", "/ClinicalDocument/recordTarget/patientRole/patient/birthplace/place/addr/county"),
        (b'<signatureCode code="S"/>', "/ClinicalDocument/legalAuthenticator/signatureCode/@code"),
    ],
)
def test_each_mandatory_part_is_missed_at_its_path(n3: bytes, cut: bytes, path: str) -> None:
    assert cut in n3
    report = check(n3.replace(cut, b""))
    assert [issue.path for issue in report.errors] == [path]
    with pytest.raises(Invalid) as caught:
        report.require()
    assert caught.value.code == "INTEROP.NOT_SOUND"


def test_a_creation_date_needs_its_zone(n3: bytes) -> None:
    report = check(
        n3.replace(b'<effectiveTime value="20260305103000+0100"/>', b'<effectiveTime value="20260305103000"/>')
    )
    assert [issue.path for issue in report.errors] == ["/ClinicalDocument/effectiveTime/@value"]


def test_n1_declares_no_other_model(n1: bytes) -> None:
    mark = b'<templateId root="1.3.6.1.4.1.19376.1.2.20"/>'
    report = check(n1.replace(mark, mark + b'<templateId root="1.2.250.1.213.1.1.1.45"/>'))
    assert [issue.path for issue in report.errors] == ["/ClinicalDocument/templateId"]


def test_another_patient_is_told_without_naming_anyone(n3: bytes) -> None:
    other = Traits(matricule="180037512345678", oid=IDENTITY.oid, birth_name="AUTRE")
    errors = check(n3, other).errors
    assert [issue.code for issue in errors] == ["conflict"]
    assert "180037512345678" not in errors[0].text
    assert IDENTITY.matricule not in errors[0].text


def test_a_differing_trait_is_told_by_its_name(n3: bytes) -> None:
    errors = check(n3, Traits(matricule=IDENTITY.matricule, oid=IDENTITY.oid, birth_date="1979-03-29")).errors
    assert [issue.path for issue in errors] == ["/ClinicalDocument/recordTarget/patientRole/patient/birthTime"]


def test_names_compare_without_accents_nor_hyphens() -> None:
    assert fold("D’Essai-Longuet") == fold("D ESSAI LONGUET") == "D ESSAI LONGUET"
    assert fold("Œuvrée") == "OEUVREE"


def test_readdressed_document_is_about_the_other_person(n3: bytes) -> None:
    other = Traits("180037512345678", "1.2.250.1.213.1.4.8", "AUTRE", "JEAN PAUL", "JEAN", "1980-03-01", "M", "75112")
    moved = readdress(n3, other, unique_id=Id("1.2.250.1.999.7"))
    report = check(moved, other)
    assert report.errors == ()
    assert report.metadata.id == Id("1.2.250.1.999.7")
    assert IDENTITY.matricule.encode() not in moved


def test_timestamps() -> None:
    assert fhir_datetime("20240104160527+0100") == "2024-01-04T16:05:27+01:00"
    assert fhir_datetime("20240104160527") == "2024-01-04"
    assert fhir_datetime("202401") == "2024-01"
    assert fhir_datetime("20241304") == ""
    assert has_zone("20240104")
    assert not has_zone("202401041605")


@given(st.text(max_size=20))
def test_no_text_is_a_timestamp_that_crashes(value: str) -> None:
    fhir_datetime(value)


@given(
    st.builds(
        Traits,
        matricule=st.from_regex(r"[12][0-9]{14}", fullmatch=True),
        oid=st.just("1.2.250.1.213.1.4.10"),
        birth_name=st.from_regex(r"[A-ZÀ-Ö' -]{0,10}[A-Z]", fullmatch=True),
        given_names=st.from_regex(r"[A-Z]{1,9}( [A-Z]{1,9}){0,2}", fullmatch=True),
        first_given=st.from_regex(r"[A-Z]{1,9}", fullmatch=True),
        birth_date=st.dates().map(str),
        sex=st.sampled_from(["M", "F"]),
        birth_place=st.from_regex(r"[0-9]{5}", fullmatch=True),
    )
)
def test_what_is_composed_for_a_person_is_about_that_person(identity: Traits) -> None:
    assert not check(compose(facts(traits=identity), payload=b"x", media_type="text/plain"), identity).errors
