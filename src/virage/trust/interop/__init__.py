"""Interoperability of documents: the CI-SIS layer that reads, judges, describes and shows CDA R2 documents.

Authority: CI-SIS « structuration minimale » and content modules (ANS), HL7 CDA R2, IHE XDS/MHD metadata. Left out: the
schematrons of each content module (sections and entries are shown, not judged).
"""

from virage.trust.interop.checks import Report, check
from virage.trust.interop.compose import Section, compose
from virage.trust.interop.describe import class_concept, document_reference, hash_of
from virage.trust.interop.readdress import readdress
from virage.trust.interop.reader import MAX_BYTES, is_cda_type
from virage.trust.interop.render import page, piece, render
from virage.trust.interop.values import (
    IDNAT_PS,
    IDNAT_STRUCT,
    INS_OIDS,
    CdaMetadata,
    Code,
    Id,
    Organisation,
    Participant,
    Traits,
)
from virage.trust.interop.volets import DocumentType, category_of, classes, document_types

__all__ = [
    "IDNAT_PS",
    "IDNAT_STRUCT",
    "INS_OIDS",
    "MAX_BYTES",
    "CdaMetadata",
    "Code",
    "DocumentType",
    "Id",
    "Organisation",
    "Participant",
    "Report",
    "Section",
    "Traits",
    "category_of",
    "check",
    "class_concept",
    "classes",
    "compose",
    "document_reference",
    "document_types",
    "hash_of",
    "is_cda_type",
    "page",
    "piece",
    "readdress",
    "render",
]
