"""An identity of this house, and its FHIR form (profiles fr-core-patient and fr-core-patient-ins of hl7.fhir.fr.core 2.2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from virage.core.errors import Forbidden
from virage.trust.ins import places, rules
from virage.trust.ins.rules import IdentityState, Matricule, Status, Traits

FR_CORE = "https://hl7.fr/ig/fhir/core"
RELIABILITY = f"{FR_CORE}/StructureDefinition/fr-core-identity-reliability"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
INSEE_CODE = f"{FR_CORE}/StructureDefinition/fr-core-address-insee-code"
BIRTH_LIST = f"{FR_CORE}/StructureDefinition/fr-core-patient-birth-list-given-name"
IDENTIFIER_TYPES = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0203"
STATUSES = f"{FR_CORE}/CodeSystem/fr-core-cs-identity-status"
LEGACY_STATUSES = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0445"
COMMENTS = f"{FR_CORE}/CodeSystem/fr-core-cs-identity-status-comment"
METHODS = f"{FR_CORE}/CodeSystem/fr-core-cs-method-collection"
MODES = f"{FR_CORE}/CodeSystem/fr-core-cs-mode-validation-identity"
COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-Commune/FHIR/TRE-R13-Commune"
COUNTRIES = "https://mos.esante.gouv.fr/NOS/TRE_R20-Pays/FHIR/TRE-R20-Pays"
PROFILE = f"{FR_CORE}/StructureDefinition/fr-core-patient"
PROFILE_INS = f"{FR_CORE}/StructureDefinition/fr-core-patient-ins"

_GENDERS = {"M": "male", "F": "female", "I": "unknown"}
_SEXES = {"male": "M", "female": "F"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a patient is here: `patient` is the logical id of the Patient in every space.

    `matricule` refuses itself unless the identity is qualified, so that no caller can carry it out by mistake.
    """

    patient: str
    state: IdentityState
    traits: Traits
    held: Matricule | None = field(default=None, repr=False)
    version: int = 0

    @property
    def status(self) -> Status:
        """PROV, RECUP, VALI or QUAL."""
        return self.state.status

    @property
    def qualified(self) -> bool:
        """Whether the matricule may travel."""
        return rules.may_transmit(self.state) and self.held is not None

    @property
    def matricule(self) -> Matricule:
        """The matricule, of a qualified identity only. Raises `Forbidden` (INS.NOT_QUALIFIED)."""
        if not self.qualified or self.held is None:
            raise not_qualified()
        return self.held


def not_qualified() -> Forbidden:
    """The refusal that keeps a matricule inside."""
    return Forbidden(
        "L'identité de ce patient n'est pas qualifiée : la vérifier auprès d'INSi et contrôler une pièce d'identité.",
        code="INS.NOT_QUALIFIED",
        issue="business-rule",
    )


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, whatever else stands there: guards meet resources that nothing has checked yet."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def reliability_parts(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The sub-extensions of every identityReliability of a Patient, whatever damage the resource has."""
    for extension in _objects(resource.get("extension")):
        if str(extension.get("url", "")).endswith("fr-core-identity-reliability"):
            yield from _objects(extension.get("extension"))


def matricule_identifiers(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The identifiers of a Patient whose system is that of a matricule, in use or old."""
    return [i for i in _objects(resource.get("identifier")) if rules.oid_of_system(str(i.get("system", "")))]


def state_of(resource: Mapping[str, Any]) -> IdentityState | None:
    """Status and attributes that a Patient states, None where it states none.

    A status of the older table 0445 is read by the legacy rule: there VALI beside an INS says qualified.
    Raises `Invalid` (INS.STATUS_UNKNOWN, INS.STATE_IMPOSSIBLE).
    """
    has_matricule = any(i.get("use") != "old" for i in matricule_identifiers(resource))
    status: Status | None = None
    attributes: set[str] = set()
    for part in reliability_parts(resource):
        if part.get("url") == "identityStatus":
            coding = _object(part.get("valueCoding"))
            code, legacy = str(coding.get("code", "")), "0445" in str(coding.get("system", ""))
            status = rules.read_legacy_status(code, carries_ins=has_matricule and legacy)
        elif part.get("url") == "comment":
            coded = _object(part.get("valueCodeableConcept")).get("coding")
            codings = [part["valueCoding"]] if "valueCoding" in part else coded
            attributes |= {str(c.get("code")) for c in _objects(codings)} & rules.ATTRIBUTES.keys()
    if status is None:
        return None
    return IdentityState(status, frozenset(attributes), has_matricule)


def place_of(resource: Mapping[str, Any]) -> str:
    """The COG code of the birth place, empty where the Patient has none."""
    for extension in _objects(resource.get("extension")):
        if extension.get("url") == BIRTH_PLACE:
            for part in _objects(_object(extension.get("valueAddress")).get("extension")):
                if str(part.get("url", "")).endswith("insee-code"):
                    return str(_object(part.get("valueCoding")).get("code", ""))
    return ""


def traits_of(resource: Mapping[str, Any]) -> Traits:
    """Strict traits of a Patient; a birth date cut short is completed by the rule."""
    names = [n for n in resource.get("name") or () if isinstance(n, dict)]
    name = next((n for n in names if n.get("use") == "official"), names[0] if names else {})
    given = [str(g) for g in name.get("given") or ()]
    listed = next((e.get("valueString", "") for e in name.get("extension") or () if e.get("url") == BIRTH_LIST), "")
    gender = resource.get("gender")
    sex = _SEXES.get(str(gender), "I") if gender else ""
    return Traits(
        family=str(name.get("family", "")),
        given=given[0] if given else rules.first_given_name(listed),
        sex=sex,
        birth_date=_birth_date(str(resource.get("birthDate", ""))),
        birth_place=place_of(resource),
        given_list=listed or " ".join(given),
    )


def _birth_date(text: str) -> date | None:
    try:
        parts = [int(part) for part in text.split("-")] if text else []
    except ValueError:
        return None
    if not parts or len(parts) > 3:
        return None
    year, *rest = parts
    month, day = [*rest, None, None][:2]
    return rules.interpret_birth_date(year=year, month=month, day=day)


def identity_of(resource: Mapping[str, Any], *, sandbox: bool, version: int = 0) -> Identity:
    """The identity that a stored Patient says. Raises `Invalid` where it breaks the rules."""
    state = state_of(resource) or IdentityState()
    held: Matricule | None = None
    for identifier in matricule_identifiers(resource):
        if identifier.get("use") != "old" and state.has_matricule:
            held = rules.parse_matricule(str(identifier.get("value", "")), str(identifier["system"]), sandbox=sandbox)
            break
    return Identity(str(resource.get("id", "")), state, traits_of(resource), held, version)


def name_of(traits: Traits) -> dict[str, Any]:
    """The official HumanName of these traits."""
    name: dict[str, Any] = {"use": "official", "family": traits.family, "given": [traits.given]}
    if traits.given_list:
        name["extension"] = [{"url": BIRTH_LIST, "valueString": traits.given_list}]
    return name


def birth_place_extension(code: str) -> dict[str, Any]:
    """The patient-birthPlace extension of a COG code."""
    abroad = code.startswith("99")
    coding = {"system": COUNTRIES if abroad else COMMUNES, "code": code}
    label = places.label(code)
    address: dict[str, Any] = {
        "extension": [{"url": INSEE_CODE, "valueCoding": {**coding, **({"display": label} if label else {})}}]
    }
    if label:
        address["country" if abroad else "city"] = label
    return {"url": BIRTH_PLACE, "valueAddress": address}


def identifier_of(matricule: Matricule, *, use: str = "", start: str = "", end: str = "") -> dict[str, Any]:
    """The FHIR identifier of a matricule."""
    code, usual, _ = rules.OIDS[matricule.oid]
    identifier: dict[str, Any] = {
        "use": use or usual,
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": code}]},
        "system": matricule.system,
        "value": matricule.value,
    }
    period = {k: v for k, v in (("start", start), ("end", end)) if v}
    return {**identifier, "period": period} if period else identifier


def reliability(
    state: IdentityState,
    *,
    method: str = "",
    asked_on: date | None = None,
    validated_on: date | None = None,
    mode: str = "",
) -> dict[str, Any]:
    """The identityReliability extension: `method` how the traits came (INSI, SM, CV, AV, …), `mode` the proof that was seen."""
    parts: list[dict[str, Any]] = [
        {"url": "identityStatus", "valueCoding": {"system": STATUSES, "code": state.status.value}}
    ]
    parts += [
        {"url": "comment", "valueCodeableConcept": {"coding": [{"system": COMMENTS, "code": code}]}}
        for code in sorted(state.attributes)
    ]
    if method:
        parts.append({"url": "methodCollection", "valueCoding": {"system": METHODS, "code": method}})
    if asked_on:
        parts.append({"url": "dateInterrogationINSi", "valueDate": asked_on.isoformat()})
    if validated_on:
        parts.append({"url": "validationDate", "valueDate": validated_on.isoformat()})
    if mode:
        parts.append({"url": "validationMode", "valueCoding": {"system": MODES, "code": mode}})
    return {"url": RELIABILITY, "extension": parts}


def patient_of(
    identity: Identity,
    *,
    base: Mapping[str, Any] | None = None,
    history: tuple[dict[str, Any], ...] = (),
    **evidence: Any,
) -> dict[str, Any]:
    """The Patient of an identity, other elements (address, telecom, …) being kept from `base`.

    `history` are identifiers of former matricules; `evidence` goes to `reliability`, what is not given staying as `base` says.
    """
    resource = dict(base or {})
    kept = [i for i in resource.get("identifier", ()) if not rules.oid_of_system(str(i.get("system", "")))]
    current = [identifier_of(identity.held)] if identity.held else []
    identifiers = [*current, *history, *kept]
    extensions = [e for e in resource.get("extension", ()) if e.get("url") not in (RELIABILITY, BIRTH_PLACE)]
    mended = [reliability(identity.state, **{**_evidence_of(resource), **evidence})]
    if identity.traits.birth_place:
        mended.append(birth_place_extension(identity.traits.birth_place))
    names = [n for n in resource.get("name", ()) if n.get("use") != "official"]
    resource.update(
        resourceType="Patient",
        id=identity.patient,
        meta={"profile": [PROFILE_INS if identity.held and identity.qualified else PROFILE]},
        extension=[*mended, *extensions],
        active=resource.get("active", True),
        name=[name_of(identity.traits), *names],
        gender=_GENDERS[identity.traits.sex],
    )
    if identifiers:
        resource["identifier"] = identifiers
    else:
        resource.pop("identifier", None)
    if identity.traits.birth_date:
        resource["birthDate"] = identity.traits.birth_date.isoformat()
    return resource


def _evidence_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in reliability_parts(resource):
        match part.get("url"):
            case "methodCollection":
                found["method"] = part["valueCoding"]["code"]
            case "dateInterrogationINSi":
                found["asked_on"] = date.fromisoformat(part["valueDate"])
            case "validationDate":
                found["validated_on"] = date.fromisoformat(part["valueDate"])
            case "validationMode":
                found["mode"] = part["valueCoding"]["code"]
    return found


def with_state(identity: Identity, state: IdentityState) -> Identity:
    """The same identity in another state; a state without matricule drops it."""
    return replace(identity, state=state, held=identity.held if state.has_matricule else None)


__all__ = [
    "Identity",
    "identity_of",
    "matricule_identifiers",
    "not_qualified",
    "patient_of",
    "state_of",
    "traits_of",
    "with_state",
]
