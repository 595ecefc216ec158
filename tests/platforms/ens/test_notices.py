"""What a holder is told of, and in which order."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from virage.core.callers import Caller
from virage.platforms.ens import actions, queries
from virage.platforms.ens.models import Notice

CLAIRE = Caller("citizen", "claire", patient="claire", name="Claire")
KINDS = ("dmp.glass_broken", "dmp.withdrawn", *["dmp.published"] * 5)


@pytest.fixture
def told(db) -> None:
    """A broken glass, then six newer notices."""
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    for rank, kind in enumerate(KINDS):
        Notice.objects.create(
            patient="claire",
            kind=kind,
            about=f"DocumentReference/d{rank}" if kind != "dmp.glass_broken" else "",
            event=uuid.uuid4(),
            created_at=begin + timedelta(hours=rank),
        )


@pytest.mark.usefixtures("told")
def test_the_urgent_comes_first_however_much_is_newer() -> None:
    first, second, _ = queries.notices("claire", unread=True, count=3)
    assert first["urgent"]
    assert second["document"] == "d6"
    assert queries.unread_count("claire") == len(KINDS)


@pytest.mark.usefixtures("told")
def test_a_withdrawn_document_is_told_of_without_a_link_that_would_be_refused() -> None:
    withdrawn = next(one for one in queries.notices("claire") if "retiré" in one["text"])
    assert withdrawn["document"] == ""


@pytest.mark.usefixtures("told")
def test_all_are_marked_as_read_but_the_urgent() -> None:
    assert actions.mark_all_read(by=CLAIRE) == len(KINDS) - 1
    assert [one["urgent"] for one in queries.notices("claire", unread=True)] == [True]
    assert actions.mark_all_read(by=CLAIRE) == 0
