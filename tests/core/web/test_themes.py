"""Both themes: every file they name is there, and the State's marks stay out unless its theme is chosen."""

import json
import os
import subprocess
import sys

import pytest

_LOOK = """
import json, re, django
django.setup()
from django.contrib.staticfiles import finders
from django.test import Client
page = Client(headers={"host": "127.0.0.1"}).get("/connexion/").content.decode()
named = re.findall(r'(?:href|src)="/static/([^"?]+)', page)
missing, marks = [], []
for name in named:
    path = finders.find(name)
    if not path:
        missing.append(name)
        continue
    if name.endswith(".css"):
        text = open(path, encoding="utf-8").read()
        marks += re.findall(r"Marianne|Spectral", text)[:1]
        base = name.rpartition("/")[0]
        for inner in re.findall(r"url\\(['\\"]?([^)'\\"]+)", text):
            if not inner.startswith(("data:", "#")):
                target = os.path.normpath(f"{base}/{inner.partition('?')[0].partition('#')[0]}")
                if not finders.find(target):
                    missing.append(target)
print(json.dumps({"named": named, "missing": sorted(set(missing)), "marks": marks, "page": page}))
"""


def _seen(theme: str) -> dict:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "virage.site.settings", "VIRAGE_THEME": theme}
    done = subprocess.run([sys.executable, "-c", "import os" + _LOOK], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("theme", ["neutral", "dsfr"])
def test_every_file_that_a_theme_names_is_there(theme: str) -> None:
    seen = _seen(theme)
    assert seen["named"]
    assert seen["missing"] == []
    assert f'data-theme="{theme}"' in seen["page"]


def test_the_neutral_theme_bears_no_mark_of_the_state() -> None:
    seen = _seen("neutral")
    assert seen["marks"] == []
    assert not any(name.startswith("dsfr") for name in seen["named"])
    assert "République" not in seen["page"]


def test_the_theme_of_the_state_brings_its_own_sheet() -> None:
    seen = _seen("dsfr")
    assert "dsfr/dist/dsfr.min.css" in seen["named"]
    assert seen["marks"] == ["Marianne"]
