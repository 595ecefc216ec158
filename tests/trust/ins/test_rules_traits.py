"""Strict traits: normalisation, comparison, provisional dates, the datamatrix."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.errors import Invalid, Malformed
from virage.trust.ins import rules
from virage.trust.ins.rules import Status, Traits

DOMINIQUE = Traits("ADRTROIS", "DOMINIQUE", "F", date(1997, 2, 26), "2A020", "DOMINIQUE")
PUBLISHED = "IS010000000000000000000000S1297022A02077878S21.2.250.1.213.1.4.8\x1dS3DOMINIQUE\x1dS4ADRTROIS\x1dS5FS626-02-1997S72A020"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Lefèvre", "LEFEVRE"),
        ("Œil-de-Bœuf", "OEIL-DE-BOEUF"),
        ("d'Ærø".replace("ø", "o"), "D'AERO"),
        ("'T Hooft", "'T HOOFT"),
        ("Martin--Durand", "MARTIN--DURAND"),
        ("Ñuñez", "NUNEZ"),
    ],
)
def test_a_family_name_is_normalised(text: str, normal: str) -> None:
    assert rules.normalise_family_name(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Martin2",
        "Mar_tin",
        "A/B",
        "Groß",
        "Øre",
        "Jean!",
        " Martin",
        "-Martin",
        "O''N",
        "D' A",
        "A  B",
        "A---B",
        "A" * 101,
    ],
)
def test_a_bad_family_name_is_refused_not_mended(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.normalise_family_name(text)
    assert refused.value.code == "INS.NAME_CHARACTER"


@pytest.mark.parametrize("text", ["Anne-", "Anne'", "Anne--Marie", "-Anne", " Anne", "Zoé3"])
def test_a_bad_given_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rules.normalise_given_name(text)


def test_profiles_differ_where_the_guide_says() -> None:
    assert rules.normalise_family_name("Anne-") == "ANNE-"
    assert rules.normalise_datamatrix("-Anne--") == "-ANNE--"
    with pytest.raises(Invalid):
        rules.normalise_datamatrix("")


@given(st.text(alphabet="abcdéèêàçœæABCDÉ -'", min_size=1, max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = rules.normalise(text)
    assert rules.normalise(once) == once
    assert rules.compare_key(text) == rules.compare_key(once)


@pytest.mark.parametrize(
    ("given_name", "names", "opens"),
    [
        ("MARIE", "MARIE CLAIRE", True),
        ("Marie-Claire", "MARIE CLAIRE ANNE", True),
        ("MARIE CLAIRE", "Marie-Claire", True),
        ("MARI", "MARIE CLAIRE", False),
        ("CLAIRE", "MARIE CLAIRE", False),
        ("", "MARIE", False),
        ("Zoé", "ZOE", True),
        ("MARIE CLAIRE", "MARIE", False),
    ],
)
def test_the_first_given_name_opens_the_list_word_for_word(given_name: str, names: str, opens: bool) -> None:
    assert rules.opens_list(given_name, names) is opens


@pytest.mark.parametrize(
    ("year", "month", "day", "expected"),
    [
        (1950, 6, None, date(1950, 6, 1)),
        (1950, None, 14, date(1950, 1, 14)),
        (1950, None, None, date(1950, 12, 31)),
        (1950, 13, 0, date(1950, 12, 31)),
        (1950, 6, 0, date(1950, 6, 1)),
        (1950, 6, 14, date(1950, 6, 14)),
    ],
)
def test_an_incomplete_date_is_completed_by_the_rule(
    year: int, month: int | None, day: int | None, expected: date
) -> None:
    assert rules.interpret_birth_date(year=year, month=month, day=day) == expected


def test_a_date_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        rules.interpret_birth_date(year=2023, month=2, day=30)
    assert refused.value.code == "INS.DATE_IMPOSSIBLE"


def test_every_missing_trait_is_reported_with_its_path() -> None:
    issues = rules.check_traits(Traits("", "", "X", None, "63"))
    assert [i.path for i in issues] == [
        "Patient.name.family",
        "Patient.name.given",
        "Patient.gender",
        "Patient.birthDate",
        "Patient.extension(birthPlace)",
    ]
    assert rules.check_traits(DOMINIQUE, for_insi=True) == []
    assert rules.check_traits(Traits("A", "B", "I", date(2000, 1, 1))) == []
    assert [i.path for i in rules.check_traits(Traits("A", "B", "I", date(2000, 1, 1)), for_insi=True)] == [
        "Patient.gender"
    ]
    assert [i.code for i in rules.check_traits(Traits("A", "B", "F", date(2000, 1, 1), "", "C B"))] == ["business-rule"]
    assert [i.path for i in rules.check_traits(Traits("A3", "B", "F", date(2000, 1, 1)), for_insi=True)] == [
        "Patient.name.family"
    ]


def test_differences_name_the_trait_and_never_its_value() -> None:
    other = Traits("Adrtrois", "Dominique", "M", date(1997, 2, 27), "2A021", "DOMINIQUE ANNE")
    found = rules.compare_traits(other, DOMINIQUE)
    assert [d.trait for d in found] == ["given_list", "sex", "birth_date", "birth_place"]
    assert rules.compare_traits(Traits("adrtrois", "dominique", "F", date(1997, 2, 26)), DOMINIQUE) == []


def test_the_published_datamatrix_is_read_and_written() -> None:
    matricule, traits = rules.parse_datamatrix(PUBLISHED, sandbox=False)
    assert matricule.value == "297022A02077878"
    assert traits == DOMINIQUE
    assert rules.build_datamatrix(matricule, traits, Status.QUAL) == PUBLISHED


def test_a_datamatrix_is_only_for_a_qualified_identity() -> None:
    matricule, traits = rules.parse_datamatrix(PUBLISHED, sandbox=False)
    with pytest.raises(Invalid) as refused:
        rules.build_datamatrix(matricule, traits, Status.RECUP)
    assert refused.value.code == "INS.NOT_QUALIFIED"


@given(
    st.text(alphabet="ABCDEFG -'", min_size=1, max_size=100),
    st.text(alphabet="ABCDEFG", min_size=1, max_size=40),
    st.sampled_from(["", "63220"]),
    st.booleans(),
)
def test_any_datamatrix_comes_back_as_it_went(family: str, names: str, place: str, test_oid: bool) -> None:
    oid = rules.OID_NIR_TEST if test_oid else rules.OID_NIR
    matricule = rules.parse_matricule("236066322083656", oid, sandbox=test_oid)
    traits = Traits(family, names, "F", date(1936, 6, 21), place, names)
    text = rules.build_datamatrix(matricule, traits, Status.QUAL)
    assert rules.parse_datamatrix(text, sandbox=test_oid) == (matricule, traits)


@given(st.integers(0, len(PUBLISHED) - 1), st.characters())
def test_a_damaged_datamatrix_never_crashes(at: int, char: str) -> None:
    for text in (PUBLISHED[:at], PUBLISHED[:at] + char + PUBLISHED[at + 1 :]):
        try:
            rules.parse_datamatrix(text, sandbox=False)
        except (Malformed, Invalid):
            continue
