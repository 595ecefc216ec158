"""Pure rules of Pro Santé Connect and of its doors."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.accounts import rules as accounts_rules
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.limits import Bucket
from virage.core.errors import Invalid
from virage.trust.psc import rules

digits10 = st.text("0123456789", min_size=10, max_size=10)


@pytest.mark.parametrize("rpps", ["99700366240", "99700218896", "99700427885"])
def test_published_test_numbers_hold(rpps):
    assert rules.national_subject(rpps) == f"8{rpps}"
    assert rules.national_subject(f"8{rpps}") == f"8{rpps}"


@given(digits10)
def test_exactly_one_last_digit_holds(base):
    holding = [digit for digit in "0123456789" if rules.luhn_holds(base + digit)]
    assert len(holding) == 1


@given(digits10, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_found(base, place, shift):
    right = next(base + digit for digit in "0123456789" if rules.luhn_holds(base + digit))
    changed = str((int(right[place]) + shift) % 10)
    assert not rules.luhn_holds(right[:place] + changed + right[place + 1 :])


@given(st.text(max_size=40))
def test_whatever_is_typed_is_an_identifier_or_nothing(typed):
    found = rules.national_subject(typed)
    assert found == "" or (len(found) == 12 and found.startswith("8"))


@given(st.integers(0, 2**32))
def test_three_numbers_of_which_one_is_right(seed):
    right, three = rules.choices(random.Random(seed))
    assert right in three
    assert len(set(three)) == 3
    assert all(len(one) == 2 and one.isdecimal() for one in three)


def test_claims_have_every_national_key():
    practices = rules.exercises(
        {}, family="ESSAI", given="Ada", defaults={"codeProfession": "10", "numeroFinessSite": "990000019"}
    )
    said = rules.claims(
        subject="899900000011",
        rpps="99900000011",
        family="ESSAI",
        given="Ada",
        civility="",
        structure="",
        practices=practices,
        mode="MOBILE",
    )
    activity = said["SubjectRefPro"]["exercices"][0]["activities"][0]
    assert activity["numeroFinessSite"] == "990000019"
    assert "numeroFinessetablissementJuridique" in activity
    assert all(isinstance(value, str) for value in activity.values())
    assert said["SubjectOrganizationID"] == "F990000019"
    assert said["otherIds"] == [{"identifiant": "99900000011", "origine": "RPPS", "qualite": 1}]


@pytest.mark.parametrize(
    ("allowed", "asked", "covered"),
    [
        ("system/*.cruds", "system/Patient.rs", True),
        ("system/*.cruds", "system/Patient.read", True),
        ("system/*.read", "system/Patient.rs", True),
        ("system/*.rs", "system/Patient.write", False),
        ("system/Patient.rs", "system/*.rs", False),
        ("user/*.cruds", "system/*.rs", False),
        ("patient/Observation.rs?category=x", "patient/Observation.rs", False),
        ("patient/Observation.rs", "patient/Observation.rs?category=x", True),
        ("openid", "openid", True),
        ("openid", "scope_all", False),
    ],
)
def test_a_scope_covers_what_is_narrower(allowed, asked, covered):
    assert accounts_rules.covers([allowed], asked) is covered


@pytest.mark.parametrize("words", ["é", 'a"b', "a\\b", "a\tb", "x" * 601, " ".join(f"s{n}" for n in range(101))])
def test_scopes_of_other_characters_are_refused(words):
    with pytest.raises(Invalid):
        accounts_rules.parse_scope(words)


@given(st.text(max_size=200))
def test_an_oauth_error_has_no_character_that_the_protocol_forbids(text):
    description = OAuthError("invalid_request", text).body()["error_description"]
    assert all(character not in '"\\' and " " <= character <= "~" for character in description)


def test_a_flood_is_stopped_and_others_are_not():
    now = [0.0]
    bucket = Bucket(rate=1, burst=3, clock=lambda: now[0])
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False]
    assert bucket.take("b")
    now[0] = 1.0
    assert bucket.take("a")
    assert not bucket.take("a")
