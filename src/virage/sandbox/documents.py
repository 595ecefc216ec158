"""Real CI-SIS documents about an invented patient: a prescription as PDF (N1), a discharge letter, a synthesis and a
laboratory report with coded entries (N3). The same patient, author and number give the same bytes.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lxml import etree

from virage.sandbox import country, pdf
from virage.trust import ins, interop
from virage.trust.interop import CdaMetadata, Code, Id, Organisation, Participant, Section

Kind = Literal["ordonnance", "lettre", "synthese", "biologie"]

_HL7 = "urn:hl7-org:v3"
_LOINC = "2.16.840.1.113883.6.1"
_SPECIALTY = "1.2.250.1.213.1.1.4.5"
_ACT_CODE = "2.16.840.1.113883.5.4"
_INTERPRETATION = "2.16.840.1.113883.5.83"
_SECTOR = "1.2.250.1.71.4.2.4"
_SETTING = "1.2.250.1.213.1.1.4.9"
# A namespace of our own for document numbers, so that they never meet anybody else's.
_NAMESPACE = uuid.UUID("6f3a2f0e-8a55-4c0e-9a57-0c5d0a7f2026")


@dataclass(frozen=True, slots=True)
class Written:
    """A document: its bytes, its title, the day of the act."""

    content: bytes
    title: str
    day: datetime


@dataclass(frozen=True, slots=True)
class _Model:
    """What makes a kind: code, title, template, encounter, performed act."""

    code: Code
    title: str
    template: Id | None
    act: Code


_MODELS: dict[Kind, _Model] = {
    "ordonnance": _Model(
        Code("57833-6", _LOINC, "Prescription de produits de santé"),
        "Ordonnance",
        None,
        Code("57833-6", _LOINC, "Prescription de produits de santé"),
    ),
    "lettre": _Model(
        Code("11490-0", _LOINC, "Lettre de liaison à la sortie de l'établissement de soins"),
        "Lettre de liaison à la sortie",
        Id("1.2.250.1.213.1.1.1.29", "2024.01"),
        Code("IMP", _ACT_CODE, "Hospitalisation"),
    ),
    "synthese": _Model(
        Code("60591-5", _LOINC, "Synthèse médicale"),
        "Synthèse médicale",
        Id("1.2.250.1.213.1.1.1.13", "2024.01"),
        Code("AMB", _ACT_CODE, "Consultation"),
    ),
    "biologie": _Model(
        Code("11502-2", _LOINC, "CR d'examens biologiques"),
        "Compte rendu d'examens de biologie",
        Id("1.2.250.1.213.1.1.1.55", "2024.01"),
        Code("18719-5", _LOINC, "Biochimie"),
    ),
}

# Measures of the laboratory report: (LOINC, label, value, unit, low, high, interpretation).
_MEASURES = (
    ("14749-6", "Glucose [Moles/Volume] Sérum ou plasma", "5.4", "mmol/L", "4.1", "6.1", "N"),
    ("14682-9", "Créatinine [Moles/Volume] Sérum ou plasma", "72", "umol/L", "45", "84", "N"),
    ("4548-4", "Hémoglobine A1c/Hémoglobine totale", "6.8", "%", "4.0", "6.0", "H"),
    ("2947-0", "Sodium [Moles/Volume] Sang", "140", "mmol/L", "136", "145", "N"),
)


def write(kind: Kind, patient: "ins.Person", author: country.Professional, *, number: int = 0) -> Written:
    """A document of this kind by this professional; `number` sets apart several of one kind and moves them back in time."""
    day = datetime(2025, 11, 17, 9, 30, tzinfo=UTC) - timedelta(days=23 * number)
    return _written(kind, traits_of(patient), author, day, f"{patient.patient}/{author.rpps}/{kind}/{number}")


def _written(kind: Kind, traits: interop.Traits, author: country.Professional, day: datetime, mark: str) -> Written:
    model = _MODELS[kind]
    facts = _header(model, traits, author, day, mark)
    if kind == "ordonnance":
        return Written(_prescription(facts, author, day), model.title, day)
    sections, finish = {"lettre": _letter, "synthese": _synthesis, "biologie": _laboratory}[kind]()
    document = etree.fromstring(interop.compose(facts, sections=sections))
    finish(document, day, facts)
    return Written(etree.tostring(document, xml_declaration=True, encoding="UTF-8"), model.title, day)


def traits_of(patient: "ins.Person") -> interop.Traits:
    """The patient as a header names them."""
    traits = patient.traits
    return interop.Traits(
        matricule=patient.matricule.value,
        oid=patient.matricule.oid,
        birth_name=traits.family,
        given_names=traits.given_list,
        first_given=traits.given,
        birth_date=traits.birth_date.isoformat() if traits.birth_date else "",
        sex=traits.sex,
        birth_place=traits.birth_place,
    )


def _oid(text: str) -> Id:
    # Numbers derived from a UUID have their own arc (ITU-T X.667), so no registration authority is usurped.
    return Id(f"2.25.{uuid.uuid5(_NAMESPACE, text).int}")


def _header(
    model: _Model, traits: interop.Traits, author: country.Professional, day: datetime, mark: str
) -> CdaMetadata:
    moment = day.isoformat(timespec="seconds")
    specialty = f"G15_{author.profession}" + (f"/{author.specialty}" if author.specialty else "")
    structure = author.structure
    place = Organisation(
        structure.name, Id(interop.IDNAT_STRUCT, f"1{structure.finess}"), Code("AMBULATOIRE", _SETTING, "Ambulatoire")
    )
    who = Participant(
        ident=Id(interop.IDNAT_PS, author.idnat),
        name=f"{author.given} {author.family}",
        specialty=Code(specialty, _SPECIALTY, ""),
        time=moment,
        organisation=place,
    )
    ident = _oid(mark)
    return CdaMetadata(
        id=ident,
        set_id=ident,
        version=1,
        code=model.code,
        title=model.title,
        effective_time=moment,
        confidentiality=Code("N", "2.16.840.1.113883.5.25", "Normal"),
        language="fr-FR",
        traits=traits,
        authors=(who,),
        custodian=Organisation(structure.name, Id(interop.IDNAT_STRUCT, f"1{structure.finess}")),
        legal_authenticator=who,
        performer=who,
        service_start=moment,
        acts=(model.act,),
        facility_type=Code(structure.sector, _SECTOR, ""),
        encounter_type=Code("AMB", _ACT_CODE, "Ambulatoire"),
        practice_setting=Code("AMBULATOIRE", _SETTING, "Ambulatoire"),
        template_ids=(model.template,) if model.template else (),
    )


def _prescription(facts: CdaMetadata, author: country.Professional, day: datetime) -> bytes:
    lines = [
        f"Dr {author.given} {author.family}",
        author.structure.name,
        f"Le {day:%d/%m/%Y}",
        "",
        f"{facts.traits.first_given} {facts.traits.birth_name}",
        "",
        "PARACÉTAMOL 1 g, comprimé : 1 comprimé en cas de douleur,",
        "au plus 3 par jour, pendant 5 jours.",
        "",
        "Document d'exemple : patient et prescripteur inventés.",
    ]
    return interop.compose(facts, payload=pdf.page("Ordonnance", lines), media_type="application/pdf")


_Sections = Sequence[Section]


def _letter() -> tuple[_Sections, Any]:
    sections = (
        Section(
            Code("42349-1", _LOINC, "Raison de la recommandation"),
            "Motif de l'hospitalisation",
            ["Douleur thoracique atypique à l'effort."],
        ),
        Section(
            Code("8648-8", _LOINC, "Événements pendant l'hospitalisation"),
            "Synthèse du séjour",
            ["Électrocardiogramme et troponine sans anomalie.", "Épreuve d'effort maximale, négative."],
        ),
        Section(Code("48765-2", _LOINC, "Allergies"), "Allergies", ["Aucune allergie connue."]),
        Section(
            Code("10183-2", _LOINC, "Traitements à la sortie"), "Traitements à la sortie", ["Aucun traitement nouveau."]
        ),
        Section(
            Code("18776-5", _LOINC, "Plan de soins"),
            "Suites à donner",
            ["Consultation du médecin traitant dans un mois."],
        ),
    )

    def finish(document: Any, day: datetime, facts: CdaMetadata) -> None:
        _template(document, "48765-2", "1.2.250.1.213.1.1.2.137")
        _template(document, "18776-5", "1.2.250.1.213.1.1.2.158")
        _observation_entry(document, "48765-2", facts, day, Code("ALG", _ACT_CODE, "Allergie"), Code("160244002", "2.16.840.1.113883.6.96", "Pas d'allergie connue"))  # fmt: skip

    return sections, finish


def _synthesis() -> tuple[_Sections, Any]:
    sections = (
        Section(
            Code("11450-4", _LOINC, "Problèmes actifs"),
            "Problèmes actifs",
            ["Diabète de type 2 équilibré, connu depuis 2019."],
        ),
        Section(Code("11348-0", _LOINC, "Antécédents médicaux"), "Antécédents", ["Appendicectomie en 2001."]),
        Section(Code("48765-2", _LOINC, "Allergies"), "Allergies", ["Aucune allergie connue."]),
        Section(
            Code("10160-0", _LOINC, "Traitements"), "Traitements au long cours", ["Metformine 850 mg, matin et soir."]
        ),
    )

    def finish(document: Any, day: datetime, facts: CdaMetadata) -> None:
        _template(document, "11450-4", "1.2.250.1.213.1.1.2.132")
        _template(document, "11348-0", "1.2.250.1.213.1.1.2.134")
        _template(document, "48765-2", "1.2.250.1.213.1.1.2.137")
        _template(document, "10160-0", "1.2.250.1.213.1.1.2.143")
        icd10 = "2.16.840.1.113883.6.3"
        _observation_entry(document, "11450-4", facts, day, Code("MED-292", "1.2.250.1.213.1.1.4.322", "Problème"), Code("E11.9", icd10, "Diabète de type 2 sans complication"))  # fmt: skip

    return sections, finish


def _laboratory() -> tuple[_Sections, Any]:
    paragraphs = [
        f"{label} : {value} {unit} (référence {low} à {high})" for _, label, value, unit, low, high, _ in _MEASURES
    ]
    sections = (Section(Code("18719-5", _LOINC, "Biochimie"), "Biochimie", paragraphs),)

    def finish(document: Any, day: datetime, facts: CdaMetadata) -> None:
        section = _section(document, "18719-5")
        _insert_template(section, "1.3.6.1.4.1.19376.1.3.3.2.1")
        act = _add(_add(section, "entry", typeCode="DRIV"), "act", classCode="ACT", moodCode="EVN")
        _add(act, "templateId", root="1.3.6.1.4.1.19376.1.3.1")
        _add(act, "code", code="18719-5", codeSystem=_LOINC, displayName="Biochimie")
        _add(act, "statusCode", code="completed")
        organizer = _add(
            _add(act, "entryRelationship", typeCode="COMP"), "organizer", classCode="BATTERY", moodCode="EVN"
        )
        _add(organizer, "statusCode", code="completed")
        _add(organizer, "effectiveTime", value=_hl7(day))
        for measure in _MEASURES:
            _measure(organizer, measure, day, facts)

    return sections, finish


def _measure(organizer: Any, measure: tuple[str, ...], day: datetime, facts: CdaMetadata) -> None:
    code, label, value, unit, low, high, meaning = measure
    observation = _add(_add(organizer, "component", typeCode="COMP"), "observation", classCode="OBS", moodCode="EVN")
    _add(observation, "templateId", root="1.3.6.1.4.1.19376.1.3.1.6")
    _add(observation, "id", root=_oid(f"{facts.id}/{code}").root)
    _add(observation, "code", code=code, codeSystem=_LOINC, displayName=label)
    _add(observation, "statusCode", code="completed")
    _add(observation, "effectiveTime", value=_hl7(day))
    _typed(_add(observation, "value", value=value, unit=unit), "PQ")
    _add(observation, "interpretationCode", code=meaning, codeSystem=_INTERPRETATION)
    range_ = _add(
        _add(observation, "referenceRange", typeCode="REFV"), "observationRange", classCode="OBS", moodCode="EVN.CRT"
    )
    bounds = _typed(_add(range_, "value"), "IVL_PQ")
    _add(bounds, "low", value=low, unit=unit)
    _add(bounds, "high", value=high, unit=unit)


def _observation_entry(
    document: Any, section_code: str, facts: CdaMetadata, day: datetime, code: Code, value: Code
) -> None:
    section = _section(document, section_code)
    observation = _add(_add(section, "entry"), "observation", classCode="OBS", moodCode="EVN")
    _add(observation, "id", root=_oid(f"{facts.id}/{section_code}").root)
    _add(observation, "code", code=code.code, codeSystem=code.system, displayName=code.display)
    _add(observation, "statusCode", code="completed")
    _add(_add(observation, "effectiveTime"), "low", value=_hl7(day)[:8])
    _typed(_add(observation, "value", code=value.code, codeSystem=value.system, displayName=value.display), "CD")


def _hl7(day: datetime) -> str:
    return f"{day:%Y%m%d%H%M%S}+0000"


def _add(parent: Any, tag: str, **attributes: str) -> Any:
    return etree.SubElement(parent, f"{{{_HL7}}}{tag}", attributes)


def _typed(node: Any, kind: str) -> Any:
    node.set("{http://www.w3.org/2001/XMLSchema-instance}type", kind)
    return node


def _section(document: Any, code: str) -> Any:
    for section in document.iter(f"{{{_HL7}}}section"):
        if section.find(f"{{{_HL7}}}code").get("code") == code:
            return section
    raise LookupError(code)


def _insert_template(section: Any, root: str) -> None:
    section.insert(0, etree.Element(f"{{{_HL7}}}templateId", {"root": root}))


def _template(document: Any, code: str, root: str) -> None:
    _insert_template(_section(document, code), root)
