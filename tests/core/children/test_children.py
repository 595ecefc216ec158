"""Children do what they are asked, and what becomes of them is known."""

import os
import time

import pytest

from tests.core.children import at_work
from virage.core import children
from virage.core.children import ChildLost, Pool


@pytest.fixture
def opened():
    made = []

    def of(work, count=1):
        made.append(Pool(count, "test", at_work.begin, work))
        return made[-1]

    yield of
    for pool in made:
        pool.end()


def alive(pool):
    return [child.process.is_alive() for child in pool.children]


def test_pieces_are_shared_between_children_that_stay(opened):
    pool = opened(at_work.add, 2)
    told = [each.result(300) for each in [pool.submit(number, 1) for number in range(40)]]
    assert [each[0] for each in told] == list(range(1, 41))
    assert {each[1] for each in told} <= {child.process.pid for child in pool.children}
    assert max(each[2] for each in told) > 1
    assert os.getpid() not in {each[1] for each in told}


def test_what_is_raised_there_is_raised_here(opened):
    pool = opened(at_work.refuse)
    for _ in range(2):
        with pytest.raises(LookupError, match="nothing of that name"):
            pool.submit().result(300)


def test_a_child_that_is_killed_is_noticed(opened):
    pool = opened(at_work.die)
    with pytest.raises(ChildLost):
        pool.submit().result(300)


def test_a_child_that_dies_in_the_middle_of_its_answer_is_noticed(opened, monkeypatch):
    monkeypatch.setattr(children, "_live", at_work.die_speaking)
    pool = opened(at_work.add)
    with pytest.raises(ChildLost):
        pool.submit(1, 2).result(300)
    pool.end()
    assert alive(pool) == [False]


def test_children_that_are_let_go_end_as_programs_do(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("CHILDREN_END_IN", str(tmp_path))
    pool = opened(at_work.add, 2)
    waiting = [pool.submit(number, 1) for number in range(4)]
    pool.close()
    assert [each.result()[0] for each in waiting] == [1, 2, 3, 4]
    assert alive(pool) == [False, False]
    assert {int(path.name) for path in tmp_path.iterdir()} == {child.process.pid for child in pool.children}


def test_children_that_are_ended_end_at_once(opened):
    pool = opened(time.sleep)
    pool.submit(600)
    began = time.monotonic()
    pool.end()
    assert alive(pool) == [False]
    assert time.monotonic() - began < 60
