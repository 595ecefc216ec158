"""Long data steps resume where they stopped."""

import pytest

from virage.core import db
from virage.core.db import backfill


@pytest.fixture
def step(own_database, monkeypatch):
    """Squares the numbers 1 to 10, three at a time; fails once in the midst when told to."""
    monkeypatch.setattr(backfill, "_steps", {})
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE square (n int PRIMARY KEY, s int)")
        cursor.execute("INSERT INTO square SELECT generate_series(1, 10)")
    state = {"fail_at": None}

    def piece(position):
        last = int(position or 0)
        with db.cursor() as cursor:
            rows = cursor.execute(
                "UPDATE square SET s = n * n WHERE n > %s AND n <= %s RETURNING n", (last, last + 3)
            ).fetchall()
        if state["fail_at"] == last:
            raise RuntimeError
        return str(max(row[0] for row in rows)) if rows else None

    backfill.register("test.squares", piece)
    return state


def done():
    with db.cursor() as cursor:
        return cursor.execute("SELECT count(s), coalesce(sum(s), 0) FROM square").fetchone()


def test_to_the_end(step):
    assert backfill.unfinished() == ["test.squares"]
    assert backfill.advance("test.squares") is True
    assert done() == (10, 385)
    assert backfill.unfinished() == []
    assert backfill.advance("test.squares") is True


def test_a_piece_that_fails_is_done_again_whole(step):
    step["fail_at"] = 3
    with pytest.raises(RuntimeError):
        backfill.advance("test.squares")
    assert done() == (3, 14)
    step["fail_at"] = None
    assert backfill.advance("test.squares", most=1) is False
    assert done()[0] == 6
    assert backfill.advance("test.squares") is True
    assert done() == (10, 385)
