"""Answers against their questionnaire: which items, how many, of which type, enabled or not, within which limits.

The extensions read here are those of the specification: minValue, maxValue, minLength, maxDecimalPlaces, questionnaire-
minOccurs and -maxOccurs, questionnaire-optionExclusive.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from virage.core.fhir import fhirpath
from virage.core.fhir.fhirpath import regex
from virage.core.fhir.validation import invariants
from virage.core.fhir.validation.conformance import NUMBERS, compare
from virage.core.fhir.validation.items import Item, children, equal
from virage.core.fhir.validation.registry import Registry
from virage.core.fhir.validation.session import REFERENCE, Session
from virage.core.fhir.validation.terminology import BuiltIn, Terminology

Line = Mapping[str, Any]
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
_ENABLE = {
    _SDC + "sdc-questionnaire-enableWhenExpression",
    "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
}
TYPES = {
    "boolean": ("boolean",),
    "decimal": ("decimal",),
    "integer": ("integer",),
    "date": ("date",),
    "dateTime": ("dateTime",),
    "time": ("time",),
    "string": ("string",),
    "text": ("string",),
    "url": ("uri",),
    "choice": ("Coding", "date", "time", "integer", "string"),
    "open-choice": ("Coding", "string", "date", "time", "integer"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}


def check(item: Item, session: Session) -> None:
    """A QuestionnaireResponse against its Questionnaire, when that is known."""
    canonical = item.value.get("questionnaire")
    if type(canonical) is not str:
        return
    if canonical.startswith("#"):
        found = session.resolve(canonical, item.frame)
        source: Line | None = found[0] if found else None
    else:
        source = session.registry.find("Questionnaire", canonical)
    if source is None:
        text = "Le questionnaire de ces réponses est inconnu ici : elles n'ont pas été contrôlées contre lui."
        session.add("not-found", text, (item.place, "questionnaire", -1), "warning")
        return
    whole = _Response(item, source, session)
    whole.level(source.get("item", ()), children(item, "item"), item)


class _Response:
    """One response under control: what is answered to each question, and how strict to be."""

    def __init__(self, item: Item, source: Line, session: Session) -> None:
        self.session = session
        self.questionnaire = source
        self.strict = item.value.get("status") in ("completed", "amended")
        self.known: set[str] = set()
        waiting = list(source.get("item", ()))
        while waiting:
            line = waiting.pop()
            self.known.add(line.get("linkId", ""))
            waiting.extend(line.get("item", ()))
        self.answers: dict[str, list[Any]] = {}
        self.source = item
        below = children(item, "item")
        while below:
            each = below.pop()
            link = each.value.get("linkId") if type(each.value) is dict else None
            if type(link) is str:
                held = self.answers.setdefault(link, [])
                for answer in children(each, "answer"):
                    held.extend(value.value for value in children(answer, "value"))
                    below.extend(children(answer, "item"))
            below.extend(children(each, "item"))

    def level(self, lines: Any, items: list[Item], parent: Item) -> None:
        """The items of one level, by question."""
        groups: dict[str, list[Item]] = {}
        for each in items:
            link = each.value.get("linkId") if type(each.value) is dict else None
            if type(link) is str:
                groups.setdefault(link, []).append(each)
        here = {line.get("linkId") for line in lines}
        for link, found in groups.items():
            if link not in here:
                text = (
                    "Cet item n'est pas à sa place."
                    if link in self.known
                    else "Ce linkId n'est pas dans le questionnaire."
                )
                self.session.add("not-found", text, parent.place)
            del found
        order = {line.get("linkId"): rank for rank, line in enumerate(lines)}
        last = -1
        for each in items:
            rank = order.get(each.value.get("linkId") if type(each.value) is dict else None, last)
            if rank < last:
                text = "Cet item n'est pas à son rang : suivez l'ordre du questionnaire."
                self.session.add("structure", text, each.place)
            last = rank
        for line in lines:
            self._question(line, groups.get(line.get("linkId", ""), []), parent)

    def _question(self, line: Line, items: list[Item], parent: Item) -> None:
        kind = line.get("type", "group")
        enabled = self._enabled(line)
        if not enabled:
            for each in items:
                if kind == "display" or self._filled(each):
                    text = "Cette réponse est donnée alors que la question n'est pas à poser (enableWhen) : retirez-la."
                    self.session.add("invalid", text, each.place)
            return
        if not items:
            if line.get("required") and kind != "display":
                self._missing(parent)
            return
        if len(items) > 1 and not (line.get("repeats") and kind == "group"):
            self.session.add("structure", "Un seul item est permis pour cette question.", items[1].place)
        if kind == "group":
            self._occurrences(line, items, parent)
        for each in items:
            self._item(line, each, kind)
            self._constraints(line, each)

    def _missing(self, at: Item) -> None:
        severity = "error" if self.strict else "warning"
        self.session.add("required", "La réponse à une question obligatoire manque : ajoutez-la.", at.place, severity)

    def _filled(self, item: Item) -> bool:
        return any(children(answer, "value") for answer in children(item, "answer")) or any(
            self._filled(each) for each in children(item, "item")
        )

    def _item(self, line: Line, item: Item, kind: str) -> None:
        answers = children(item, "answer")
        if kind in ("group", "display", "question"):
            if answers:
                self.session.add(
                    "structure", f"Un item de type « {kind} » n'a pas de réponse : retirez-la.", item.place
                )
            if kind != "display":
                self.level(line.get("item", ()), children(item, "item"), item)
            elif children(item, "item"):
                self.session.add("structure", "Un item de type « display » n'en contient pas d'autre.", item.place)
            return
        if children(item, "item"):
            text = "Seul un groupe contient des items ; ceux d'une question vont dans sa réponse (answer.item)."
            self.session.add("structure", text, item.place)
        if not answers and line.get("required"):
            self._missing(item)
        self._count(line, answers, item)
        for answer in answers:
            for value in children(answer, "value"):
                self._value(line, kind, value, answer)
            self.level(line.get("item", ()), children(answer, "item"), answer)
        if not answers and children(item, "item"):
            self.level(line.get("item", ()), children(item, "item"), item)
        exclusive = [
            each for each in line.get("answerOption", ()) if _extension(each, "questionnaire-optionExclusive") is True
        ]
        if len(answers) > 1 and exclusive:
            for answer in answers:
                if any(_same(each, value) for each in exclusive for value in children(answer, "value")):
                    text = "Cette réponse en exclut toute autre : gardez-la seule, ou retirez-la."
                    self.session.add("invalid", text, answer.place)

    def _occurrences(self, line: Line, items: list[Item], parent: Item) -> None:
        most = _extension(line, "questionnaire-maxOccurs")
        least = _extension(line, "questionnaire-minOccurs")
        if type(most) is int and len(items) > most:
            self.session.add("structure", f"Ce groupe est permis {most} fois au plus.", parent.place)
        if type(least) is int and len(items) < least and self.strict:
            self.session.add("structure", f"Ce groupe est attendu {least} fois au moins.", parent.place)

    def _constraints(self, line: Line, item: Item) -> None:
        """Rules that the questionnaire sets by the extension questionnaire-constraint; one that cannot be read binds nobody."""
        for each in line.get("extension", ()):
            if each.get("url") != _CORE + "questionnaire-constraint":
                continue
            parts = {
                part.get("url"): next((value for key, value in part.items() if key.startswith("value")), None)
                for part in each.get("extension", ())
            }
            try:
                holds = invariants.holds_on(str(parts.get("expression", "")), item, self.session)
            except fhirpath.FhirPathError:
                text = "Une règle du questionnaire n'a pu être évaluée ici : son expression n'est pas comprise."
                self.session.add("invariant", text, item.place, "warning")
                continue
            if not holds:
                severity = "error" if parts.get("severity") == "error" else "warning"
                self.session.add(
                    "invariant", "Une règle du questionnaire n'est pas respectée ici.", item.place, severity
                )

    def _count(self, line: Line, answers: list[Item], item: Item) -> None:
        most = _extension(line, "questionnaire-maxOccurs")
        least = _extension(line, "questionnaire-minOccurs")
        if len(answers) > 1 and not line.get("repeats"):
            self.session.add("structure", "Une seule réponse est permise à cette question.", item.place)
        elif type(most) is int and len(answers) > most:
            self.session.add(
                "structure", f"Au plus {most} réponses sont permises ; {len(answers)} données.", item.place
            )
        if type(least) is int and len(answers) < least and self.strict:
            self.session.add(
                "structure", f"Au moins {least} réponses sont attendues ; {len(answers)} données.", item.place
            )

    def _value(self, line: Line, kind: str, value: Item, answer: Item) -> None:
        permitted = TYPES.get(kind, ())
        if permitted and value.type not in permitted:
            text = f"La réponse doit être de type {permitted[0]}, pas {value.type}."
            self.session.add("structure", text, value.place)
            return
        self._limits(line, value)
        options = line.get("answerOption", ())
        listed = line.get("answerValueSet")
        if options and not any(_same(each, value) for each in options):
            free = kind == "open-choice" and value.type == "string"
            if not free:
                self.session.add(
                    "code-invalid", "Cette réponse n'est pas parmi celles qui sont proposées.", value.place
                )
        elif type(listed) is str:
            self._listed(listed, kind, value)

    def _listed(self, listed: str, kind: str, value: Item) -> None:
        lists = self.session.terminology
        if listed.startswith("#"):
            lists, listed = self._own_list(listed[1:])
        if value.type == "Coding":
            answer = lists.member_of(value.value, "Coding", listed)
            if answer is False and kind == "choice":
                self.session.add("code-invalid", f"Cette réponse n'est pas dans la liste {listed}.", value.place)
        elif kind == "string" and value.type == "string":
            if lists.contains(listed, None, value.value) is False:
                self.session.add("code-invalid", f"Cette réponse n'est pas dans la liste {listed}.", value.place)
        elif kind == "choice" and value.type == "string":
            self.session.add(
                "code-invalid", f"Une réponse codée, prise dans la liste {listed}, est attendue.", value.place
            )

    def _own_list(self, ident: str) -> tuple[Terminology, str]:
        """A value set that the questionnaire contains: what knows it, and its name there; no name when there is none.

        It is nobody else's: the registry, which others share, does not learn it.
        """
        found = (each for each in self.questionnaire.get("contained", ()) if each.get("id") == ident)
        own = next((each for each in found if each.get("resourceType") == "ValueSet"), None)
        if own is None:
            return self.session.terminology, ""
        name = f"{self.questionnaire.get('url', '')}::{ident}"
        return BuiltIn(Registry([{**own, "url": name}], above=self.session.registry)), name

    def _limits(self, line: Line, value: Item) -> None:
        data = value.value
        add = self.session.add
        if type(data) is str:
            most, least = line.get("maxLength"), _extension(line, "minLength")
            if type(most) is int and len(data) > most:
                add("too-long", f"Au plus {most} caractères sont permis.", value.place)
            if type(least) is int and len(data) < least:
                add("invalid", f"Au moins {least} caractères sont attendus.", value.place)
            pattern = _extension(line, "regex")
            if type(pattern) is str and not _has_form(pattern, data):
                add("invalid", "La réponse n'a pas la forme demandée.", value.place)
        if value.type == "Attachment":
            self._attached(line, data, value)
        if value.type == "Reference":
            self._referred(line, data, value)
        places = _extension(line, "maxDecimalPlaces")
        if type(places) is int and isinstance(data, int | float | Decimal) and type(data) is not bool:
            text = getattr(data, "text", str(data))
            if len(text.partition(".")[2]) > places:
                add("invalid", f"Au plus {places} décimales sont permises.", value.place)
        for name, sign, word in (("minValue", -1, "inférieure au minimum"), ("maxValue", 1, "supérieure au maximum")):
            limit = _extension(line, name)
            if limit is None:
                limit = _extension(line, "sdc-questionnaire-" + name.replace("Value", "Quantity"), _SDC)
            if limit is None:
                continue
            if type(limit) is dict and type(data) is dict and not (limit.get("code") and data.get("code")):
                if limit.get("unit") is not None or data.get("unit") is not None:
                    add(
                        "invalid",
                        "Cette quantité ne peut être comparée à la limite : donnez système et code d'unité.",
                        value.place,
                    )
                continue
            order = compare(data, limit)
            if order is not None and order * sign > 0:
                add("invalid", f"La valeur est {word} permis.", value.place)

    def _attached(self, line: Line, data: Any, value: Item) -> None:
        most = _extension(line, "maxSize")
        size = data.get("size")
        if type(size) is not int and type(data.get("data")) is str:
            size = len(data["data"]) * 3 // 4
        if isinstance(most, NUMBERS) and type(size) is int and size > most:
            self.session.add("too-long", f"Le fichier dépasse la taille permise ({most} octets).", value.place)
        kinds = [each.get("valueCode") for each in line.get("extension", ()) if each.get("url") == _CORE + "mimeType"]
        if kinds and data.get("contentType") not in kinds:
            self.session.add("invalid", f"Le format du fichier doit être : {', '.join(map(str, kinds))}.", value.place)

    def _referred(self, line: Line, data: Any, value: Item) -> None:
        kinds = [
            each.get("valueCode")
            for each in line.get("extension", ())
            if each.get("url") == _CORE + "questionnaire-referenceResource"
        ]
        match = REFERENCE.fullmatch(str(data.get("reference", "")))
        if kinds and match is not None and match[2] not in kinds:
            self.session.add(
                "structure", f"La ressource désignée doit être : {', '.join(map(str, kinds))}.", value.place
            )

    def _enabled(self, line: Line) -> bool:
        for each in line.get("extension", ()):
            if each.get("url") in _ENABLE:
                expression = each.get("valueString") or each.get("valueExpression", {}).get("expression")
                try:
                    return invariants.holds_on(str(expression), self.source, self.session)
                except fhirpath.FhirPathError:
                    return True
        conditions = line.get("enableWhen", ())
        if not conditions:
            return True
        answers = [self._holds(each) for each in conditions]
        return any(answers) if line.get("enableBehavior") == "any" else all(answers)

    def _holds(self, condition: Line) -> bool:
        given = self.answers.get(condition.get("question", ""), [])
        wanted = next((value for name, value in condition.items() if name.startswith("answer")), None)
        operator = condition.get("operator", "exists")
        if operator == "exists":
            return bool(given) == (wanted is not False)
        if operator in ("=", "!="):
            same = any(_agree(value, wanted) for value in given)
            return same if operator == "=" else bool(given) and not same
        for value in given:
            order = compare(value, wanted)
            if order is not None and (
                (operator == ">" and order > 0)
                or (operator == "<" and order < 0)
                or (operator == ">=" and order >= 0)
                or (operator == "<=" and order <= 0)
            ):
                return True
        return False


def _extension(line: Line, name: str, space: str = _CORE) -> Any:
    for each in line.get("extension", ()):
        if each.get("url") == space + name:
            return next((value for key, value in each.items() if key.startswith("value")), None)
    return None


def _has_form(pattern: str, text: str) -> bool:
    """Whether a text has the form that a questionnaire asks for; a pattern that cannot be read asks for nothing."""
    try:
        return regex.matches(pattern, text, full=True)
    except fhirpath.FhirPathError:
        return True


def _agree(value: Any, wanted: Any) -> bool:
    if type(value) is dict and type(wanted) is dict and "code" in wanted:
        return bool(value.get("code") == wanted.get("code") and value.get("system") == wanted.get("system"))
    return equal(value, wanted)


def _same(option: Line, value: Item) -> bool:
    wanted = next((content for key, content in option.items() if key.startswith("value")), None)
    return _agree(value.value, wanted)
