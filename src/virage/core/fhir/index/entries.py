"""What the index keeps of one resource. Pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Entries:
    """What is indexed of one resource, keys without their bucket.

    `dates` are (key, low, high); `strings` (key, folded, exact); `numbers` (key, low, high, unit code hash, unit hash);
    `patients` the logical ids in whose compartment it is, most significant first.
    """

    tokens: set[int] = field(default_factory=set)
    dates: set[tuple[int, int, int]] = field(default_factory=set)
    strings: set[tuple[int, str, str]] = field(default_factory=set)
    numbers: set[tuple[int, float, float, int, int]] = field(default_factory=set)
    found: list[tuple[int, str]] = field(default_factory=list)
    locals: tuple[tuple[int, str], ...] = ()
    """References to what the resource contains: key of the parameter, local id."""
    inside: tuple["Inside", ...] = ()

    @property
    def patients(self) -> list[str]:
        if len(self.found) < 2:
            return [patient for _, patient in self.found]
        return list(dict.fromkeys(patient for _, patient in sorted(self.found, key=lambda each: each[0])))

    def add(self, other: "Entries") -> None:
        """Take in those of a part of the resource."""
        self.tokens |= other.tokens
        if other.dates:
            self.dates |= other.dates
        if other.strings:
            self.strings |= other.strings
        if other.numbers:
            self.numbers |= other.numbers
        if other.found:
            self.found += other.found
        if other.locals:
            self.locals += other.locals


@dataclass(frozen=True, slots=True)
class Inside:
    """What is indexed of a contained resource; `number` is its place among those of its resource, from 1 on."""

    number: int
    type: str
    id: str
    entries: Entries
    body: bytes
