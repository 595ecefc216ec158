"""What the desk shows of its own."""

from typing import Any

from virage.platforms.bsp.models import Alert
from virage.trust import annuaire, ins


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
