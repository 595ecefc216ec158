"""The treating doctor is told of a broken glass, once, and nobody else is."""

import uuid

import pytest

from virage.core.callers import Caller, system
from virage.platforms.bsp import actions, queries
from virage.platforms.bsp.models import Alert
from virage.platforms.bsp.room import ROOM

pytestmark = pytest.mark.django_db
DOCTOR, NURSE = "899900000001", "899900000019"


class Heard:
    """An event as the worker gives it."""

    def __init__(self, **payload: str) -> None:
        self.name, self.id, self.payload = "dmp.glass_broken", uuid.uuid4(), payload


def test_an_event_heard_twice_gives_one_alert_to_the_treating_doctor() -> None:
    event = Heard(patient="p1", professional=NURSE, treating_doctor=DOCTOR)
    for _ in range(2):
        ROOM.handlers["dmp.glass_broken"](event)
    (shown,) = queries.alerts(DOCTOR)
    assert shown["patient"] == "p1"
    assert shown["who"] == NURSE  # not in the directory here: the number itself
    assert queries.alerts(NURSE) == []


def test_nobody_is_told_without_a_treating_doctor_or_of_ones_own_act() -> None:
    ROOM.handlers["dmp.glass_broken"](Heard(patient="p1", professional=NURSE, treating_doctor=""))
    ROOM.handlers["dmp.glass_broken"](Heard(patient="p1", professional=DOCTOR, treating_doctor=DOCTOR))
    assert Alert.objects.count() == 0


def test_only_who_is_told_can_mark_it_read() -> None:
    actions.alert(by=system("test"), professional=DOCTOR, patient="p1", broken_by=NURSE, event=uuid.uuid4())
    (shown,) = queries.alerts(DOCTOR)
    actions.mark_read(by=Caller(kind="professional", subject=NURSE), alert=shown["id"])
    assert queries.alerts(DOCTOR)
    actions.mark_read(by=Caller(kind="professional", subject=DOCTOR), alert=shown["id"])
    assert queries.alerts(DOCTOR) == []
