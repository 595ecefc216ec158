"""The matricule: shape, key, OID."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.errors import Invalid
from virage.trust.ins import rules

KNOWN = ["236066322083656", "181016322075140", "279035121518989", "297022A02077878", "180032B02040123"]

places = st.one_of(
    st.integers(1, 95).filter(lambda d: d != 20).map(lambda d: f"{d:02d}"), st.sampled_from(["2A", "2B"])
).flatmap(lambda d: st.integers(1, 999).map(lambda c: f"{d}{c:03d}"))
numbers = st.builds(
    rules.compose_number,
    sex=st.sampled_from("MF"),
    year=st.integers(1900, 2099),
    month=st.integers(1, 12),
    place=places,
    order=st.integers(1, 999),
)


@pytest.mark.parametrize("value", KNOWN)
def test_a_known_test_matricule_is_read(value: str) -> None:
    matricule = rules.parse_matricule(value, rules.OID_NIR_TEST, sandbox=True)
    assert matricule.value == value
    assert matricule.system == "urn:oid:1.2.250.1.213.1.4.10"
    assert matricule.type_code == "INS-NIR-TEST"


@given(numbers)
def test_the_key_of_any_number_is_accepted_and_lies_between_1_and_97(number: str) -> None:
    key = rules.compute_key(number)
    assert 1 <= int(key) <= 97
    assert rules.parse_matricule(number + key, rules.OID_NIR_TEST, sandbox=True).number == number


@given(numbers, st.data())
def test_one_wrong_digit_is_always_found(number: str, data: st.DataObject) -> None:
    value = number + rules.compute_key(number)
    at = data.draw(st.sampled_from([i for i, c in enumerate(value) if c.isdigit() and i not in (0, 6)]))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != value[at]]))
    with pytest.raises(Invalid) as refused:
        rules.parse_matricule(value[:at] + other + value[at + 1 :], rules.OID_NIR_TEST, sandbox=True)
    assert refused.value.code in ("INS.KEY_WRONG", "INS.MALFORMED")


@pytest.mark.parametrize(
    ("value", "oid", "sandbox", "code"),
    [
        ("236066322083657", rules.OID_NIR_TEST, True, "INS.KEY_WRONG"),
        ("236066322083600", rules.OID_NIR_TEST, True, "INS.KEY_WRONG"),
        ("23606632208365", rules.OID_NIR_TEST, True, "INS.MALFORMED"),
        ("2360663220836 56", rules.OID_NIR_TEST, True, "INS.MALFORMED"),
        ("٢36066322083656", rules.OID_NIR_TEST, True, "INS.MALFORMED"),
        ("", rules.OID_NIR_TEST, True, "INS.MALFORMED"),
        ("297022C02077878", rules.OID_NIR_TEST, True, "INS.MALFORMED"),
        ("236066322083656", rules.OID_NIR, True, "INS.OID_NOT_HERE"),
        ("236066322083656", rules.OID_NIR_TEST, False, "INS.OID_NOT_HERE"),
        ("236066322083656", rules.OID_INS_C, True, "INS.OID_UNKNOWN"),
        ("236066322083656", "", True, "INS.OID_UNKNOWN"),
    ],
)
def test_a_bad_matricule_is_refused_with_its_reason(value: str, oid: str, sandbox: bool, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.parse_matricule(value, oid, sandbox=sandbox, path="Patient.identifier[0]")
    assert refused.value.code == code
    assert refused.value.path == "Patient.identifier[0]"
    assert value == "" or value not in refused.value.text


def test_production_matricules_live_outside_the_sandbox() -> None:
    assert rules.parse_matricule("236066322083656", rules.OID_NIA, sandbox=False).type_code == "INS-NIA"


def test_only_the_systems_of_matricules_have_an_oid() -> None:
    assert rules.oid_of_system("urn:oid:1.2.250.1.213.1.4.8") == rules.OID_NIR
    assert rules.oid_of_system("1.2.250.1.213.1.4.8") is None
    assert rules.oid_of_system("urn:oid:1.2.250.1.213.1.4.2") is None
