"""The 64-bit keys of the index. Pure.

A key is the XOR of the hash of a parameter (space, type, code) and the hash of a value, its last six bits replaced by the
bucket of the patient compartment. So each bucket is a sixty-fourth of the data with postings of its own, and a first page is
read from the first buckets that fill it, however large the whole is.
"""

from functools import lru_cache
from hashlib import blake2b

BUCKETS = 64
MASK = ~(BUCKETS - 1)
ORDERED = (*range(32, 64), *range(32))
"""The buckets in the order of their (signed) compartments."""


CONTAINED = 1 << 14
"""Added to the number of a space, it keeps what is contained in other resources apart from the resources themselves."""


def outside(space: int) -> int:
    """The number of a space, also from that of what its resources contain."""
    return space & ~CONTAINED


LOCAL_BITS = 6
HOLDS = -0x3C6EF372FE94F840
"""The token, without bucket, of each resource that contains others."""
LOCAL = 0x5BE0CD19137E2140
"""Sets a reference to something contained apart from one to a row."""


def contained_row(row: int, number: int) -> int:
    """The row id of the resource contained at this place (from 1 on) in that of a row: near it, so that one range finds them."""
    return row ^ (number << LOCAL_BITS)


def local(key: int, number: int) -> int:
    """The token, without bucket, of a reference to the resource contained at this place; `key` is that of the parameter."""
    return (key ^ LOCAL ^ (number << LOCAL_BITS)) & MASK


def h64(text: str) -> int:
    """A signed 64-bit hash of a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=65536)
def value_hash(text: str) -> int:
    """The same, remembered: codes and systems come again and again."""
    return h64(text)


@lru_cache(maxsize=8192)
def param_hash(space: int, type_: str, code: str) -> int:
    """The hash of a search parameter of a type in a space."""
    return h64(f"{space}/{type_}?{code}")


@lru_cache(maxsize=65536)
def row_id(space: int, type_: str, id_: str) -> int:
    """The row id of a resource: also what a reference to it is hashed to."""
    return h64(f"{outside(space)}/{type_}/{id_}")


def bucket(compartment: int) -> int:
    """The bucket, 0 to 63, of a compartment: its six first bits."""
    return (compartment >> 58) & 63


# The forms under which a value is indexed. The first character keeps them apart: none can pose as another.


def any_system(code: str) -> str:
    """A code whatever its system."""
    return "=" + code


def word(text: str) -> str:
    """A word of the text that goes with a code."""
    return "w" + text


def sound(code: str) -> str:
    """A word of a name, by how it sounds."""
    return "s" + code


def stem(text: str) -> str:
    """A word of what people read in the resource, by its stem."""
    return "t" + text


def cell(level: int, north: int, east: int) -> str:
    """A square of the globe, for positions."""
    return f"g{level}/{north}/{east}"


def present(type_: str = "") -> str:
    """That there is a value; for a reference, one to this type ("" when it does not say)."""
    return "?" + type_


def coded(system: str, code: str) -> str:
    """A code of a system; of no system when it is empty."""
    return f"|{system}|{code}"


def of_system(system: str) -> str:
    """Any code of a system."""
    return "~" + system


def of_type(system: str, code: str, value: str) -> str:
    """An identifier's value with its type."""
    return f"^{system}|{code}|{value}"


def identified(system: str, value: str) -> str:
    """A reference that carries an identifier."""
    return f"#{system}|{value}"


def address(url: str) -> str:
    """An absolute reference, a URI, a canonical."""
    return "@" + url


def unversioned(url: str) -> str:
    """A canonical that names no version."""
    return f"@{url}|"


def of_version(url: str, version: str) -> str:
    """A canonical of this version, or of one that is more precise (`1.2.3` for `1.2`)."""
    return f">{url}|{version}"


def bare(id_: str) -> str:
    """A reference by its id, whatever the type."""
    return "/" + id_
