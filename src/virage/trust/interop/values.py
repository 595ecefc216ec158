"""The values that a CDA header gives: plain data, no XML."""

from dataclasses import dataclass, field

INS_OIDS = {
    "1.2.250.1.213.1.4.8": "INS-NIR",
    "1.2.250.1.213.1.4.9": "INS-NIA",
    "1.2.250.1.213.1.4.10": "INS-NIR de test",
    "1.2.250.1.213.1.4.11": "INS-NIR de démonstration",
}
IDNAT_PS = "1.2.250.1.71.4.2.1"
IDNAT_STRUCT = "1.2.250.1.71.4.2.2"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: `system` is an OID without prefix."""

    code: str = ""
    system: str = ""
    display: str = ""


@dataclass(frozen=True, slots=True)
class Id:
    """An instance identifier: `root` an OID or UUID, `extension` may be empty."""

    root: str
    extension: str = ""

    @property
    def urn(self) -> str:
        """As XDS `uniqueId` writes it: `urn:oid:ROOT` or `urn:oid:ROOT^EXTENSION`; `urn:uuid:` for a UUID root."""
        head = f"urn:uuid:{self.root.lower()}" if "-" in self.root else f"urn:oid:{self.root}"
        return f"{head}^{self.extension}" if self.extension else head


@dataclass(frozen=True, slots=True)
class Traits:
    """The five strict traits of the INS and its matricule, as a header or an identity gives them.

    `given_names` is the whole list of the birth certificate in one string; `birth_date` is `YYYY-MM-DD` (or `YYYY`,
    `YYYY-MM`); `sex` is `M`, `F` or empty; `birth_place` a COG code of 5 characters.
    """

    matricule: str = ""
    oid: str = ""
    birth_name: str = ""
    given_names: str = ""
    first_given: str = ""
    birth_date: str = ""
    sex: str = ""
    birth_place: str = ""
    used_name: str = ""
    used_given: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """`ident` is the national structure identifier (`1` + FINESS, …) when the header gives one."""

    name: str = ""
    ident: Id | None = None
    setting: Code | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """An author, authenticator or performer: `ident` for a professional is idNat_PS (`8` + RPPS).

    `name` is how a person reads it, title first; `family` and `given` are its parts where the header tells them apart.
    """

    ident: Id | None = None
    name: str = ""
    family: str = ""
    given: tuple[str, ...] = ()
    specialty: Code | None = None
    role: Code | None = None
    time: str = ""
    device: str = ""
    organisation: Organisation | None = None


@dataclass(frozen=True, slots=True)
class CdaMetadata:
    """What the header says. Dates are FHIR `dateTime` strings; ids are `Id`; absent values are empty or None.

    `level` is `N1` (unstructured, `media_type` is that of what is inside) or `N3`.
    """

    id: Id | None = None
    set_id: Id | None = None
    version: int | None = None
    code: Code | None = None
    title: str = ""
    effective_time: str = ""
    confidentiality: Code | None = None
    language: str = ""
    patient_ids: tuple[Id, ...] = ()
    traits: Traits = field(default_factory=Traits)
    authors: tuple[Participant, ...] = ()
    custodian: Organisation | None = None
    legal_authenticator: Participant | None = None
    performer: Participant | None = None
    service_start: str = ""
    service_stop: str = ""
    acts: tuple[Code, ...] = ()
    facility_type: Code | None = None
    encounter_type: Code | None = None
    practice_setting: Code | None = None
    template_ids: tuple[Id, ...] = ()
    level: str = "N3"
    media_type: str = ""
    format_code: str = ""
    model: str = ""
    replaces: Id | None = None
    self_rendering: bool = False
    sections: tuple[str, ...] = ()
