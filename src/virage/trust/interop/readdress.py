"""Sets the patient of a CDA header to an identity: for forms, tests and journeys that start from a model document."""

from typing import Any

from lxml import etree

from virage.core.errors import Malformed
from virage.trust.interop.header import find, find_all
from virage.trust.interop.reader import CDA, read
from virage.trust.interop.values import INS_OIDS, Id, Traits

_NAME_ORDER = ("family", "BR"), ("given", ""), ("given", "BR"), ("family", "CL"), ("given", "CL")


def _element(parent: Any, tag: str, text: str = "", **attributes: str) -> Any:
    node = etree.SubElement(parent, f"{{{CDA}}}{tag}", {k: v for k, v in attributes.items() if v})
    node.text = text or None
    return node


def readdress(document: bytes, identity: Traits, *, unique_id: Id | None = None) -> bytes:
    """The same document about another person: INS, names, birth date, sex and birth place of the header are replaced.

    Other identifiers, addresses and the body stay. With `unique_id` the document gets that `id`, as a new document. Raises
    `Malformed` as `check` does, and `INTEROP.NO_PATIENT` without a `patientRole`.
    """
    read(document)  # refuses what is not safe, before the tree below keeps comments and instructions
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    tree = etree.fromstring(document, parser).getroottree()
    root = next(tree.iter(f"{{{CDA}}}ClinicalDocument"))
    role = find(root, "recordTarget/patientRole")
    patient = find(role, "patient")
    if patient is None:
        raise Malformed("L'en-tête ne désigne aucun patient.", code="INTEROP.NO_PATIENT")
    for node in find_all(role, "id"):
        if node.get("root") in INS_OIDS:
            role.remove(node)
    role.insert(0, etree.Element(f"{{{CDA}}}id", {"extension": identity.matricule, "root": identity.oid}))
    for node in find_all(patient, "name"):
        patient.remove(node)
    name = etree.Element(f"{{{CDA}}}name")
    ids = len(find_all(patient, "id"))
    patient.insert(ids, name)
    texts = {
        ("family", "BR"): identity.birth_name,
        ("given", ""): identity.given_names,
        ("given", "BR"): identity.first_given,
        ("family", "CL"): identity.used_name or identity.birth_name,
        ("given", "CL"): identity.used_given or identity.first_given,
    }
    for tag, qualifier in _NAME_ORDER:
        _element(name, tag, texts[tag, qualifier], qualifier=qualifier)
    _replace(patient, "administrativeGenderCode", "name", code=identity.sex, codeSystem="2.16.840.1.113883.5.1")
    _replace(patient, "birthTime", "administrativeGenderCode", value=identity.birth_date.replace("-", ""))
    county = find(patient, "birthplace/place/addr/county")
    if county is None:
        place = find(patient, "birthplace")
        if place is not None:
            patient.remove(place)
        county = _element(_element(_element(_element(patient, "birthplace"), "place"), "addr"), "county")
    for sibling in find_all(county.getparent(), "city"):
        county.getparent().remove(sibling)
    county.text = identity.birth_place
    if unique_id is not None:
        node = find(root, "id")
        node.set("root", unique_id.root)
        node.attrib.pop("extension", None)
        if unique_id.extension:
            node.set("extension", unique_id.extension)
    return bytes(etree.tostring(tree, xml_declaration=True, encoding="UTF-8"))


def _replace(patient: Any, tag: str, after: str, **attributes: str) -> None:
    """Sets the attributes of an element, creating it after another when it is missing (CDA orders its children)."""
    node = find(patient, tag)
    if node is None:
        node = etree.Element(f"{{{CDA}}}{tag}")
        find_all(patient, after)[-1].addnext(node)
    node.attrib.clear()
    for key, value in attributes.items():
        node.set(key, value)
