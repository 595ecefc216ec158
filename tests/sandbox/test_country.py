"""The synthetic country: same seed, same people; valid numbers; real birth places."""

from collections import Counter

import pytest

from virage.sandbox import country, demo, people, population
from virage.trust import annuaire, ins


@pytest.fixture(scope="module")
def folk() -> list[people.Citizen]:
    return list(people.citizens(11, 4000))


def test_the_same_seed_gives_the_same_people_however_many_are_asked_for(folk: list[people.Citizen]) -> None:
    for count in (0, 1, 7, 8, 9, 500):
        assert list(people.citizens(11, count)) == folk[:count]
    assert list(people.citizens(12, 100)) != folk[:100]


def test_everybody_has_a_valid_test_matricule_of_their_own(folk: list[people.Citizen]) -> None:
    assert len({c.number for c in folk}) == len({c.patient for c in folk}) == len(folk)
    for citizen in folk:
        matricule = ins.rules.parse_matricule(citizen.number + citizen.key, ins.rules.OID_NIR_TEST, sandbox=True)
        assert matricule.number[0] == ("1" if citizen.sex == "M" else "2")
        assert matricule.number[1:5] == f"{citizen.born:%y%m}"
        assert matricule.number[5:10] == citizen.place
        assert ins.places.find(citizen.place) is not None
        traits = ins.Traits(
            citizen.family, citizen.given[0], citizen.sex, citizen.born, citizen.place, citizen.given_list
        )
        assert ins.rules.check_traits(traits, for_insi=True) == []


def test_a_reserved_number_is_given_to_nobody(folk: list[people.Citizen]) -> None:
    taken = folk[3].number
    assert taken not in {c.number for c in people.citizens(11, 100, [taken])}


def test_families_hold_together(folk: list[people.Citizen]) -> None:
    children = [c for c in folk if c.parents]
    assert len(children) > len(folk) / 5
    for child in children:
        for index in child.parents:
            parent = folk[index]
            assert 17 <= (child.born - parent.born).days / 365.25 < 60
            assert parent.street == child.street
    chunks = list(population.household_chunks(folk, 100))
    assert sum(map(len, chunks)) == len(folk)
    assert all(not chunk[0].parents for chunk in chunks)
    entered, related = population.families(folk[:800], 11)
    assert len(entered) == 800
    assert len({r["id"] for r in related}) == len(related) == sum(len(c.parents) for c in folk[:800])


def test_ages_and_statuses_are_those_of_a_country(folk: list[people.Citizen]) -> None:
    ages = Counter((people.TODAY - c.born).days // 3652 for c in folk)
    assert all(ages[decade] > len(folk) / 50 for decade in range(9))
    assert max(ages) <= 10
    statuses = Counter(c.status for c in folk)
    assert set(statuses) == {"PROV", "RECUP", "VALI", "QUAL"}
    assert statuses["QUAL"] > 0.9 * len(folk)


def test_professionals_and_structures_bear_valid_numbers_that_cannot_be_real() -> None:
    areas = [country.area(11, number) for number in (0, 1, 4999)]
    assert country.area(11, 1) == areas[1]
    professionals = [p for area in areas for p in area.professionals]
    assert len({p.rpps for p in professionals}) == len(professionals)
    for professional in professionals:
        assert annuaire.rules.is_rpps(professional.rpps)
        assert professional.rpps.startswith("999")
    for structure in (s for area in areas for s in area.structures):
        assert annuaire.rules.is_finess(structure.finess)
        assert structure.finess.startswith("99")
        assert "fictif" in structure.name
    assert all(p.profession == "10" for p in areas[0].professionals[: country.GENERALISTS])


def test_the_demonstration_meets_nobody_else() -> None:
    staff = demo.professionals()
    assert len({one.entry.rpps for one in staff}) == len(staff)
    assert all(annuaire.rules.is_rpps(one.entry.rpps) for one in staff)
    assert "infirmiere" not in demo.CARE_TEAM
    assert {"generaliste", "infirmiere", "pharmacien", "biologiste", "regulateur15"} <= {one.login for one in staff}
    for person in (demo.patiente(), *demo.published()):
        ins.rules.parse_matricule(person.matricule.value, person.matricule.oid, sandbox=True)
