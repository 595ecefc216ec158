"""French dates and numbers."""

from datetime import UTC, date, datetime

from virage.core.web.templatetags.virage import jour, moment, nombre


def test_days_are_written_as_people_write_them() -> None:
    assert jour(date(2026, 11, 22)) == "22 novembre 2026"
    assert jour("2026-02-01") == "1er février 2026"
    assert jour("1975-12") == "1975-12"
    assert jour(None) == ""


def test_moments_are_in_local_time() -> None:
    assert moment(datetime(2026, 11, 22, 13, 5, tzinfo=UTC)) == "22 novembre 2026 à 14 h 05"


def test_numbers_are_grouped() -> None:
    assert nombre(2237941).replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ") == "2 237 941"
