"""What the desk shows of its own."""

from typing import Any

from virage.core.callers import Caller
from virage.platforms.bsp.models import Alert
from virage.services import dmp
from virage.trust import annuaire, ins


def patients(by: Caller, count: int) -> list[ins.Identity]:
    """Those who opened their record to this professional, the latest first."""
    opened = dmp.records_open_to(by, count)
    known = ins.of_patients(opened)
    return [known[one] for one in opened if one in known]


def alerts(professional: str, count: int = 20) -> list[dict[str, Any]]:
    """Alerts not yet read, newest first: `id`, `at`, `patient` (logical id), `identity`, `who` (name of who broke the glass)."""
    rows = list(Alert.objects.filter(professional=professional, read_at=None).order_by("-created_at")[:count])
    if not rows:
        return []
    people = ins.of_patients([row.patient for row in rows])
    names = annuaire.names(row.by[1:] for row in rows if row.by[:1] == "8" and len(row.by) == 12)
    return [
        {
            "id": row.pk,
            "at": row.created_at,
            "patient": row.patient,
            "identity": people.get(row.patient),
            "who": names.get(row.by[1:], row.by),
        }
        for row in rows
    ]
