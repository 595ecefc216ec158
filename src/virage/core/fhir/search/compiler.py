"""From (name, value) conditions to SQL conditions."""

from dataclasses import dataclass, field

from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import params_of, patient_params
from virage.core.fhir.index.forms import REFERENCE
from virage.core.fhir.search import conditions
from virage.core.fhir.search.context import Context, missing, split
from virage.core.fhir.search.errors import BadSearch, bad_modifier, bad_value
from virage.core.fhir.search.request import name_and_modifier
from virage.core.fhir.search.sql import FALSE, Sql
from virage.core.fhir.store import places


@dataclass(slots=True)
class Compiled:
    """The conditions of a query, the compartment to which it is confined if any, what was used and what was not known."""

    parts: list[Sql] = field(default_factory=list)
    compartment: int | None = None
    ids: list[str] | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class Compiler:
    """Compiles the conditions of one search on one type. `now` (µs since 1970) is what approximate dates are measured from."""

    def __init__(self, space: int, type_: str, now: int) -> None:
        self.space, self.type, self.now = space, type_, now
        self.params = params_of(space, type_)

    def compile(self, asked: list[tuple[str, str]]) -> Compiled:
        """Raises BadSearch; unknown names are told, not raised."""
        out = Compiled()
        for name, value in asked:
            if not self._one(name, value, out):
                out.unknown.append(name)
            else:
                out.used.append((name, value))
        return out

    def _one(self, name: str, value: str, out: Compiled) -> bool:
        code, modifier = name_and_modifier(name)
        if code == "_id":
            if modifier:
                raise bad_modifier("_id", modifier, "aucun")
            wanted = [each for each in split(value) if each]
            if not wanted:
                raise bad_value("_id", "la valeur est vide.")
            out.ids = wanted if out.ids is None else [each for each in out.ids if each in wanted]
            return True
        if code == "_lastUpdated":
            out.parts.append(conditions.updated(value, modifier, self.now))
            return True
        param = self.params.get(code)
        if param is None or param.type == "special":
            return False
        context = Context(self.space, self.type, param)
        out.parts.append(self.condition(context, modifier, value))
        if param.type == "reference":
            self._confine(code, modifier, value, out)
        return True

    def condition(self, context: Context, modifier: str, value: str) -> Sql:
        """The condition of one parameter."""
        param: SearchParam = context.param
        if modifier == "missing":
            return missing(context, value)
        if param.type == "date":
            return conditions.date(context, value, modifier, self.now)
        if param.type in conditions.CONDITIONS:
            return conditions.CONDITIONS[param.type](context, value, modifier)
        raise BadSearch(
            f"Paramètre « {param.code} » : les recherches de type « {param.type} » ne sont pas encore servies.",
            code="FHIR.SEARCH_UNSERVED",
            path=param.code,
        )

    def _confine(self, code: str, modifier: str, value: str, out: Compiled) -> None:
        """A search on the patient that resources of this type are stored with looks in one compartment only."""
        leading = patient_params(self.type)
        if not leading or not (code == leading[0] or (code == "patient" and leading[0] == "subject")):
            return
        match = REFERENCE.fullmatch(value)
        if match and match[1] == "Patient":
            patient = match[2]
        elif places.ID.fullmatch(value) and (code == "patient" or modifier == "Patient"):
            patient = value
        else:
            return
        compartment = places.patient_key(patient)
        if out.compartment is not None and out.compartment != compartment:
            out.parts.append(FALSE)
        out.compartment = compartment
