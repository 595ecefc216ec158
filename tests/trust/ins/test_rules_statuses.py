"""Statuses of an identity: every transition, and what no sequence of events can reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.errors import Conflict, Invalid, VirageError
from virage.trust.ins import rules
from virage.trust.ins.rules import IdentityState, Status

PROV = IdentityState()
RECUP = IdentityState(Status.RECUP, has_matricule=True)
VALI = IdentityState(Status.VALI)
QUAL = IdentityState(Status.QUAL, has_matricule=True)


def test_the_two_ways_to_qualified() -> None:
    assert rules.after_insi_found(PROV, traits_identical=True) == RECUP
    assert rules.after_evidence(RECUP, mode="CN") == QUAL
    assert rules.after_evidence(PROV, mode="PA") == VALI
    assert rules.after_insi_found(VALI, traits_identical=True) == QUAL
    assert rules.qualified_by_apcv(PROV) == QUAL


def test_a_validated_identity_is_not_overwritten_by_other_traits() -> None:
    with pytest.raises(Conflict) as refused:
        rules.after_insi_found(VALI, traits_identical=False)
    assert refused.value.code == "INS.TRAITS_DIFFER"


def test_a_refutation_takes_back_what_insi_gave() -> None:
    assert rules.after_insi_refuted(QUAL) == VALI
    assert rules.after_insi_refuted(RECUP) == PROV
    assert rules.after_insi_refuted(VALI) == VALI


def test_an_edited_trait_takes_back_the_matricule() -> None:
    assert rules.after_traits_edited(QUAL, evidence_covers=True) == VALI
    assert rules.after_traits_edited(QUAL, evidence_covers=False) == PROV
    assert rules.after_traits_edited(RECUP, evidence_covers=True) == PROV


@pytest.mark.parametrize("attribute", ["DOUT", "FICT"])
@pytest.mark.parametrize("state", [PROV, RECUP, VALI, QUAL])
def test_doubtful_and_fictitious_send_back_to_provisional_and_block_insi(state: IdentityState, attribute: str) -> None:
    marked = rules.after_attribute_set(state, attribute)
    assert (marked.status, marked.has_matricule) == (Status.PROV, False)
    assert not rules.may_call_insi(marked)
    with pytest.raises(Conflict, match="attribut"):
        rules.after_insi_found(marked, traits_identical=True)
    with pytest.raises(Conflict, match="attribut"):
        rules.after_evidence(marked, mode="CN")
    with pytest.raises(Conflict, match="attribut"):
        rules.qualified_by_apcv(marked)
    assert rules.after_attribute_removed(marked, attribute) == PROV


def test_only_doubtful_and_look_alike_go_together() -> None:
    both = rules.after_attribute_set(rules.after_attribute_set(QUAL, "HOMA"), "DOUT")
    assert both.attributes == {"HOMA", "DOUT"}
    for first, second in (("FICT", "DOUT"), ("DOUT", "FICT"), ("HOMA", "FICT")):
        with pytest.raises(Invalid) as refused:
            rules.after_attribute_set(rules.after_attribute_set(PROV, first), second)
        assert refused.value.code == "INS.STATE_IMPOSSIBLE"
    assert rules.after_attribute_set(QUAL, "HOMA").status is Status.QUAL


def test_an_impossible_state_cannot_be_built() -> None:
    for args in (
        {"status": Status.VALI, "has_matricule": True},
        {"status": Status.PROV, "has_matricule": True},
        {"status": Status.QUAL, "has_matricule": True, "attributes": frozenset({"DOUT"})},
        {"attributes": frozenset({"AUTRE"})},
    ):
        with pytest.raises(Invalid):
            IdentityState(**args)


def test_evidence_must_be_of_high_confidence() -> None:
    with pytest.raises(Invalid) as refused:
        rules.after_evidence(PROV, mode="permis")
    assert refused.value.code == "INS.EVIDENCE_UNKNOWN"


EVENTS = [
    lambda s: rules.after_insi_found(s, traits_identical=True),
    lambda s: rules.after_insi_found(s, traits_identical=False),
    lambda s: rules.after_evidence(s, mode="CN"),
    lambda s: rules.qualified_by_apcv(s),
    lambda s: rules.after_insi_refuted(s),
    lambda s: rules.after_traits_edited(s, evidence_covers=True),
    lambda s: rules.after_traits_edited(s, evidence_covers=False),
    *[lambda s, a=a: rules.after_attribute_set(s, a) for a in rules.ATTRIBUTES],
    *[lambda s, a=a: rules.after_attribute_removed(s, a) for a in rules.ATTRIBUTES],
]


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_no_history_lets_an_unqualified_matricule_out(events: list) -> None:
    state = PROV
    for event in events:
        try:
            state = event(state)
        except VirageError:
            continue
        assert rules.may_transmit(state) == (state.status is Status.QUAL)
        assert not rules.may_transmit(state) or (state.has_matricule and not state.blocked)


def test_the_trap_of_the_legacy_code() -> None:
    assert rules.read_legacy_status("VALI", carries_ins=True) is Status.QUAL
    assert rules.read_legacy_status("VALI", carries_ins=False) is Status.VALI
    assert rules.read_legacy_status("RECUP", carries_ins=True) is Status.RECUP
    assert rules.write_legacy_status(Status.QUAL) == "VALI"
    assert rules.write_legacy_status(Status.RECUP) == "PROV"
    with pytest.raises(Invalid):
        rules.read_legacy_status("VIDE", carries_ins=True)
