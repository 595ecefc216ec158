"""Questionnaires in themselves, and answers against their questionnaire: which items, how many, enabled or not.

The extensions read here are those of the specification: questionnaire-minOccurs and -maxOccurs, -optionExclusive,
-constraint, and the enableWhenExpression of SDC. What one answer may be is told in `answers`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from virage.core.fhir import fhirpath
from virage.core.fhir.validation import invariants
from virage.core.fhir.validation.answers import CORE, SDC, TYPES, agree, extension, mark, marks
from virage.core.fhir.validation.answers import check as check_answer
from virage.core.fhir.validation.conformance import compare
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

Line = Mapping[str, Any]
_ENABLE = {
    SDC + "sdc-questionnaire-enableWhenExpression",
    "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
}


def definition(item: Item, session: Session) -> None:
    """A Questionnaire: each condition (enableWhen) names a question that is there, before this one, and not below it."""
    known: dict[str, tuple[int, Item]] = {}
    order = _items(item)
    for rank, each in enumerate(order):
        link = each.value.get("linkId")
        if type(link) is str:
            known.setdefault(link, (rank, each))
    for rank, each in enumerate(order):
        for condition in children(each, "enableWhen"):
            question = condition.value.get("question") if type(condition.value) is dict else None
            if type(question) is str:
                _condition(each, rank, question, known, session)
        kind = str(each.value.get("type"))
        permitted = TYPES.get(kind, ())
        for initial in children(each, "initial"):
            for value in children(initial, "value"):
                if permitted and value.type not in permitted:
                    text = (
                        f"La valeur de départ d'une question « {kind} » est de type {permitted[0]}, pas {value.type}."
                    )
                    session.add("invalid", text, initial.place)


def _items(item: Item) -> list[Item]:
    """The items of a questionnaire at every level, in the order in which they are asked."""
    found: list[Item] = []
    for each in children(item, "item"):
        if type(each.value) is dict:
            found.append(each)
            found.extend(_items(each))
    return found


def _condition(item: Item, rank: int, question: str, known: dict[str, tuple[int, Item]], session: Session) -> None:
    if question not in known:
        session.add("not-found", "Cette condition (enableWhen) nomme une question qui n'existe pas.", item.place)
        return
    place, target = known[question]
    if target.value is item.value:
        session.add("invalid", "Une question ne peut dépendre d'elle-même (enableWhen).", item.place)
    elif any(each.value is target.value for each in _items(item)):
        session.add("invalid", "Une question ne peut dépendre de l'une de celles qu'elle contient.", item.place)
    elif place > rank:
        text = "Cette condition (enableWhen) dépend d'une question posée plus loin."
        session.add("invalid", text, item.place, "warning")


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


class _Given(NamedTuple):
    """The answers of one item of a response, and the item or the answer around."""

    above: "_Given | None"
    values: list[Any]

    def line(self) -> "list[_Given]":
        """This one and all those around, from the nearest."""
        found, current = [], self
        while current is not None:
            found.append(current)
            current = current.above  # type: ignore[assignment]
        return found


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
        self.source = item
        self.given: dict[str, list[_Given]] = {}
        self.nodes: dict[int, _Given] = {}
        #: by question, its answers by the identity of each that stands around them
        self.below: dict[str, dict[int, list[_Given]]] = {}
        self._read(item, None, None)

    def _read(self, item: Item, above: "_Given | None", link: str | None) -> None:
        """Know what is answered at this item, or at this answer, and below."""
        node = self.nodes[id(item.value)] = _Given(above, [])
        if link is not None:
            self.given.setdefault(link, []).append(node)
        for answer in children(item, "answer"):
            node.values.extend(value.value for value in children(answer, "value"))
            self._read(answer, node, None)
        for each in children(item, "item"):
            named = each.value.get("linkId") if type(each.value) is dict else None
            self._read(each, node, named if type(named) is str else None)

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
        enabled = self._enabled(line, parent)
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
            if kind == "group" and line.get("required") and not children(item, "item"):
                self._missing(item)
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
                check_answer(line, value, self.questionnaire, self.session)
            self.level(line.get("item", ()), children(answer, "item"), answer)
        if not answers and children(item, "item"):
            self.level(line.get("item", ()), children(item, "item"), item)
        exclusive = marks(
            each for each in line.get("answerOption", ()) if extension(each, "questionnaire-optionExclusive") is True
        )
        if len(answers) > 1 and exclusive:
            for answer in answers:
                if any(mark(value.value) in exclusive for value in children(answer, "value")):
                    text = "Cette réponse en exclut toute autre : gardez-la seule, ou retirez-la."
                    self.session.add("invalid", text, answer.place)

    def _occurrences(self, line: Line, items: list[Item], parent: Item) -> None:
        most = extension(line, "questionnaire-maxOccurs")
        least = extension(line, "questionnaire-minOccurs")
        if type(most) is int and len(items) > most:
            self.session.add("structure", f"Ce groupe est permis {most} fois au plus.", parent.place)
        if type(least) is int and len(items) < least and self.strict:
            self.session.add("structure", f"Ce groupe est attendu {least} fois au moins.", parent.place)

    def _constraints(self, line: Line, item: Item) -> None:
        """Rules that the questionnaire sets by the extension questionnaire-constraint; one that cannot be read binds nobody."""
        for each in line.get("extension", ()):
            if each.get("url") != CORE + "questionnaire-constraint":
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
        most = extension(line, "questionnaire-maxOccurs")
        least = extension(line, "questionnaire-minOccurs")
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

    def _enabled(self, line: Line, parent: Item) -> bool:
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
        around = self.nodes[id(parent.value)].line()
        answers = [self._holds(each, around) for each in conditions]
        return any(answers) if line.get("enableBehavior") == "any" else all(answers)

    def _nearest(self, question: str, around: list[_Given]) -> list[Any]:
        """The answers to a question that are nearest to a place, as R4 says for enableWhen: of those around it, the first that
        holds the question, or is it."""
        known = self.below.get(question)
        if known is None:
            known = self.below[question] = {}
            for each in self.given.get(question, ()):
                for one in each.line():
                    known.setdefault(id(one), []).append(each)
        found = next((known[id(one)] for one in around if id(one) in known), [])
        return [value for each in found for value in each.values]

    def _holds(self, condition: Line, around: list[_Given]) -> bool:
        given = self._nearest(condition.get("question", ""), around)
        wanted = next((value for name, value in condition.items() if name.startswith("answer")), None)
        operator = condition.get("operator", "exists")
        if operator == "exists":
            return bool(given) == (wanted is not False)
        if operator in ("=", "!="):
            same = any(agree(value, wanted) for value in given)
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
