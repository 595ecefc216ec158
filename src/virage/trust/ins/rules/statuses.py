"""The four statuses of an identity and what moves it from one to another (RNIV 1 v2.0, EXI SI 07 to 09, PP 19, ID 24, 26)."""

from dataclasses import dataclass, replace
from enum import StrEnum

from virage.core.errors import Conflict, Invalid


class Status(StrEnum):
    """Two questions, four answers: were the traits recovered through INSi, was a proof of identity seen."""

    PROV = "PROV"
    RECUP = "RECUP"
    VALI = "VALI"
    QUAL = "QUAL"


# Only these two attributes force the status; an homonym is only a warning to the reader.
DOUBTFUL, FICTITIOUS, LOOK_ALIKE = "DOUT", "FICT", "HOMA"
ATTRIBUTES = {DOUBTFUL: "douteux", FICTITIOUS: "fictif", LOOK_ALIKE: "homonyme"}

# fr-core-cs-mode-validation-identity: the proofs of high confidence.
EVIDENCE = {
    "CN": "carte nationale d'identité",
    "PA": "passeport",
    "CS": "titre de séjour",
    "eCN": "carte d'identité électronique",
    "IN": "identité numérique de La Poste",
    "AV": "appli carte Vitale",
    "LECV": "livret de famille et carte Vitale avec photo",
    "LEP": "livret de famille des parents",
    "AN": "acte de naissance",
    "ANCV": "acte de naissance et carte Vitale avec photo",
    "CC": "document de circulation pour étranger mineur",
    "CIMS": "carte d'identité de militaire",
}


@dataclass(frozen=True, slots=True)
class IdentityState:
    """What decides: `status`, the `attributes` in force, and whether a matricule is held.

    A recovered or qualified identity met elsewhere may have left its matricule behind: `has_matricule` is then false.
    """

    status: Status = Status.PROV
    attributes: frozenset[str] = frozenset()
    has_matricule: bool = False

    def __post_init__(self) -> None:
        """Raises `Invalid` (INS.STATE_IMPOSSIBLE) for a state that the guide excludes."""
        unknown = self.attributes - ATTRIBUTES.keys()
        if unknown:
            raise Invalid(
                "Attribut d'identité inconnu : DOUT, FICT et HOMA existent.", code="INS.STATE_IMPOSSIBLE", issue="value"
            )
        if FICTITIOUS in self.attributes and len(self.attributes) > 1:
            raise Invalid(
                "Une identité fictive ne peut être ni douteuse ni homonyme : retirer l'un des attributs.",
                code="INS.STATE_IMPOSSIBLE",
                issue="business-rule",
            )
        if self.blocked and (self.status is not Status.PROV or self.has_matricule):
            raise Invalid(
                "Une identité douteuse ou fictive reste provisoire et ne porte pas de matricule INS.",
                code="INS.STATE_IMPOSSIBLE",
                issue="business-rule",
            )
        if self.has_matricule and self.status not in (Status.RECUP, Status.QUAL):
            raise Invalid(
                "Seule une identité récupérée ou qualifiée porte un matricule INS.",
                code="INS.STATE_IMPOSSIBLE",
                issue="business-rule",
            )

    @property
    def blocked(self) -> bool:
        """Whether an attribute forbids INSi and evidence."""
        return bool(self.attributes & {DOUBTFUL, FICTITIOUS})


def may_transmit(state: IdentityState) -> bool:
    """Only a qualified identity may carry its matricule out (EXI SI 08, EXI ID 29)."""
    return state.status is Status.QUAL


def may_call_insi(state: IdentityState) -> bool:
    """A doubtful or fictitious identity never goes to INSi (EXI ID 26)."""
    return not state.blocked


def _refuse_blocked(state: IdentityState) -> None:
    if state.blocked:
        raise Conflict(
            "Cette identité est marquée douteuse ou fictive : lever l'attribut avant d'interroger INSi ou de la valider.",
            code="INS.BLOCKED",
            issue="business-rule",
        )


def after_insi_found(state: IdentityState, *, traits_identical: bool) -> IdentityState:
    """INSi answered 00 and the operator accepted the traits.

    A validated identity must have the very traits of INSi, or the proof that was seen no longer proves them.
    Raises `Conflict` (INS.BLOCKED, INS.TRAITS_DIFFER).
    """
    _refuse_blocked(state)
    if state.status in (Status.VALI, Status.QUAL):
        if not traits_identical:
            raise Conflict(
                "Les traits rendus par INSi diffèrent des traits validés : corriger l'identité, pièce d'identité en main.",
                code="INS.TRAITS_DIFFER",
                issue="business-rule",
            )
        return replace(state, status=Status.QUAL, has_matricule=True)
    return replace(state, status=Status.RECUP, has_matricule=True)


def after_evidence(state: IdentityState, *, mode: str) -> IdentityState:
    """A proof of identity of high confidence was checked against the traits; `mode` is a code of `EVIDENCE`.

    Raises `Conflict` (INS.BLOCKED), `Invalid` (INS.EVIDENCE_UNKNOWN).
    """
    _refuse_blocked(state)
    if mode not in EVIDENCE:
        raise Invalid(
            "Ce type de pièce n'est pas une preuve d'identité à haut niveau de confiance.",
            code="INS.EVIDENCE_UNKNOWN",
            issue="code-invalid",
        )
    to = {Status.PROV: Status.VALI, Status.RECUP: Status.QUAL}.get(state.status, state.status)
    return replace(state, status=to)


def qualified_by_apcv(state: IdentityState) -> IdentityState:
    """The identity was read from the appli carte Vitale: qualified at once, without INSi. Raises `Conflict` (INS.BLOCKED)."""
    _refuse_blocked(state)
    return replace(state, status=Status.QUAL, has_matricule=True)


def after_insi_refuted(state: IdentityState) -> IdentityState:
    """A verification by INSi failed: what came from INSi falls, what a proof of identity gave stays."""
    to = {Status.QUAL: Status.VALI, Status.RECUP: Status.PROV}.get(state.status, state.status)
    return replace(state, status=to, has_matricule=False)


def after_traits_edited(state: IdentityState, *, evidence_covers: bool) -> IdentityState:
    """A strict trait changed: INSi's answer falls, and the proof too unless it covers the new value."""
    validated = state.status in (Status.VALI, Status.QUAL) and evidence_covers
    return replace(state, status=Status.VALI if validated else Status.PROV, has_matricule=False)


def after_attribute_set(state: IdentityState, attribute: str) -> IdentityState:
    """`attribute` now applies; doubtful and fictitious send the identity back to provisional and drop the matricule.

    Raises `Invalid` (INS.STATE_IMPOSSIBLE) for a combination that the guide excludes.
    """
    attributes = state.attributes | {attribute}
    if attributes & {DOUBTFUL, FICTITIOUS}:
        return IdentityState(Status.PROV, attributes, False)
    return replace(state, attributes=attributes)


def after_attribute_removed(state: IdentityState, attribute: str) -> IdentityState:
    """`attribute` no longer applies; the status that it took away is not given back, it is earned again."""
    return replace(state, attributes=state.attributes - {attribute})


def read_legacy_status(code: str, *, carries_ins: bool) -> Status:
    """Status meant by an old flow (HL7 v2 PID-32, FR Core up to 2.1): there VALI beside an INS says qualified.

    Raises `Invalid` (INS.STATUS_UNKNOWN).
    """
    if code == Status.VALI and carries_ins:
        return Status.QUAL
    try:
        return Status(code)
    except ValueError:
        raise Invalid(
            "Statut d'identité inconnu : PROV, RECUP, VALI ou QUAL.", code="INS.STATUS_UNKNOWN", issue="code-invalid"
        ) from None


def write_legacy_status(status: Status) -> str:
    """Code for an old flow, which knows neither RECUP nor QUAL: the first is still provisional, the second says VALI."""
    return {Status.QUAL: "VALI", Status.RECUP: "PROV"}.get(status, status.value)
