"""What the journal may say: never an address, which may hold an id or a name, nor the text of an error of a library, which
may quote a value. The kind of error, its place in the code and our own codes are enough to find it."""

import logging
import traceback
from types import TracebackType

from virage.core.errors import VirageError

_DOORS = {"django.request", "django.server", "django.security.csrf"}


class Discreet(logging.Formatter):
    """One line a record; the trace of an error without its values."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name in _DOORS or record.name.startswith("django.security"):
            status = getattr(record, "status_code", "")
            record = logging.makeLogRecord({**record.__dict__, "msg": f"refused with status {status}", "args": ()})
        return super().format(record)

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, error, trace = ei
        if kind is None:
            return ""
        frames = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        said = f"{error.code}: {error.text}" if isinstance(error, VirageError) else kind.__qualname__
        return "\n".join([*frames, said])
