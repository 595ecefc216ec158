"""Which migrations the database still lacks, without loading them: cheap enough for each start."""

from pathlib import Path

import psycopg
from django.apps import apps

from virage.core import db


def missing() -> list[str]:
    """Migrations on the disk that the database has not seen, as `app.name`; all of them on an empty database."""
    known = {
        (config.label, path.stem)
        for config in apps.get_app_configs()
        for path in (Path(config.path) / "migrations").glob("[0-9]*.py")
    }
    with db.cursor() as cursor:
        try:
            rows = cursor.execute("SELECT app, name FROM django_migrations").fetchall()
        except psycopg.errors.UndefinedTable:
            rows = []
    return sorted(f"{label}.{name}" for label, name in known - set(rows))
