"""Files that others wrote, sent so that they can do no harm in our pages."""

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

_ENDINGS = {
    "application/pdf": "pdf",
    "application/xml": "xml",
    "application/xslt+xml": "xml",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    "text/plain": "txt",
    "text/rtf": "rtf",
    "text/xml": "xml",
}
# What a browser shows by itself without running anything of it in our name.
_SHOWN = frozenset({"application/pdf", "image/jpeg", "image/png"})

# Files that a document carries are in the page itself (`data:`); such an address has no origin, so it can do nothing in our name.
_EMBEDDING = (
    "default-src 'self'; img-src 'self' data:; object-src 'self' data:; frame-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


def showing_files(response: HttpResponse) -> HttpResponse:
    """The same page, allowed to show the PDF and the pictures that a clinical document carries."""
    response["Content-Security-Policy"] = _EMBEDDING
    return response


def file_answer(content: bytes, mime: str, name: str, *, shown: bool = False) -> HttpResponse:
    """The very bytes with their media type; downloaded, or shown when asked for and harmless. `name` has no ending."""
    plain = mime.partition(";")[0].strip().lower()
    disposition = "inline" if shown and plain in _SHOWN else "attachment"
    safe = "".join(letter for letter in name if letter.isalnum() or letter in "-_") or "document"
    response = HttpResponse(content, content_type=mime)
    response["Content-Disposition"] = f'{disposition}; filename="{safe}.{_ENDINGS.get(plain, "bin")}"'
    response["X-Content-Type-Options"] = "nosniff"
    if disposition == "attachment":
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> HttpResponse:
    """A list as a table to keep, as French spreadsheets read it (semicolons, UTF-8 with its mark)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";")
    writer.writerow(header)
    for row in rows:
        # A cell that a spreadsheet would run as a formula is kept as text.
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row])
    response = HttpResponse(buffer.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
