"""Other processes write all the while, and hear of nothing: each of their resources is found in the end."""

import json
import os
import subprocess
import sys

from django.db import connections

from tests.core.fhir.reindex.conftest import finish, found, parameter

WRITE = """
import json, os, sys
import django; django.setup()
from django.db import connections
values = json.loads(sys.argv[1])
connections["default"].settings_dict.update(values)
from virage.core import fhir
from virage.core.callers import system
store, by = fhir.Store(fhir.space("fhir")), system("test")
print("ready", flush=True)
told, made = "", 0
while not told:
    for _ in range(5):
        store.create({"resourceType": "Patient", "name": [{"use": "official", "family": "Durand"}]}, by=by)
        made += 1
    store.load([{"resourceType": "Patient", "name": [{"use": "official", "family": "Durand"}]}] * 3, by=by)
    made += 3
    told = os.path.exists(sys.argv[2])
print(made, flush=True)
"""


def test_two_writers_that_have_not_heard_lose_nothing(ask_for_real, tmp_path):
    settings = connections["default"].settings_dict
    place = json.dumps({name: settings[name] for name in ("NAME", "HOST", "PORT", "USER")})
    stop = tmp_path / "stop"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, place, str(stop)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        made = parameter("nom-long", "Patient.name.where(use='official').family", id="n")
        assert ask_for_real("PUT", "SearchParameter/n", made).status == 201
        finish()
        ask_for_real("DELETE", "SearchParameter/n")
        finish()
        assert ask_for_real("PUT", "SearchParameter/n", made).status == 201
        finish()
        stop.touch()
        written = sum(int(writer.communicate(timeout=300)[0]) for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    assert ask_for_real("GET", "Patient?nom-long=durand&_summary=count").json["total"] == written
    assert ask_for_real("GET", "Patient?name=durand&_summary=count").json["total"] == written
    assert len(found(ask_for_real("GET", "Patient?nom-long=durand&_count=7"))) == 7
