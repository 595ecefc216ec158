"""Dossier médical partagé (DMP): the shared record of each person, fed by professionals, read under rules, owned by its holder.

Authority: L. 1111-14 to L. 1111-21, R. 1111-26 to R. 1111-53 of the public health code; CI-SIS « partage de documents de
santé » (PDSm 3.1), IHE MHD; arrêté of 26/10/2023 (rights matrix). Left out: SOAP transactions (TD by XDS.b, later in
`/dmp/xds`), folders of patients' relatives, destruction of blobs shared by several documents.

Doors for other rooms: `documents_for`, `retrieve`, `traces_for`, `record_state`, `permissions`, `records_open_to`, `rights`,
`bulk_seed`, and the actions. Events: `dmp.notified`, `.opposed`, `.opened`, `.closed`, `.reopened`, `.destroyed`,
`.published`, `.replaced`, `.masked`, `.unmasked`, `.hidden`, `.released`, `.archived`, `.unarchived`, `.withdrawn`,
`.authorised`, `.blocked`, `.unblocked`, `.treating_doctor`, `.update_waiting`, `.glass_broken`; payloads hold ids only.
"""

from importlib import import_module
from typing import Any

# Fetched on first use: the rules must be readable before Django is set up.
_HOMES = {
    **dict.fromkeys(
        (
            "documents_for",
            "retrieve",
            "visible",
            "traces_for",
            "record_state",
            "permissions",
            "records_open_to",
            "document",
            "content",
        ),
        "queries",
    ),
    **dict.fromkeys(
        [
            "Deposited",
            "archive",
            "authorise",
            "block",
            "close",
            "declare_treating_doctor",
            "hide_from_patient",
            "mask",
            "notify",
            "open_due",
            "open_record",
            "oppose",
            "publish",
            "refuse_emergency",
            "release",
            "reopen",
            "unarchive",
            "unblock",
            "unmask",
            "update_metadata",
            "withdraw",
        ],
        "actions",
    ),
    "bulk_seed": "seeding",
    "Seed": "seeding",
    "SeedDocument": "seeding",
    "rights": "access",
    "is_author": "access",
    **dict.fromkeys(("State", "STATE_LABELS", "opening_date", "destruction_date"), "rules"),
    "summary": "summary",
    "simplified": "submission",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
