"""Which CI-SIS model a document follows, and the XDS codes that its template or media type gives (tables in `data/`)."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from virage.trust.interop.values import Id

N1_TEMPLATE = "1.3.6.1.4.1.19376.1.2.20"
HL7_FRANCE = "2.16.840.1.113883.2.8.2.1"
CI_SIS = "1.2.250.1.213.1.1.1.1"
NO_PROFILE = "urn:asipSante:modelesHorsProfils:2011"


@dataclass(frozen=True, slots=True)
class Volet:
    """A document model: `types` are the document codes it may carry."""

    template: str
    title: str
    types: frozenset[str]
    format_code: str


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A `typeCode`: `system` an OID; `category` its class (TRE_A03); `mark` is `UM` when the class was set by label."""

    code: str
    system: str
    title: str
    category: str
    mark: str


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("virage.trust.interop") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter=";"))


@cache
def volets() -> dict[str, Volet]:
    """Document models by template OID."""
    return {
        row["template"]: Volet(row["template"], row["titre"], frozenset(row["types"].split()), row["format"])
        for row in _rows("volets.csv")
    }


@cache
def formats_n1() -> dict[str, str]:
    """`formatCode` by media type of an unstructured body."""
    return {row["media"]: row["format"] for row in _rows("formats_n1.csv")}


@cache
def classes() -> dict[str, str]:
    """Class titles by TRE_A03 code."""
    return {row["code"]: row["titre"] for row in _rows("classes.csv")}


@cache
def document_types() -> dict[str, DocumentType]:
    """Document types by code."""
    return {
        row["code"]: DocumentType(row["code"], row["systeme"], row["titre"], row["classe"], row["marque"])
        for row in _rows("types.csv")
    }


def recognise(templates: Iterable[Id]) -> Volet | None:
    """The most precise model among the declared templates; None for N1 and for models we do not know."""
    known = [volets()[one.root] for one in templates if one.root in volets()]
    return max(known, key=lambda volet: len(volet.template), default=None)


def format_of(volet: Volet | None, media_type: str, *, level: str) -> str:
    """XDS `formatCode`: by media type for N1 (ASS_A12), by template for N3 (ASS_A11), else « hors profils »."""
    if level == "N1":
        return formats_n1().get(media_type.split(";")[0].strip().lower(), NO_PROFILE)
    return volet.format_code if volet else NO_PROFILE


def category_of(type_code: str) -> str:
    """The class (TRE_A03) of a document type, empty when the type is unknown."""
    known = document_types().get(type_code)
    return known.category if known else ""
