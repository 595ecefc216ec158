"""A machine in trouble, met while the house serves: a clear sentence, 503, and nothing half-written."""

import errno

import psycopg
import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tests.core.fhir.router.conftest import asking
from virage.core import db
from virage.core.errors import DatabaseAway, StorageFull, of_machine
from virage.site import urls

PATIENT = {"resourceType": "Patient", "name": [{"family": "ESSAI"}]}


def full(table: str) -> None:
    """From here on PostgreSQL answers each new row of a table as it does when its disk is full."""
    with db.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$"
        )
        cursor.execute(f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()")


def counts() -> list[int]:
    with db.cursor() as cursor:
        tables = ("fhir_resource", "fhir_version", "fhir_string", "fhir_locator", "audit_trace", "events_delivery")
        return [cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


@pytest.mark.parametrize("table", ["fhir_resource", "fhir_string", "audit_trace"])
def test_a_full_disk_of_the_database_leaves_nothing(own_database, table, caplog):
    ask = asking()
    before = counts()
    full(table)
    refused = ask("POST", "Patient", PATIENT)
    assert refused.status == 503, refused.body
    assert refused.headers["Retry-After"] == "5"
    assert "n'a plus de place" in refused.texts
    assert refused.json["issue"][0]["code"] == "no-store"
    assert counts() == before
    assert "ESSAI" not in caplog.text
    with db.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER full_disk ON {table}")
    assert ask("POST", "Patient", PATIENT).status == 201


def test_in_a_transaction_the_whole_is_undone(own_database):
    ask = asking()
    before = counts()
    entry = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}
    full("fhir_string")
    for kind in ("transaction", "batch"):
        answer = ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry, entry]})
        statuses = {one["response"]["status"][:3] for one in answer.json["entry"]} if kind == "batch" else {"503"}
        assert statuses == {"503"}
        assert kind == "batch" or answer.status == 503
    assert counts() == before


def keep(request: HttpRequest) -> HttpResponse:
    """A page whose session is written after the view, where no view can catch what goes wrong."""
    request.session["kept"] = 1
    return HttpResponse("kept")


def write(request: HttpRequest) -> HttpResponse:
    """A page that writes by itself."""
    request.session["kept"] = 1
    request.session.save()
    return HttpResponse("written")


urlpatterns = [path("essai/keep", keep), path("essai/write", write), *urls.urlpatterns]
handler500 = urls.handler500


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/essai/keep", "/essai/write"])
def test_a_page_says_it(own_database, address):
    full("django_session")
    page = Client(raise_request_exception=False).get(address)
    assert page.status_code == 503
    text = page.content.decode()
    assert "plus de place" in text
    assert "could not extend" not in text


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageFull),
        (caused(OperationalError("x"), psycopg.errors.DiskFull("x")), StorageFull),
        (psycopg.OperationalError("connection failed"), DatabaseAway),
        (caused(OperationalError("x"), psycopg.errors.AdminShutdown("x")), DatabaseAway),
        (psycopg.errors.TooManyConnections("x"), DatabaseAway),
        (OSError(errno.EACCES, "Permission denied"), None),
        (psycopg.errors.UniqueViolation("x"), None),
        (caused(OperationalError("x"), psycopg.errors.DeadlockDetected("x")), None),
        (ValueError("x"), None),
    ],
)
def test_what_is_the_machine_and_what_is_not(error, told):
    found = of_machine(error)
    assert (found if found is None else type(found)) is told
