"""Forms and their answers: conditions, units, what a question permits; each rule found broken, at its place."""

import pytest

from tests.core.fhir.validation.test_rules import UCUM, errors, extension


def asked(*items):
    return {"resourceType": "Questionnaire", "url": "http://x.test/q", "status": "active", "item": list(items)}


def answered(*items, status="completed"):
    return {
        "resourceType": "QuestionnaireResponse", "status": status, "questionnaire": "http://x.test/q", "item": list(items),
    }  # fmt: skip


def when(question, **more):
    return {"enableWhen": [{"question": question, "operator": "exists", "answerBoolean": True, **more}]}


A = {"linkId": "a", "type": "string"}
B = {"linkId": "b", "type": "string", **when("a")}


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ((A, B), []),
        ((B,), [("not-found", "Questionnaire.item[0]")]),
        (({**A, **when("a")},), [("invalid", "Questionnaire.item[0]")]),
        (({"linkId": "g", "type": "group", "item": [A], **when("a")},), [("invalid", "Questionnaire.item[0]")]),
        (({"linkId": "g", "type": "group", "item": [A, B]},), []),
        (({**A, "initial": [{"valueInteger": 1}]},), [("invalid", "Questionnaire.item[0].initial[0]")]),
        (({**A, "initial": [{"valueString": "x"}]},), []),
    ],
)  # fmt: skip
def test_conditions_name_questions_that_are_there(items, found):
    assert errors(asked(*items)) == found


def test_a_condition_on_a_later_question_is_told():
    assert errors(asked(B, A)) == []
    assert ("invalid", "Questionnaire.item[0]") in errors(asked(B, A), severity="warning")


def test_a_condition_looks_at_the_nearest_answers():
    inner = {"linkId": "why", "type": "string", **when("ill", operator="=", answerBoolean=True)}
    group = {"linkId": "g", "type": "group", "repeats": True, "item": [{"linkId": "ill", "type": "boolean"}, inner]}
    yes = {"linkId": "ill", "answer": [{"valueBoolean": True}]}
    no = {"linkId": "ill", "answer": [{"valueBoolean": False}]}
    why = {"linkId": "why", "answer": [{"valueString": "x"}]}
    right = answered({"linkId": "g", "item": [yes, why]}, {"linkId": "g", "item": [no]})
    wrong = answered({"linkId": "g", "item": [yes]}, {"linkId": "g", "item": [no, why]})
    assert errors(right, asked(group)) == []
    assert errors(wrong, asked(group)) == [("invalid", "QuestionnaireResponse.item[1].item[1]")]


def test_a_condition_may_be_on_the_question_that_holds_the_item():
    inner = {"linkId": "why", "type": "string", **when("ill", operator="=", answerBoolean=True)}
    question = {"linkId": "ill", "type": "boolean", "item": [inner]}
    why = {"linkId": "why", "answer": [{"valueString": "x"}]}
    place = "QuestionnaireResponse.item[0].answer[0].item[0]"
    for answer, found in ((True, []), (False, [("invalid", place)])):
        given = answered({"linkId": "ill", "answer": [{"valueBoolean": answer, "item": [why]}]})
        assert errors(given, asked(question)) == found


KG = {"system": UCUM, "code": "kg", "display": "kilo"}
VALUE = "QuestionnaireResponse.item[0].answer[0].value.ofType"
LIST = {
    "resourceType": "ValueSet", "url": "http://x.test/v", "status": "active",
    "compose": {"include": [{"system": UCUM, "concept": [{"code": "kg"}]}, {"system": "http://x.test/c", "concept": [{"code": "k"}]}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "found"),
    [
        ({"type": "quantity", "extension": [extension("questionnaire-unitOption", valueCoding=KG)]},
         {"valueQuantity": {"value": 1, "system": UCUM, "code": "kg"}}, None),
        ({"type": "quantity", "extension": [extension("questionnaire-unitOption", valueCoding=KG)]},
         {"valueQuantity": {"value": 1, "unit": "kilo"}}, None),
        ({"type": "quantity", "extension": [extension("questionnaire-unitOption", valueCoding=KG)]},
         {"valueQuantity": {"value": 1, "system": UCUM, "code": "m"}}, ("code-invalid", "Quantity")),
        ({"type": "quantity", "extension": [extension("questionnaire-unitValueSet", valueCanonical="http://x.test/v")]},
         {"valueQuantity": {"value": 1, "system": UCUM, "code": "m"}}, ("code-invalid", "Quantity")),
        ({"type": "quantity", "extension": [extension("questionnaire-unitValueSet", valueCanonical="http://x.test/v")]},
         {"valueQuantity": {"value": 1, "system": UCUM, "code": "kg"}}, None),
        ({"type": "quantity", "extension": [extension("maxDecimalPlaces", valueInteger=0)]},
         {"valueQuantity": {"value": 1.5}}, ("invalid", "Quantity")),
        ({"type": "open-choice", "answerValueSet": "http://x.test/v"},
         {"valueCoding": {"system": "http://x.test/c", "code": "k"}}, None),
        ({"type": "open-choice", "answerValueSet": "http://x.test/v"},
         {"valueCoding": {"system": "http://x.test/c", "code": "z"}}, ("code-invalid", "Coding")),
        ({"type": "open-choice", "answerValueSet": "http://x.test/v"}, {"valueCoding": {"display": "other"}}, None),
        ({"type": "open-choice", "answerValueSet": "http://x.test/v"}, {"valueString": "other"}, None),
        ({"type": "choice", "answerOption": [{"valueReference": {"reference": "Patient/1"}}]},
         {"valueReference": {"reference": "Patient/1"}}, None),
        ({"type": "choice", "answerOption": [{"valueReference": {"reference": "Patient/1"}}]},
         {"valueReference": {"reference": "Patient/2"}}, ("code-invalid", "Reference")),
        ({"type": "attachment", "extension": [extension("mimeType", valueCode="image/")]},
         {"valueAttachment": {"contentType": "image/png"}}, None),
        ({"type": "attachment", "extension": [extension("mimeType", valueCode="image/png")]},
         {"valueAttachment": {"contentType": "text/plain"}}, ("invalid", "Attachment")),
        ({"type": "display", "text": "x"}, {"valueString": "x"}, ("structure", "")),
    ],
)  # fmt: skip
def test_an_answer_is_one_that_the_question_permits(question, answer, found):
    given = answered({"linkId": "a", "answer": [answer]})
    told = errors(given, asked({"linkId": "a", **question}), LIST)
    if found is None:
        assert told == []
    elif not found[1]:
        assert told == [(found[0], "QuestionnaireResponse.item[0]")]
    else:
        assert told == [(found[0], f"{VALUE}({found[1]})")]


def test_the_reference_of_an_answer_may_be_taken_for_that_of_a_server():
    given = answered({"linkId": "a", "answer": [{"valueReference": {"reference": "https://x.test/Chicken/1"}}]})
    question = asked({"linkId": "a", "type": "reference"})
    assert errors(given, question) == []
    assert errors(given, question, assume_rest=True) == [("invalid", f"{VALUE}(Reference)")]


def test_a_group_that_is_required_is_not_empty():
    group = {"linkId": "g", "type": "group", "required": True, "item": [A]}
    said = {"linkId": "a", "answer": [{"valueString": "x"}]}
    assert errors(answered({"linkId": "g", "item": [said]}), asked(group)) == []
    assert errors(answered({"linkId": "g"}), asked(group)) == [("required", "QuestionnaireResponse.item[0]")]
    assert errors(answered({"linkId": "g"}, status="in-progress"), asked(group)) == []


KILOS = {"system": UCUM, "code": "kg"}
MIDNIGHT = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "operator", "wanted", "given", "holds"),
    [
        ("quantity", "=", {"answerQuantity": {**KILOS, "value": 1}}, {"valueQuantity": {**KILOS, "value": 2}}, False),
        ("quantity", "=", {"answerQuantity": {**KILOS, "value": 1}}, {"valueQuantity": {"system": UCUM, "code": "g", "value": 1000}}, True),
        ("reference", "=", {"answerReference": {"reference": "Patient/1"}}, {"valueReference": {"reference": "Patient/1", "display": "x"}}, True),
        ("reference", "=", {"answerReference": {"reference": "Patient/1"}}, {"valueReference": {"reference": "Patient/2"}}, False),
        ("dateTime", ">=", {"answerDateTime": MIDNIGHT}, {"valueDateTime": "2019-12-31T23:30:00-01:00"}, True),
        ("dateTime", ">=", {"answerDateTime": MIDNIGHT}, {"valueDateTime": "2020-01-01T00:30:00+01:00"}, False),
        ("time", ">", {"answerTime": "10:00:00"}, {"valueTime": "10:00:00.000"}, False),
    ],
)  # fmt: skip
def test_a_condition_compares_what_answers_mean(kind, operator, wanted, given, holds):
    second = {"linkId": "b", "type": "string", "enableWhen": [{"question": "a", "operator": operator, **wanted}]}
    told = answered({"linkId": "a", "answer": [given]}, {"linkId": "b", "answer": [{"valueString": "x"}]})
    found = errors(told, asked({"linkId": "a", "type": kind}, second))
    assert found == ([] if holds else [("invalid", "QuestionnaireResponse.item[1]")])
