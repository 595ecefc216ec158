"""Children prepare the lines of a large import: the same resources and rejects, whatever happens to the children."""

import os
import signal
from dataclasses import replace

import pytest

from tests.core.fhir.bulk.test_import import _finish, _lines, _order, _rejects, _world
from tests.core.fhir.router.conftest import SOFTWARE, observation
from virage.core.fhir.bulk import importing, preparing
from virage.core.fhir.bulk.preparing import Order, Piece
from virage.core.fhir.index import registry

BAD = [b"{not json", b'{"resourceType":"Nothing"}', observation("Patient/p1", status="wrong")]


@pytest.fixture
def children(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    monkeypatch.setenv("VIRAGE_IMPORT_PROCESSES", "1")
    monkeypatch.setattr(preparing, "_LARGE", 0)
    monkeypatch.setattr(importing, "_PIECE", 20)
    monkeypatch.setattr(importing, "BATCH", 60)
    yield preparing._children
    preparing._children.close()


def test_children_give_the_same_and_are_kept_between_slices(ask, children):
    lines = [*_world(70), *BAD, *_world(3), b"", BAD[0]]
    status = _order(ask, _lines(lines))
    job = status.partition("job=")[2]
    assert importing.run(job, seconds=-1), "one batch, then others have their turn"
    first = children.pids
    manifest = _finish(ask, status, seconds=-1)
    assert children.pids == first
    assert manifest["extension"] == {"written": 71, "present": 4, "rejected": 4}
    assert [each["id"] for each in _rejects(manifest)] == [f"input-0-line-{number}" for number in (72, 73, 74, 80)]
    assert ask("GET", "Observation?patient=p1&code=8867-4&_total=accurate").json["total"] == 70
    assert ask("GET", "Observation/o7").json["meta"]["lastUpdated"] > "2020"


def test_a_child_that_is_killed_loses_and_doubles_nothing(ask, children):
    status = _order(ask, _lines(_world(150)))
    job = status.partition("job=")[2]
    assert importing.run(job, seconds=-1)
    for pid in children.pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Exception, match=r"terminated abruptly"):
        while importing.run(job):
            pass
    assert _finish(ask, status)["extension"] == {"written": 151, "present": 0, "rejected": 0}


def test_few_lines_need_no_child(monkeypatch):
    monkeypatch.setenv("VIRAGE_IMPORT_PROCESSES", "3")
    assert preparing.wanted(preparing._LARGE - 1) == 0
    assert preparing.wanted(preparing._LARGE) == 3
    monkeypatch.setenv("VIRAGE_IMPORT_PROCESSES", "0")
    assert preparing.wanted(1 << 40) == 0
    monkeypatch.delenv("VIRAGE_IMPORT_PROCESSES")
    assert preparing.wanted(1 << 40) >= 1


def test_rights_are_those_of_the_order(db):
    """What one order allows is not what the next one does."""
    line = _lines([observation("Patient/p1")])
    piece = Piece(0, 1, [line])
    assert len(preparing.prepare(Order("fhir", SOFTWARE, "1"), piece).packed) == 1
    reader = replace(SOFTWARE, scopes=frozenset({"system/*.rs"}))
    told = preparing.prepare(Order("fhir", reader, "2"), piece)
    assert (len(told.packed), len(told.refused)) == (0, 1)
    assert len(preparing.prepare(Order("fhir", SOFTWARE, "1"), piece).packed) == 1


def test_a_child_plans_by_the_index_that_its_parent_knows(children):
    piece = Piece(0, 1, [_lines([observation("Patient/p1")])])
    order = Order("fhir", SOFTWARE, "1")
    with preparing.preparers(1) as made:
        before = registry.shared()
        assert made.submit(order, piece).result().packed[0].epoch == before.epoch
        registry.adopt(registry.Known(before.epoch + 7, before.revised, before.own))
        try:
            assert made.submit(order, piece).result().packed[0].epoch == before.epoch + 7
        finally:
            registry.adopt(before)
