"""What was read lately, kept in the web process and given again while nobody changes it: a read without a statement.

An entry holds as long as no change began in its slot (`db.changes`), whichever process of the machine makes it; so a version that
was replaced is not given from the moment its successor can be read, and one that may have been never is again. This holds where every
writer is a process of this home: with the embedded database. A server of its own may have writers elsewhere: nothing is kept.
"""

from virage.core import db, settings
from virage.core.db import changes
from virage.core.fhir.store.version import Version

LARGEST = 16 * 1024
"""Bytes of the largest body that is kept."""
_OVERHEAD = 400  # bytes of an entry beside its body, about

Key = tuple[int, str, str]
_Entry = tuple[int, int, Version]  # its slot, the changes begun there when it was read

# The entries used since the last turn and, from the turn before, those not used since: what falls out of the second is what was
# not asked for the longest.
_young: dict[Key, _Entry] = {}
_old: dict[Key, _Entry] = {}
_weight = 0
_limit = 0


def start() -> None:
    """Keep what this process reads, up to `VIRAGE_FHIR_KEPT` MiB, when its database is the embedded one of this home."""
    global _limit
    _limit = settings.number("VIRAGE_FHIR_KEPT", 0, 65536) * 2**20 if settings.attached() else 0


def stop() -> None:
    """Forget, and keep no more."""
    global _limit, _weight
    _limit = _weight = 0
    _young.clear()
    _old.clear()


def on() -> bool:
    """Whether this process keeps anything."""
    return bool(_limit)


def find(key: Key) -> Version | None:
    """What was read of this resource, if it is certain to be its current version."""
    entry = _young.get(key)
    if entry is None:
        entry = _old.get(key)
        if entry is None:
            return None
        if changes.begun(entry[0]) == entry[1]:
            _put(key, entry)
    return entry[2] if changes.begun(entry[0]) == entry[1] else None


def mark(rid: int) -> tuple[int, int] | None:
    """To be taken before the database is read, and given to `keep` with what it said. None: it is not to be kept."""
    if db.in_transaction():
        # A transaction may see what is not committed, or no longer current.
        return None
    slot = changes.slot(rid)
    number = changes.settled(slot)
    return None if number is None else (slot, number)


def keep(key: Key, mark: tuple[int, int], version: Version) -> None:
    """Keep what was read after the mark was taken, unless it is large."""
    if len(version.body) <= LARGEST:
        _put(key, (*mark, version))


def _put(key: Key, entry: _Entry) -> None:
    global _young, _old, _weight
    _young[key] = entry
    _weight += len(entry[2].body) + _OVERHEAD
    # Two threads at this place at once turn twice: something is forgotten too early.
    if _weight > _limit // 2:
        _old, _young, _weight = _young, {}, 0
