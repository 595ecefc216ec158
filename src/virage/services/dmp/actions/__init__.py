"""Every change of state of the shared record. Keyword arguments only, `by` first; each is one transaction with its trace."""

from virage.services.dmp.actions.announcements import release_due, tell_waiting
from virage.services.dmp.actions.documents import (
    Deposited,
    archive,
    hide_from_patient,
    mask,
    publish,
    release,
    unarchive,
    unmask,
    update_metadata,
    withdraw,
)
from virage.services.dmp.actions.emergencies import break_glass
from virage.services.dmp.actions.permissions import authorise, block, declare_treating_doctor, refuse_emergency, unblock
from virage.services.dmp.actions.records import close, destroy_due, notify, open_due, open_record, oppose, reopen

__all__ = [
    "Deposited",
    "archive",
    "authorise",
    "block",
    "break_glass",
    "close",
    "declare_treating_doctor",
    "destroy_due",
    "hide_from_patient",
    "mask",
    "notify",
    "open_due",
    "open_record",
    "oppose",
    "publish",
    "refuse_emergency",
    "release",
    "release_due",
    "reopen",
    "tell_waiting",
    "unarchive",
    "unblock",
    "unmask",
    "update_metadata",
    "withdraw",
]
