"""Random small worlds and random questions about them, dense enough that most questions have an answer."""

from collections.abc import Callable
from random import Random
from typing import Any

from virage.core.access import AllOf, AnyOf, Filter, Has, InPatient, Not, OfType

SYSTEMS = ["http://a", "http://b"]
UCUM = "http://unitsofmeasure.org"
CODES = ["x", "y", "z"]
NAMES = ["Élodie", "elodie", "ELO", "Müller", "Mu", "d'Arc", "Zoé", "Jean-Luc", "O’Élo"]
DAYS = ["2019", "2020", "2020-02", "2020-02-29", "2020-03-01", "2020-12-31", "2021-01-01", "1801-05-01"]
TIMES = [*DAYS, "2020-03-01T10:00:00+02:00", "2020-03-01T23:30:00Z", "2020-02-29T23:30:00-02:00"]
PATIENTS, PRACTITIONERS, OBSERVATIONS = 4, 3, 18


class Maker:
    """Draws resources and questions from one source of chance."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)

    def some(self, most: int, make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(self.draw.randint(1, most))]

    def pick(self, *choices: Any) -> Any:
        return self.draw.choice(choices)

    def part(self, chance: float = 0.7, **parts: Callable[[], Any]) -> dict[str, Any]:
        return {name: make() for name, make in parts.items() if self.draw.random() < chance}

    def coding(self) -> dict[str, Any]:
        return {"code": self.pick(*CODES), **self.part(system=lambda: self.pick(*SYSTEMS))}

    def concept(self) -> dict[str, Any]:
        return {"coding": self.some(2, self.coding)}

    def identifier(self) -> dict[str, Any]:
        return {"value": self.pick(*CODES), **self.part(system=lambda: self.pick(*SYSTEMS))}

    def name(self) -> dict[str, Any]:
        return {"family": self.pick(*NAMES), **self.part(given=lambda: self.some(2, lambda: self.pick(*NAMES)))}

    def reference(self, *targets: str) -> dict[str, str]:
        return {"reference": self.pick(*targets)}

    def doctor(self) -> dict[str, str]:
        return self.reference("Practitioner/d0", "Practitioner/d1", "Organization/o", "Patient/p1")

    def patient(self) -> dict[str, Any]:
        return self.part(
            name=lambda: self.some(2, self.name),
            gender=lambda: self.pick("male", "female"),
            active=lambda: self.pick(True, False),
            birthDate=lambda: self.pick("1980", "1980-02", "1980-02-03"),
            identifier=lambda: self.some(2, self.identifier),
            generalPractitioner=lambda: self.some(
                2, lambda: self.reference("Practitioner/d0", "Practitioner/d1", "Organization/o")
            ),
        )

    def practitioner(self) -> dict[str, Any]:
        return self.part(name=lambda: [self.name()], identifier=lambda: [self.identifier()])

    def observation(self) -> dict[str, Any]:
        made = self.part(
            status=lambda: self.pick("final", "amended"),
            code=self.concept,
            category=lambda: self.some(2, self.concept),
            subject=lambda: self.reference("Patient/p0", "Patient/p1", "Patient/p2", "Patient/unknown", "Group/g"),
            performer=lambda: self.some(2, self.doctor),
            valueQuantity=lambda: {
                "value": self.pick(1, 1.5, 2, 10, 0.002, 1500, 2000),
                **self.part(code=lambda: self.pick("mg", "g", "kg"), system=lambda: self.pick("http://u", UCUM)),
                **self.part(0.2, comparator=lambda: self.pick("<", "<=", ">", ">=")),
            },
            component=lambda: self.some(2, lambda: {"code": self.concept()}),
        )
        if self.draw.random() < 0.6:
            made["effectiveDateTime"] = self.pick(*TIMES)
        elif self.draw.random() < 0.8:
            ends = {"start": self.pick("2019-05", "2020-03-01"), "end": self.pick("2020-03-02", "2021")}
            made["effectivePeriod"] = self.pick(ends, {"start": ends["start"]}, {"end": ends["end"]})
        return made

    def world(self) -> dict[str, dict[str, Any]]:
        made: dict[str, dict[str, Any]] = {}
        for type_, letter, count, make in (
            ("Patient", "p", PATIENTS, self.patient),
            ("Practitioner", "d", PRACTITIONERS, self.practitioner),
            ("Observation", "o", OBSERVATIONS, self.observation),
        ):
            for number in range(count):
                made[f"{type_}/{letter}{number}"] = {"resourceType": type_, "id": f"{letter}{number}", **make()}
        return made

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def token(self) -> str:
        system, code = self.pick(*SYSTEMS), self.pick(*CODES)
        return self.pick(code, f"{system}|{code}", f"|{code}", f"{system}|")

    def tokens(self) -> str:
        return ",".join(self.some(2, self.token))

    def date(self) -> str:
        return self.pick("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb") + self.pick(*TIMES)

    def quantity(self) -> str:
        number = self.pick("1", "1.5", "2", "2.0", "10", "100", "0.0015", "2e3")
        unit = self.pick("", "||mg", "|http://u|g", f"|{UCUM}|g", f"|{UCUM}|mg", f"|{UCUM}|kg")
        return self.pick("", "ne", "gt", "lt", "ge", "le", "sa", "eb") + number + unit

    def text(self) -> str:
        return self.pick(*NAMES, "e", "m", "mü", "zz", "jean luc", "JeanLuc", "darc", "d arc", "oelo")

    def of_patient(self) -> tuple[str, str]:
        return self.pick(
            (self.pick("family", "given", "family:contains", "given:exact"), self.text()),
            (self.pick("gender", "gender:not"), self.pick("male", "female", "male,female")),
            ("active", self.pick("true", "false")),
            ("birthdate", self.pick("1980", "1980-02", "gt1980-01", "le1980-02-03", "ne1980-02")),
            (self.pick("identifier", "identifier:not"), self.tokens()),
            ("general-practitioner", self.pick("Practitioner/d0", "d1", "Organization/o")),
            (
                self.pick("family", "active", "birthdate", "general-practitioner") + ":missing",
                self.pick("true", "false"),
            ),
        )

    def of_practitioner(self) -> tuple[str, str]:
        return self.pick(("family", self.text()), ("identifier", self.tokens()))

    def of_observation(self) -> tuple[str, str]:
        return self.pick(
            (self.pick("code", "code:not", "category", "combo-code", "component-code"), self.tokens()),
            ("status", self.pick("final", "amended", "final,amended")),
            (self.pick("subject", "patient"), self.pick("Patient/p0", "p1", "Patient/p0,Patient/p2", "Patient/none")),
            ("subject", "Group/g"),
            ("performer", self.pick("Practitioner/d0", "d1", "Organization/o", "Patient/p1")),
            ("date", ",".join(self.some(2, self.date))),
            ("date", self.date()),
            ("value-quantity", self.quantity()),
            (
                self.pick("date", "patient", "subject", "performer", "value-quantity", "combo-code") + ":missing",
                self.pick("true", "false"),
            ),
        )

    def condition(self, type_: str) -> tuple[str, str]:
        own = {"Patient": self.of_patient, "Practitioner": self.of_practitioner, "Observation": self.of_observation}
        if self.draw.random() < 0.6:
            return own[type_]()
        way, far = self.pick(*WAYS[type_])
        name, value = own[far]()
        return way + name, value

    def question(self) -> tuple[str, list[tuple[str, str]]]:
        type_ = self.pick("Patient", "Practitioner", "Observation", "Observation")
        return type_, [self.condition(type_) for _ in range(self.pick(0, 1, 1, 1, 2, 2, 3))]

    def rule(self, depth: int = 2) -> Filter:
        kind = self.draw.random()
        if depth and kind < 0.5:
            parts = self.some(3, lambda: self.rule(depth - 1))
            return self.pick(AllOf(parts), AnyOf(parts), Not(parts[0]))
        return self.pick(
            InPatient(self.pick("p0", "p1")),
            Has(self.pick("code", "category", "combo-code"), self.pick("|x", "http://a|x", "http://b|y")),
            Has("status", "|final"),
            Has("active", "|true"),
            Has(self.pick("subject", "patient"), self.pick("Patient/p0", "Group/g")),
            Has(self.pick("performer", "general-practitioner"), self.pick("Patient/p1", "Practitioner/d0")),
            OfType(frozenset({self.pick("Observation", "Patient")})),
        )


WAYS = {
    "Patient": [
        ("_has:Observation:subject:", "Observation"),
        ("_has:Observation:performer:", "Observation"),
        ("general-practitioner:Practitioner.", "Practitioner"),
    ],
    "Practitioner": [
        ("_has:Observation:performer:", "Observation"),
        ("_has:Observation:performer:subject:Patient.", "Patient"),
    ],
    "Observation": [
        ("subject:Patient.", "Patient"),
        ("patient:Patient.", "Patient"),
        ("performer:Practitioner.", "Practitioner"),
        ("subject:Patient.general-practitioner:Practitioner.", "Practitioner"),
    ],
}
