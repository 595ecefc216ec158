"""Citizens drawn from a seed. Pure: the same seed gives the same people, however many are asked for.

People come in blocks of eight, each block a few whole households drawn from its own random stream, so that citizen 12 345 is
the same among twenty thousand as among a million. Only the order number of a matricule looks back, to stay unique.
"""

import base64
import csv
import hashlib
import random
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import accumulate

from virage.trust import ins

BLOCK = 8
AREA = 2000
"""Citizens of one area of care."""
TODAY = date(2026, 1, 1)
"""The day of the country's clock: ages must not depend on when the sandbox is populated."""

# Paris, Lyon and Marseille are born in by their districts.
_WHOLE_CITIES = {"75056", "69123", "13055"}
_ABROAD = [("99352", 30), ("99350", 26), ("99351", 14), ("99139", 16), ("99127", 6), ("99134", 6), ("99109", 5), ("99131", 5), ("99341", 5), ("99335", 4), ("99326", 4), ("99208", 6), ("99132", 4), ("99243", 3), ("99216", 3), ("99114", 3), ("99122", 2), ("99312", 3), ("99322", 3), ("99410", 2)]  # fmt: skip
_STREETS = ["rue des Lilas", "rue de la République", "avenue Jean Jaurès", "rue du Moulin", "place de l'Église", "rue des Écoles", "chemin des Vignes", "rue Pasteur", "allée des Tilleuls", "rue Victor Hugo", "impasse du Lavoir", "boulevard Gambetta"]  # fmt: skip
# What a household is: (adults, fewest children, most children, youngest adult, oldest adult, weight).
_HOUSEHOLDS = [(2, 1, 4, 26, 52, 34), (1, 1, 3, 24, 52, 9), (2, 0, 0, 22, 92, 27), (1, 0, 0, 19, 99, 30)]


@dataclass(frozen=True, slots=True)
class Citizen:
    """One invented person. `parents` are indexes of citizens, `area` the number of the area of care, `status` RNIV's."""

    index: int
    patient: str
    family: str
    given: tuple[str, ...]
    sex: str
    born: date
    place: str
    number: str
    key: str
    street: str
    home: str
    phone: str
    status: str
    area: int
    parents: tuple[int, ...] = ()

    @property
    def given_list(self) -> str:
        """All birth given names, separated by spaces."""
        return " ".join(self.given)


@dataclass(slots=True)
class _Draft:
    sex: str
    born: date
    family: str = ""
    parents: tuple[int, ...] = field(default=())


@lru_cache(maxsize=1)
def _surnames() -> list[str]:
    text = (files("virage.sandbox") / "data" / "noms.csv").read_text("utf-8")
    return text.splitlines()[2:]


@lru_cache(maxsize=1)
def _given_names() -> dict[str, list[tuple[int, list[str]]]]:
    text = (files("virage.sandbox") / "data" / "prenoms.csv").read_text("utf-8")
    found: dict[str, list[tuple[int, list[str]]]] = {"F": [], "M": []}
    for sex, since, names in csv.reader(text.splitlines()[2:], delimiter=";"):
        found[sex].append((int(since), names.split()))
    return found


@lru_cache(maxsize=1)
def _communes() -> tuple[list[str], list[int]]:
    known = [
        p for p in ins.places.table().values() if p.nature in "AM" and p.population and p.code not in _WHOLE_CITIES
    ]
    return [p.code for p in known], list(accumulate(p.population for p in known))


def draw_commune(rng: random.Random) -> str:
    """A commune of France, with the chance that its population gives it."""
    codes, bounds = _communes()
    return codes[bisect(bounds, rng.randrange(bounds[-1]))]


def draw_given_names(rng: random.Random, sex: str, year: int) -> tuple[str, ...]:
    """One to three given names of the time."""
    names = [names for since, names in _given_names()[sex] if since <= year][-1]
    return tuple(rng.sample(names, rng.choice((1, 2, 2, 3))))


def draw_surname(rng: random.Random) -> str:
    """A family name; the first of the list are the commonest."""
    names = _surnames()
    return names[min(int(rng.expovariate(3) * len(names)), len(names) - 1)]


def patient_id(seed: int, index: int) -> str:
    """The logical id of a citizen's Patient, in every space."""
    digest = hashlib.sha256(f"sandbox:{seed}:{index}".encode()).digest()
    return base64.b32encode(digest[:15]).decode().lower()


def area_commune(seed: int, area: int) -> str:
    """The commune at the heart of an area of care."""
    return draw_commune(random.Random(f"area:{seed}:{area}"))


def citizens(seed: int, count: int, reserved: Iterable[str] = ()) -> Iterator[Citizen]:
    """The first `count` citizens of the country that `seed` draws; nobody gets a number of `reserved` (13 characters)."""
    taken = {_mark(number) for number in reserved}
    for block in range((count + BLOCK - 1) // BLOCK):
        for citizen in _block(seed, block, taken):
            if citizen.index < count:
                yield citizen


def _block(seed: int, block: int, taken: set[int]) -> Iterator[Citizen]:
    rng = random.Random((seed << 40) ^ block)
    index = block * BLOCK
    end = index + BLOCK
    area = index // AREA
    heart = area_commune_cached(seed, area)
    while index < end:
        members = _household(rng, index, end - index)
        home = heart if rng.random() < 0.7 else draw_commune(rng)
        street = f"{rng.randrange(1, 180)} {rng.choice(_STREETS)}"
        for member in members:
            place = home if member.parents and rng.random() < 0.6 else _birth_place(rng)
            number = _number(rng, member, place, taken)
            draw = rng.random()
            yield Citizen(
                index=index,
                patient=patient_id(seed, index),
                family=member.family,
                given=draw_given_names(rng, member.sex, member.born.year),
                sex=member.sex,
                born=member.born,
                place=place,
                number=number,
                key=ins.rules.compute_key(number),
                street=street,
                home=home,
                phone=f"063998{rng.randrange(10000):04d}",
                # Most identities were checked; the others let every status be met.
                status="QUAL" if draw < 0.97 else "RECUP" if draw < 0.98 else "VALI" if draw < 0.99 else "PROV",
                area=area,
                parents=member.parents,
            )
            index += 1


@lru_cache(maxsize=64)
def area_commune_cached(seed: int, area: int) -> str:
    """`area_commune`, remembered while its citizens are drawn."""
    return area_commune(seed, area)


def _household(rng: random.Random, index: int, room: int) -> list[_Draft]:
    kinds = [kind for kind in _HOUSEHOLDS if kind[0] + kind[1] <= room]
    adults, fewest, most, youngest, oldest, _ = rng.choices(kinds, [kind[5] for kind in kinds])[0]
    age = rng.randrange(youngest, oldest + 1)
    family = draw_surname(rng)
    members = []
    for rank in range(adults):
        sex = ("F", "M")[rank] if adults == 2 else rng.choice("FM" if not fewest else "FFFM")
        years = max(19, age + (rng.randrange(-4, 5) if rank else 0))
        # A wife keeps the name she was born with: that is the one of her identity.
        members.append(_Draft(sex, _born(rng, years), draw_surname(rng) if adults == 2 and sex == "F" else family))
    parents = tuple(index + rank for rank in range(adults))
    eldest = min(20, age - 21)
    children = rng.randint(fewest, min(most, room - adults)) if fewest else 0
    members += [
        _Draft(rng.choice("FM"), _born(rng, rng.randrange(0, max(1, eldest))), family, parents) for _ in range(children)
    ]
    return members


def _born(rng: random.Random, years: int) -> date:
    return TODAY - timedelta(days=int(years * 365.25) + rng.randrange(1, 365))


def _birth_place(rng: random.Random) -> str:
    if rng.random() < 0.12:
        return rng.choices([code for code, _ in _ABROAD], [weight for _, weight in _ABROAD])[0]
    return draw_commune(rng)


def _number(rng: random.Random, member: _Draft, place: str, taken: set[int]) -> str:
    order = rng.randrange(1, 1000)
    while True:
        number = ins.rules.compose_number(
            sex=member.sex, year=member.born.year, month=member.born.month, place=place, order=order
        )
        if _mark(number) not in taken:
            taken.add(_mark(number))
            return number
        order = order % 999 + 1


def _mark(number: str) -> int:
    # A million numbers are kept while people are drawn: as integers they take a third of the room.
    return int(number.replace("A", "1").replace("B", "2")) * 4 + ("A" in number) + 2 * ("B" in number)
