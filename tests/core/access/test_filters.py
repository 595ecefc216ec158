"""The algebra of access rules, and SMART scopes read into it."""

from hypothesis import given
from hypothesis import strategies as st

from virage.core import access
from virage.core.callers import Caller
from virage.core.fhir import definitions

TYPES = ("Patient", "Observation", "DocumentReference")
PATIENTS = ("p1", "p2")
TOKENS = [("category", "|lab"), ("category", "|vital-signs"), ("status", "|final")]

facts = st.builds(
    access.Facts,
    type=st.sampled_from(TYPES),
    patients=st.frozensets(st.sampled_from(PATIENTS)),
    tokens=st.frozensets(st.sampled_from(TOKENS)),
)
leaves = st.one_of(
    st.just(access.Everything()),
    st.just(access.Nothing()),
    st.builds(access.InPatient, st.sampled_from(PATIENTS)),
    st.builds(access.OfType, st.frozensets(st.sampled_from(TYPES))),
    st.sampled_from(TOKENS).map(lambda token: access.Has(*token)),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(access.AllOf),
        st.lists(inner, max_size=3).map(access.AnyOf),
        inner.map(access.Not),
    ),
    max_leaves=8,
)


@given(filters, facts)
def test_a_rule_and_its_contrary_never_agree(rule: access.Filter, found: access.Facts) -> None:
    assert rule.admits(found).allowed is not access.Not(rule).admits(found).allowed


@given(st.lists(filters, max_size=4), facts)
def test_all_and_any_follow_de_morgan(rules: list[access.Filter], found: access.Facts) -> None:
    every = access.AllOf(rules).admits(found).allowed
    none = access.AnyOf([access.Not(rule) for rule in rules]).admits(found).allowed
    assert every is not none


@given(filters, facts)
def test_a_refusal_by_a_single_rule_says_why(rule: access.Filter, found: access.Facts) -> None:
    decision = rule.admits(found)
    if not decision.allowed and not isinstance(rule, access.AnyOf | access.AllOf):
        assert decision.reason
        assert decision.rule


def _software(*scopes: str) -> Caller:
    return Caller(kind="software", subject="x", scopes=frozenset(scopes))


def test_scopes_of_both_versions_open_what_they_say() -> None:
    one = access.Facts("Observation")
    for scope in ("system/*.cruds", "system/Observation.read", "system/*.*", "system/Observation.rs"):
        assert access.scope_filter(_software(scope), "read", "Observation").admits(one).allowed
        assert access.scope_filter(_software(scope), "search-type", "Observation").admits(one).allowed
    refused = access.scope_filter(_software("system/Observation.rs"), "create", "Observation").admits(one)
    assert not refused.allowed
    assert "system/Observation.c" in refused.reason
    assert not access.scope_filter(_software("system/Patient.rs"), "read", "Observation").admits(one).allowed
    assert not access.scope_filter(_software(), "read", "Observation").admits(one).allowed


def test_a_patient_scope_stays_in_the_compartment() -> None:
    by = Caller(kind="citizen", subject="p1", patient="p1", scopes=frozenset({"patient/*.rs"}))
    rule = access.scope_filter(by, "search-type", "Observation")
    assert rule.admits(access.Facts("Observation", patients=frozenset({"p1"}))).allowed
    assert not rule.admits(access.Facts("Observation", patients=frozenset({"p2"}))).allowed
    nobody = Caller(kind="citizen", subject="p1", scopes=frozenset({"patient/*.rs"}))
    assert not access.scope_filter(nobody, "read", "Patient").admits(access.Facts("Patient")).allowed


def test_search_constraints_of_a_scope_narrow_it() -> None:
    by = _software("system/Observation.rs?category=lab,imaging")
    rule = access.scope_filter(by, "read", "Observation")
    assert rule.admits(access.Facts("Observation", tokens=frozenset({("category", "|lab")}))).allowed
    assert not rule.admits(access.Facts("Observation", tokens=frozenset({("category", "|vital-signs")}))).allowed


def test_a_constraint_that_cannot_be_enforced_opens_nothing() -> None:
    for scope in ("system/Observation.rs?code:in=http://x", "system/Observation.rs?", "system/Observation.x"):
        assert access.parse_scopes([scope]) == []


def test_the_token_counts_before_the_policy_and_the_policy_after() -> None:
    access.register("test-space", lambda by, interaction, type_: access.OfType(frozenset({"Patient"})))
    by = _software("system/*.rs")
    assert access.filter_for("test-space", by, "read", "Patient").admits(access.Facts("Patient")).allowed
    assert not access.filter_for("test-space", by, "read", "Patient").admits(access.Facts("Group")).allowed
    assert not access.filter_for("test-space", by, "create", "Patient").admits(access.Facts("Patient")).allowed


CITIZEN = Caller(kind="citizen", subject="p1", patient="p1", scopes=frozenset({"patient/*.rs"}))
LOOKING = ("read", "vread", "history-instance", "search-type", "search-system")


def test_no_type_of_a_directory_is_in_the_compartment_of_a_patient() -> None:
    inside = definitions.compartments()["Patient"]
    assert [type_ for type_ in access.DIRECTORY if inside.get(type_)] == []


@given(
    st.sampled_from((*LOOKING, "create", "update", "patch", "delete", "operation")),
    st.sampled_from(("*", *TYPES, *sorted(access.DIRECTORY))),
    st.frozensets(st.sampled_from(sorted(access.DIRECTORY))),
    st.frozensets(st.sampled_from(PATIENTS)),
)
def test_a_patient_scope_opens_beyond_the_compartment_what_is_public_and_nothing_else(
    interaction: str, type_: str, public: frozenset[str], patients: frozenset[str]
) -> None:
    rule = access.scope_filter(CITIZEN, interaction, type_, public=public)
    for one in (*TYPES, *access.DIRECTORY) if type_ == "*" else (type_,):
        allowed = rule.admits(access.Facts(one, patients=patients)).allowed
        looks = interaction in LOOKING
        assert allowed is (interaction in (*LOOKING, "operation") and ("p1" in patients or (looks and one in public)))


def test_constraints_hold_on_what_is_public_too() -> None:
    by = Caller(kind="citizen", subject="p1", patient="p1", scopes=frozenset({"patient/Organization.rs?active=true"}))
    rule = access.scope_filter(by, "read", "Organization", public=access.DIRECTORY)
    assert rule.admits(access.Facts("Organization", tokens=frozenset({("active", "|true")}))).allowed
    assert not rule.admits(access.Facts("Organization")).allowed


def test_only_the_directory_is_public() -> None:
    """On every other base a citizen stays in their compartment, whatever the type."""
    from virage.trust import annuaire

    assert annuaire.api
    for space in ("fhir", "dmp", "ins", "eds"):
        for type_ in (*TYPES, *access.DIRECTORY, "Device", "*"):
            rule = access.filter_for(space, CITIZEN, "search-type", type_)
            for one in (*TYPES, *access.DIRECTORY, "Device"):
                assert not rule.admits(access.Facts(one, patients=frozenset({"p2"}))).allowed
    for type_ in (*access.DIRECTORY, "Device"):
        assert access.filter_for("annuaire", CITIZEN, "read", type_).admits(access.Facts(type_)).allowed
    refused = access.filter_for("annuaire", CITIZEN, "read", "Patient").admits(access.Facts("Patient"))
    assert refused.rule == "in-patient"
