"""What the law says of the shared medical record, as pure functions: life cycle, who may consult, what may be changed."""

from virage.services.dmp.rules.consultation import (
    BREAK_GLASS,
    NORMAL,
    REGULATION,
    Rights,
    may_consult,
    may_feed,
)
from virage.services.dmp.rules.lifecycle import (
    HIDDEN_DAYS,
    NOTICE_DAYS,
    RETENTION_YEARS,
    WAITING_DAYS,
    State,
    destruction_date,
    move,
    opening_date,
)
from virage.services.dmp.rules.lifecycle import LABELS as STATE_LABELS

__all__ = [
    "BREAK_GLASS",
    "HIDDEN_DAYS",
    "NORMAL",
    "NOTICE_DAYS",
    "REGULATION",
    "RETENTION_YEARS",
    "STATE_LABELS",
    "WAITING_DAYS",
    "Rights",
    "State",
    "destruction_date",
    "may_consult",
    "may_feed",
    "move",
    "opening_date",
]
