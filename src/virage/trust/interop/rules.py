"""What the CI-SIS asks of a CDA header (structuration minimale), as pure functions over values and the tree.

Source: CI-SIS, volet « Structuration minimale de documents de santé »; models and codes in `data/`. Every finding carries an
XPath-like path and a French sentence. Errors are what the text calls mandatory; what it recommends, or what depends on a
table that may have moved on, is a warning.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from virage.core.errors import Issue
from virage.trust.interop import volets
from virage.trust.interop.header import find, find_all, main_service_event, text_of
from virage.trust.interop.timestamps import has_zone, parse
from virage.trust.interop.values import IDNAT_PS, CdaMetadata, Traits

ROOT = "/ClinicalDocument"
LEGAL_TELECOM = frozenset({"tel", "fax", "mailto", "http", "https", "ftp", "mllp"})
TELECOM_USES = frozenset({"H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG"})
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_MATRICULE = re.compile(r"[0-9]{5}[0-9AB][0-9]{9}", re.ASCII)
_COG = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)


def _error(path: str, text: str, code: str = "required") -> Issue:
    return Issue(code, text, f"{ROOT}{path}")


def _warning(path: str, text: str) -> Issue:
    return Issue("value", text, f"{ROOT}{path}", "warning")


def is_root(value: str) -> bool:
    """Whether a `root` attribute is an OID or a UUID."""
    return bool(_OID.fullmatch(value) or _UUID.fullmatch(value))


def fold(name: str) -> str:
    """A name as identities compare it: capitals, no accent, apostrophes and hyphens as spaces (RNIV)."""
    plain = unicodedata.normalize(
        "NFKD", name.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae").replace("Æ", "AE")
    )
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^A-Z0-9]+", " ", kept.upper()).split())


def header_issues(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    """Every finding on the header of a tree already read; in document order as far as possible."""
    yield from _conformance(root, facts)
    yield from _description(root, facts)
    yield from _patient(root, facts)
    yield from _participants(root, facts)
    yield from _act(root, facts)
    yield from _body(root, facts)
    yield from _telecoms(root)


def _conformance(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    realm, kind = find(root, "realmCode"), find(root, "typeId")
    if realm is None or realm.get("code") != "FR":
        yield _error("/realmCode/@code", "Le périmètre d'utilisation doit être « FR ».", "value")
    if kind is None or (kind.get("root"), kind.get("extension")) != ("2.16.840.1.113883.1.3", "POCD_HD000040"):
        yield _error(
            "/typeId", "Déclarez la conformité au standard CDA R2 (2.16.840.1.113883.1.3, POCD_HD000040).", "value"
        )
    roots = {one.root for one in facts.template_ids}
    for wanted, what in ((volets.HL7_FRANCE, "aux spécifications HL7 France"), (volets.CI_SIS, "au CI-SIS")):
        if wanted not in roots:
            yield _error("/templateId", f"Déclarez la conformité {what} : templateId {wanted}.")
    if facts.level == "N1":
        if volets.N1_TEMPLATE not in roots:
            yield _error("/templateId", f"Un document non structuré déclare le templateId {volets.N1_TEMPLATE}.")
        if roots - {volets.HL7_FRANCE, volets.CI_SIS, volets.N1_TEMPLATE}:
            yield _error("/templateId", "Un document non structuré ne déclare aucun autre modèle.", "value")
    elif not facts.model:
        yield _warning(
            "/templateId", "Le modèle de ce document n'est pas dans nos tables : il est pris « hors profils »."
        )


def _description(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    for tag, value, what in (
        ("id", facts.id, "L'identifiant unique du document"),
        ("setId", facts.set_id, "L'identifiant du lot de versions"),
    ):
        if value is None:
            yield _error(f"/{tag}", f"{what} est obligatoire (attribut root).")
        elif not is_root(value.root):
            yield _error(f"/{tag}/@root", f"{what} doit être un OID ou un UUID.", "value")
    if len(find_all(root, "id")) > 1:
        yield _error("/id", "Un seul identifiant de document est permis.", "value")
    if facts.version is None:
        yield _error("/versionNumber/@value", "Le numéro de version (entier) est obligatoire.")
    if facts.code is None or not facts.code.system:
        yield _error("/code", "Le type du document (code et codeSystem) est obligatoire.")
    elif facts.code.code not in volets.document_types():
        yield _warning("/code/@code", "Ce type de document n'est pas dans le jeu de valeurs JDV_J07 connu ici.")
    else:
        volet = volets.recognise(facts.template_ids)
        if volet and facts.code.code not in volet.types:
            yield _warning("/code/@code", f"Le modèle « {volet.title} » attend un autre type de document.")
    if not facts.title:
        yield _error("/title", "Le titre du document est obligatoire.")
    yield from _time(root, "effectiveTime", "La date de création du document", zone=True)
    if facts.confidentiality is None:
        yield _error("/confidentialityCode", "Le niveau de confidentialité est obligatoire (N, R ou V).")
    elif facts.confidentiality.code not in {"N", "R", "V"}:
        yield _error("/confidentialityCode/@code", "Le niveau de confidentialité est N, R ou V.", "value")
    if not facts.language:
        yield _error("/languageCode/@code", "La langue du document est obligatoire (fr-FR).")
    elif not facts.language.lower().startswith("fr"):
        yield _warning("/languageCode/@code", "La langue attendue est fr-FR.")
    for node in find_all(root, "relatedDocument"):
        if node.get("typeCode") != "RPLC":
            yield _warning("/relatedDocument/@typeCode", "Seul le remplacement (RPLC) est prévu par le CI-SIS.")
        if find(node, "parentDocument/id") is None:
            yield _error("/relatedDocument/parentDocument/id", "Le document lié doit être identifié.")
    if (facts.version or 0) > 1 and facts.replaces is None:
        yield _warning("/relatedDocument", "Une version au-delà de la première désigne celle qu'elle remplace (RPLC).")


def _time(node: Any, path: str, what: str, *, zone: bool) -> Iterator[Issue]:
    found = find(node, path)
    value = found.get("value") if found is not None else None
    if not value:
        yield _error(f"/{path}/@value", f"{what} est obligatoire.")
    elif parse(value) is None:
        yield _error(f"/{path}/@value", f"{what} n'est pas une date HL7 (AAAAMMJJHHMMSS+ZZZZ).", "value")
    elif zone and not has_zone(value):
        yield _error(f"/{path}/@value", f"{what} doit porter son fuseau horaire (+ZZZZ).", "value")


def _patient(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    where = "/recordTarget/patientRole"
    targets = find_all(root, "recordTarget/patientRole")
    if len(targets) != 1:
        yield _error(where, "Le document concerne un patient et un seul.", "required" if not targets else "value")
        return
    if not facts.patient_ids:
        yield _error(f"{where}/id", "Le patient doit être identifié.")
    traits = facts.traits
    if not traits.matricule:
        yield _warning(f"{where}/id", "L'INS du patient est absente : le document ne pourra pas être partagé.")
        if not find_all(targets[0], "patient/name"):
            yield _error(f"{where}/patient/name", "Le nom du patient est obligatoire.")
        return
    if not _MATRICULE.fullmatch(traits.matricule):
        yield _error(
            f"{where}/id/@extension", "Le matricule INS compte 13 caractères et une clé de 2 chiffres.", "value"
        )
    for value, path, what in (
        (traits.birth_name, 'patient/name/family[@qualifier="BR"]', "le nom de naissance"),
        (traits.given_names, "patient/name/given", "la liste des prénoms de naissance"),
        (traits.first_given, 'patient/name/given[@qualifier="BR"]', "le premier prénom de naissance"),
        (traits.birth_date, "patient/birthTime", "la date de naissance"),
        (traits.sex, "patient/administrativeGenderCode", "le sexe"),
        (traits.birth_place, "patient/birthplace/place/addr/county", "le code COG du lieu de naissance"),
    ):
        if not value:
            yield _error(f"{where}/{path}", f"Avec une INS, {what} est obligatoire.")
    if traits.sex and traits.sex not in {"M", "F", "U"}:
        yield _error(f"{where}/patient/administrativeGenderCode", "Le sexe est M, F ou U.", "value")
    if traits.birth_place and not _COG.fullmatch(traits.birth_place):
        yield _error(
            f"{where}/patient/birthplace/place/addr/county",
            "Le lieu de naissance est un code COG de 5 caractères.",
            "value",
        )


def _participants(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    authors = find_all(root, "author")
    if not authors:
        yield _error("/author", "Au moins un auteur est obligatoire.")
    for number, node in enumerate(authors, 1):
        at = f"/author[{number}]"
        who = find(node, "assignedAuthor")
        if find(node, "time") is None:
            yield _error(f"{at}/time", "La date de participation de l'auteur est obligatoire.")
        if find(who, "id") is None:
            yield _error(f"{at}/assignedAuthor/id", "L'auteur doit être identifié.")
        if find(who, "assignedPerson") is None and find(who, "assignedAuthoringDevice") is None:
            yield _error(f"{at}/assignedAuthor", "L'auteur est une personne ou un système.")
        for one in find_all(who, "id"):
            if one.get("root") == IDNAT_PS and not (one.get("extension") or "").strip():
                yield _error(
                    f"{at}/assignedAuthor/id/@extension", "L'identifiant national du professionnel est vide.", "value"
                )
    if facts.custodian is None:
        yield _error("/custodian", "L'organisation qui conserve le document est obligatoire.")
    elif facts.custodian.ident is None:
        yield _error(
            "/custodian/assignedCustodian/representedCustodianOrganization/id",
            "L'organisation qui conserve le document doit être identifiée.",
        )
    legal = find_all(root, "legalAuthenticator")
    if len(legal) != 1:
        yield _error("/legalAuthenticator", "Un responsable du document et un seul est obligatoire.")
        return
    if find(legal[0], "time") is None:
        yield _error("/legalAuthenticator/time", "La date de prise de responsabilité est obligatoire.")
    if find(legal[0], "assignedEntity/id") is None:
        yield _error("/legalAuthenticator/assignedEntity/id", "Le responsable du document doit être identifié.")
    signed = find(legal[0], "signatureCode")
    if signed is None or signed.get("code") != "S":
        yield _error(
            "/legalAuthenticator/signatureCode/@code",
            "Le responsable signe le document : signatureCode « S ».",
            "value",
        )


def _act(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    where = "/documentationOf/serviceEvent"
    event = main_service_event(root)
    if event is None:
        yield _error(where, "L'acte principal documenté est obligatoire.")
    else:
        if find(event, "performer/assignedEntity") is None:
            yield _error(f"{where}/performer", "L'exécutant de l'acte principal est obligatoire.")
        if find(event, "effectiveTime") is None or not facts.service_start:
            yield _error(f"{where}/effectiveTime/low", "La date de début de l'acte principal est obligatoire.")
        if facts.practice_setting is None:
            yield _error(
                f"{where}/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
                "Le cadre d'exercice de l'exécutant est obligatoire.",
            )
    encounter = find(root, "componentOf/encompassingEncounter")
    if encounter is None:
        yield _error(
            "/componentOf/encompassingEncounter", "La prise en charge (encompassingEncounter) est obligatoire."
        )
        return
    if find(encounter, "effectiveTime") is None:
        yield _error(
            "/componentOf/encompassingEncounter/effectiveTime", "Les dates de la prise en charge sont obligatoires."
        )
    if facts.facility_type is None:
        yield _error(
            "/componentOf/encompassingEncounter/location/healthCareFacility/code",
            "La modalité d'exercice (type de structure) est obligatoire.",
        )


def _body(root: Any, facts: CdaMetadata) -> Iterator[Issue]:
    if facts.level == "N1":
        if not text_of(find(root, "component/nonXMLBody/text")):
            yield _error("/component/nonXMLBody/text", "Le corps du document est vide.")
        if facts.media_type.split(";")[0].strip().lower() not in volets.formats_n1():
            yield _error(
                "/component/nonXMLBody/text/@mediaType",
                "Le corps non structuré est un PDF, un texte, un RTF, un JPEG ou un TIFF.",
                "value",
            )
    elif find(root, "component/structuredBody") is None:
        yield _error("/component", "Le document n'a pas de corps.")
    elif not find_all(root, "component/structuredBody/component/section"):
        yield _error("/component/structuredBody", "Le corps structuré ne contient aucune section.")


def _telecoms(root: Any) -> Iterator[Issue]:
    """Addresses are `prefix:value`; each distinct mistake is told once."""
    wrong = set()
    for node in root.iter("{urn:hl7-org:v3}telecom"):
        value, use = node.get("value"), node.get("use")
        if value and value.partition(":")[0].lower() not in LEGAL_TELECOM:
            wrong.add("Une adresse de télécommunication commence par tel:, fax:, mailto:, http:, ftp: ou mllp:.")
        if use and not set(use.split()) <= TELECOM_USES:
            wrong.add("L'usage d'une adresse de télécommunication n'est pas reconnu.")
    for text in sorted(wrong):
        yield _warning("//telecom", text)


def identity_issues(traits: Traits, identity: Traits) -> Iterator[Issue]:
    """Where the header's patient is not that person; trait values stay out of the sentences.

    Names compare folded; an empty trait of the identity is not compared; the list of given names only warns.
    """
    where = "/recordTarget/patientRole"
    if not traits.matricule:
        yield _error(f"{where}/id", "L'INS du patient est absente de l'en-tête du document.")
        return
    if traits.matricule != identity.matricule or (identity.oid and traits.oid != identity.oid):
        yield _error(f"{where}/id", "L'INS de l'en-tête n'est pas celle du patient désigné.", "conflict")
        return
    for mine, theirs, path, what in (
        (fold(traits.birth_name), fold(identity.birth_name), "patient/name/family", "Le nom de naissance"),
        (fold(traits.first_given), fold(identity.first_given), "patient/name/given", "Le premier prénom de naissance"),
        (
            fold(traits.given_names),
            fold(identity.given_names),
            "patient/name/given",
            "La liste des prénoms de naissance",
        ),
        (traits.birth_date, identity.birth_date, "patient/birthTime", "La date de naissance"),
        (traits.sex, identity.sex, "patient/administrativeGenderCode", "Le sexe"),
        (traits.birth_place, identity.birth_place, "patient/birthplace", "Le lieu de naissance"),
    ):
        if theirs and mine != theirs:
            yield _error(f"{where}/{path}", f"{what} de l'en-tête diffère de l'identité du patient.", "conflict")
    if identity.given_names and fold(traits.given_names) != fold(identity.given_names):
        # Many registries hold the first name alone: the list is told, the first name decides.
        yield _warning(
            f"{where}/patient/name/given", "La liste des prénoms de naissance diffère de l'identité du patient."
        )
