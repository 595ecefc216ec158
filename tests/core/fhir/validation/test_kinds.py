"""Rules of bundles, questionnaires, measures, definitions and data types that invariants do not say: each found, at its place."""

import base64
import copy

import pytest

from tests.core.fhir.validation.test_rules import element, structure
from virage.core.fhir import validation
from virage.core.fhir.fhirpath import ucum
from virage.core.fhir.validation import ecl

HL7 = "http://hl7.org/fhir/StructureDefinition/"
TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}


def errors(resource, *known, severity="error"):
    found = validation.validate(resource, registry=validation.Registry(known))
    return [(each.code, each.path) for each in found if each.severity == severity]


def entry(resource, ident, **more):
    return {
        "fullUrl": f"http://x.test/{resource['resourceType']}/{ident}",
        "resource": {**resource, "id": ident},
        **more,
    }


def document(*entries, **more):
    composition = {
        "resourceType": "Composition", "status": "final", "type": {"text": "x"}, "date": "2020", "title": "x",
        "author": [{"reference": "Practitioner/p"}], "text": TEXT,
    }  # fmt: skip
    return {
        "resourceType": "Bundle", "type": "document", "timestamp": "2020-01-01T00:00:00Z",
        "identifier": {"system": "http://x.test", "value": "1"},
        "entry": [entry(composition, "c"), entry({"resourceType": "Practitioner", "active": True}, "p"), *entries], **more,
    }  # fmt: skip


def test_a_document_hangs_together():
    assert errors(document()) == []
    stray = entry({"resourceType": "Patient", "active": True}, "x")
    assert errors(document(stray)) == [("invalid", "Bundle.entry[2]")]
    pointing = entry({"resourceType": "List", "status": "current", "mode": "working",
                      "source": {"reference": "Practitioner/p"}}, "l")  # fmt: skip
    assert errors(document(pointing)) == []
    styled = document(link=[{"relation": "stylesheet", "url": "Binary/none"}])
    assert errors(styled) == [("not-found", "Bundle.link[0].url")]


def searchset(*entries, link=()):
    self = {"relation": "self", "url": "http://x.test/Patient?active=true"}
    return {"resourceType": "Bundle", "type": "searchset", "link": [self, *link], "entry": list(entries)}


@pytest.mark.parametrize(
    ("bundle", "place"),
    [
        (searchset({"search": {"mode": "match"}, "fullUrl": "http://x.test/Patient/1"}), "Bundle.entry[0]"),
        (searchset({"fullUrl": "http://x.test/Patient/1", "search": {"mode": "match"},
                    "resource": {"resourceType": "Patient", "active": True}}), "Bundle.entry[0].resource"),
        (searchset(entry({"resourceType": "Group", "type": "person", "actual": True}, "1", search={"mode": "match"})),
         "Bundle.entry[0].resource"),
        (searchset(entry({"resourceType": "Patient", "active": True}, "1", search={"mode": "outcome"})),
         "Bundle.entry[0].resource"),
        (searchset(link=[{"relation": "self", "url": "http://x.test/Patient"}]), "Bundle.link[1]"),
    ],
)  # fmt: skip
def test_an_answer_to_a_search_holds_what_was_searched(bundle, place):
    assert ("invalid", place) in errors(bundle)


def test_a_sound_answer_to_a_search_is_left_alone():
    included = entry({"resourceType": "Group", "type": "person", "actual": True}, "g", search={"mode": "include"})
    found = entry({"resourceType": "Patient", "active": True}, "1", search={"mode": "match"})
    assert errors(searchset(found, included)) == []


def asked(*items):
    return {"resourceType": "Questionnaire", "url": "http://x.test/q", "status": "active", "item": list(items)}


def answered(*items):
    return {
        "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "http://x.test/q",
        "item": list(items),
    }  # fmt: skip


def rule(expression, severity="error"):
    return {"url": HL7 + "questionnaire-constraint", "extension": [
        {"url": "key", "valueId": "k"}, {"url": "severity", "valueCode": severity},
        {"url": "expression", "valueString": expression}, {"url": "human", "valueString": "x"}]}  # fmt: skip


A, B = {"linkId": "a", "type": "string"}, {"linkId": "b", "type": "string"}
SAID_A = {"linkId": "a", "answer": [{"valueString": "x"}]}
SAID_B = {"linkId": "b", "answer": [{"valueString": "x"}]}


@pytest.mark.parametrize(
    ("questions", "answers", "found"),
    [
        ((A, B), (SAID_A, SAID_B), []),
        ((A, B), (SAID_B, SAID_A), [("structure", "QuestionnaireResponse.item[1]")]),
        (({**A, "extension": [rule("answer.value.length() = 1")]},), (SAID_A,), []),
        (({**A, "extension": [rule("answer.value.length() = 2")]},), (SAID_A,), [("invariant", "QuestionnaireResponse.item[0]")]),
        (({**A, "extension": [rule("answer.value.length() = 2", "warning")]},), (SAID_A,), []),
        (({**A, "extension": [rule("= = nonsense")]},), (SAID_A,), []),
        (({**A, "extension": [{"url": HL7 + "regex", "valueString": "[a-w]+"}]},), (SAID_A,),
         [("invalid", "QuestionnaireResponse.item[0].answer[0].value.ofType(string)")]),
        (({**A, "extension": [{"url": HL7 + "regex", "valueString": "(x+)+"}]},), (SAID_A,), []),
        (({"linkId": "a", "type": "group", "item": [B], "repeats": True,
           "extension": [{"url": HL7 + "questionnaire-maxOccurs", "valueInteger": 1}]},),
         ({"linkId": "a", "item": [SAID_B]}, {"linkId": "a", "item": [SAID_B]}), [("structure", "QuestionnaireResponse")]),
        (({"linkId": "a", "type": "display", "text": "x"},), ({"linkId": "a", "item": [SAID_B]},),
         [("structure", "QuestionnaireResponse.item[0]")]),
        (({"linkId": "a", "type": "reference",
           "extension": [{"url": HL7 + "questionnaire-referenceResource", "valueCode": "Patient"}]},),
         ({"linkId": "a", "answer": [{"valueReference": {"reference": "Group/1"}}]},),
         [("structure", "QuestionnaireResponse.item[0].answer[0].value.ofType(Reference)")]),
        (({"linkId": "a", "type": "attachment", "extension": [{"url": HL7 + "maxSize", "valueDecimal": 2}]},),
         ({"linkId": "a", "answer": [{"valueAttachment": {"contentType": "text/plain", "data": "YWJj"}}]},),
         [("too-long", "QuestionnaireResponse.item[0].answer[0].value.ofType(Attachment)")]),
    ],
)  # fmt: skip
def test_answers_are_held_to_their_questions(questions, answers, found):
    assert errors(answered(*answers), asked(*questions)) == found


MEASURE_CODE = "http://terminology.hl7.org/CodeSystem/measure-population"
SCORING = "http://terminology.hl7.org/CodeSystem/measure-scoring"


def measure(scoring="proportion"):
    criteria = {"language": "text/cql", "expression": "Known"}
    population = {"code": {"coding": [{"system": MEASURE_CODE, "code": "numerator"}]}, "criteria": criteria}
    return {
        "resourceType": "Measure", "url": "http://x.test/m", "status": "active", "library": ["http://x.test/l"],
        "scoring": {"coding": [{"system": SCORING, "code": scoring}]}, "group": [{"population": [population], "stratifier": [{"criteria": criteria}]}],
    }  # fmt: skip


def library(text):
    content = [{"contentType": "text/cql", "data": base64.b64encode(text.encode()).decode()}]
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}]}
    return {"resourceType": "Library", "url": "http://x.test/l", "status": "active", "type": kind, "content": content}


def test_criteria_name_what_the_library_defines():
    place = "Measure.group[0].stratifier[0].criteria"
    assert errors(measure(), library('define "Known":\n  true')) == []
    assert errors(measure(), library("define Other: true")) == [("invalid", place)]
    assert errors({**measure(), "library": None} | {"library": ["http://x.test/absent"]}) == []
    alone = measure()
    del alone["library"]
    assert errors(alone) == [("not-found", place)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"measureScore": {"value": 2}}, [("value", "MeasureReport.group[0].measureScore.value")]),
        ({"measureScore": None}, [("required", "MeasureReport.group[0]")]),
        ({"population": [{"count": 1}]}, [
            ("invalid", "MeasureReport.group[0].population[0]"), ("not-found", "MeasureReport.group[0]")]),
    ],
)  # fmt: skip
def test_a_report_is_held_to_its_measure(change, found):
    population = {"code": {"coding": [{"system": MEASURE_CODE, "code": "numerator"}]}, "count": 1}
    group = {"measureScore": {"value": 0.5}, "population": [population], **change}
    report = {
        "resourceType": "MeasureReport", "status": "complete", "type": "summary", "measure": "http://x.test/m",
        "period": {"start": "2020", "end": "2021"}, "group": [{k: v for k, v in group.items() if v is not None}],
    }  # fmt: skip
    assert sorted(errors(report, measure())) == sorted(found)


def reported(*groups, kind="summary"):
    return {
        "resourceType": "MeasureReport", "status": "complete", "type": kind, "measure": "http://x.test/m",
        "period": {"start": "2020", "end": "2021"}, "group": list(groups),
    }  # fmt: skip


def population(code):
    return {"code": {"coding": [{"system": MEASURE_CODE, "code": code}]}}


COUNTED, OBSERVED = {**population("numerator"), "count": 1}, population("measure-observation")
GROUP = "MeasureReport.group[0]"


@pytest.mark.parametrize(
    ("group", "told", "found"),
    [
        ({"population": [population("numerator"), OBSERVED]}, {"population": [COUNTED]}, []),
        ({"code": {"coding": [{"system": "http://x.test/c", "code": "g"}]}, "population": [population("numerator")]},
         {"population": [COUNTED]}, []),
        ({"stratifier": [{"code": {"text": "age"}}]}, {"stratifier": [{"code": [{"text": "age"}]}]}, []),
        ({"stratifier": [{"code": {"text": "age"}}]}, {"stratifier": [{"code": [{"text": "sex"}]}]},
         [("invalid", GROUP + ".stratifier[0]"), ("not-found", GROUP)]),
        ({"stratifier": [{"id": "s"}]}, {"stratifier": [{"id": "s", "stratum": [{"value": {"text": "x"}}]}]}, []),
    ],
)  # fmt: skip
def test_what_a_report_counts_is_what_its_measure_defines(group, told, found):
    source = {**measure("cohort"), "group": [group]}
    assert sorted(errors(reported(told), source)) == found


def test_a_measure_without_groups_binds_no_report():
    bare = measure()
    del bare["group"]
    assert errors(reported({"code": {"text": "x"}, "measureScore": {"value": 0.5}}), bare) == []


def test_the_score_of_a_ratio_has_a_value():
    source = {**measure("ratio"), "group": [{}]}
    assert errors(reported({"measureScore": {"value": 3, "unit": "x"}}), source) == []
    assert errors(reported({"measureScore": {"unit": "x"}}), source) == [("required", GROUP + ".measureScore")]
    assert errors(reported({"measureScore": {"value": 1, "unit": "x"}}), {**measure(), "group": [{}]}) == [
        ("invalid", GROUP + ".measureScore.unit")
    ]


ELEMENT = "StructureDefinition.differential.element[1]"


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (structure(element("name", max="1")), None),
        (structure(element("gender", max="2")), "StructureDefinition"),
        (structure(element("link.other", min=0)), "StructureDefinition"),
        (structure(element("birthDate", fixedString="x")), "StructureDefinition"),
        (structure(element("birthDate", type=[{"code": "Quantity"}])), "StructureDefinition"),
        (structure(type="Group"), "StructureDefinition.type"),
        (structure(kind="complex-type"), "StructureDefinition.kind"),
        (structure(element("extension", type=[{"code": "Extension", "profile": [HL7 + "Patient"]}])),
         ELEMENT + ".type[0].profile[0]"),
        (structure(element("managingOrganization", type=[{"code": "Reference", "targetProfile": [HL7 + "Quantity"]}])),
         ELEMENT + ".type[0].targetProfile[0]"),
        (structure(element("name", constraint=[{"key": "k", "severity": "error", "human": "x", "expression": "a = = b"}])),
         ELEMENT + ".constraint[0]"),
        (structure(element("name", slicing={"discriminator": [{"type": "value", "path": "where(x)"}], "rules": "open"})),
         ELEMENT + ".slicing"),
    ],
)  # fmt: skip
def test_a_profile_narrows_its_base(definition, place):
    found = [path for _, path in errors(definition)]
    assert found == [] if place is None else place in found


def codes(**more):
    return {
        "resourceType": "CodeSystem", "url": "http://x.test/c", "name": "C", "status": "active", "content": "complete",
        "concept": [{"code": "a"}], **more,
    }  # fmt: skip


def test_code_systems_and_concept_maps():
    assert errors(codes()) == []
    typed = codes(property=[{"code": "w", "type": "integer"}],
                  concept=[{"code": "a", "property": [{"code": "w", "valueString": "x"}]}])  # fmt: skip
    assert errors(typed) == [("invalid", "CodeSystem.concept[0].property[0]")]
    more = codes(url="http://x.test/s", content="supplement", supplements="http://x.test/c", concept=[{"code": "z"}])
    assert errors(more, codes()) == [("code-invalid", "CodeSystem.concept[0]")]
    mapping = {
        "resourceType": "ConceptMap", "status": "active",
        "group": [{"source": "http://x.test/c", "target": "http://x.test/unknown",
                   "element": [{"code": "z", "target": [{"code": "y", "equivalence": "equal"}]}]}],
    }  # fmt: skip
    assert errors(mapping, codes()) == [("code-invalid", "ConceptMap.group[0].element[0].code")]


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ({"identifier": [{"system": "local", "value": "1"}]}, [("invalid", "Patient.identifier[0]")]),
        ({"identifier": [{"system": "urn:ietf:rfc:3986", "value": "1.2"}]}, [("invalid", "Patient.identifier[0]")]),
        ({"identifier": [{"system": "oid:1.2", "value": "1"}]}, [("value", "Patient.identifier[0].system")]),
        ({"photo": [{"contentType": "text/plain", "data": "YWJj", "size": 3}]}, []),
        ({"photo": [{"contentType": "text/plain", "data": "YWJj", "size": 4}]}, [("value", "Patient.photo[0]")]),
        ({"maritalStatus": {"coding": [{"system": "https://loinc.org", "code": "1"}]}},
         [("invalid", "Patient.maritalStatus.coding[0].system")]),
        ({"maritalStatus": {"coding": [{"system": "http://hl7.org/fhir/x.html", "code": "1"}]}},
         [("invalid", "Patient.maritalStatus.coding[0].system")]),
    ],
)  # fmt: skip
def test_data_types(elements, found):
    assert errors({"resourceType": "Patient", **copy.deepcopy(elements)}) == found


@pytest.mark.parametrize(
    "code", ["[pH]", "/100{WBC}", "10*3{cells}/uL", "B[SPL]", "g/(8.h){shift}", "[in_i'H2O]", "AU"]
)
def test_units_that_are_known(code):
    assert ucum.unit(code) is not None


def test_scales_that_are_not_linear_compare_with_themselves_alone():
    assert ucum.comparable("[pH]", "[pH]")
    assert not ucum.comparable("[pH]", "mol/L")
    assert ucum.unit("nonsense") is None


@pytest.mark.parametrize(
    "text",
    [
        "404684003", "404684003 |Clinical finding|", "< 404684003", "<< 73211009 |Diabetes|", "^ 700043003", "*",
        "< 19829001 AND < 301867009", "< 19829001 |x| OR (< 301867009 MINUS << 1234567)",
        "< 404684003: 363698007 = << 39057004", "< 404684003: 363698007 = << 39057004, 116676008 = << 415582006",
        "< 404684003: {363698007 = << 39057004, 116676008 = 415582006}, {363698007 = 53085002}",
        "< 373873005: [1..3] 127489000 = < 105590001", "< 91723000: R 363698007 = < 125605004",
        "< 27658006: 1142135004 >= #250, 732945000 = 258684004", "< 125605004 . 363698007",
        "(< 404684003: 363698007 = << 39057004) AND << 1234567", '< 64572001 {{ term = "heart" }}', "<! 404684003 /* x */",
        "< 404684003: (363698007 = < 39057004 OR 116676008 = *)", "!!> (<< 1234567)",
    ],
)  # fmt: skip
def test_constraints_of_snomed_that_can_be_read(text):
    assert ecl.is_readable(text)


@pytest.mark.parametrize(
    "text",
    ["", "234234 << 234234", "< ", "AND 404684003", "404684003 404684003", "(< 404684003", "< 404684003:", "x", "<< 12",
     "< 404684003: 363698007 <<", "(" * 5000 + "404684003"],
)  # fmt: skip
def test_constraints_of_snomed_that_cannot_be_read(text):
    assert not ecl.is_readable(text)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("name", "sound"), [("designNote", True), ("patient-birthTime", False)])
def test_an_extension_keeps_its_place_in_an_element_that_holds_itself(depth, name, sound):
    item = {"linkId": "0", "type": "quantity", "extension": [{"url": HL7 + name, "valueMarkdown": "x"}]}
    if not sound:
        item["extension"] = [{"url": HL7 + name, "valueDateTime": "2020-01-01T00:00:00Z"}]
    for level in range(1, depth):
        item = {"linkId": str(level), "type": "group", "item": [item]}
    found = [code for code, _ in errors(asked(item))]
    assert found == ([] if sound else ["extension"])


@pytest.mark.parametrize(
    ("extension", "found"),
    [
        ({"url": HL7 + "patient-birthPlace", "valueString": "x"}, ("structure", "Patient.extension[0]")),
        (
            {"url": HL7 + "patient-nationality", "extension": [{"url": "other", "valueString": "x"}]},
            ("extension", "Patient.extension[0].extension[0]"),
        ),
    ],
)
def test_an_extension_is_as_its_definition_says(extension, found):
    assert errors({"resourceType": "Patient", "extension": [extension]}) == [found]


def test_a_relative_reference_needs_a_full_url_around():
    patient = {"resourceType": "Patient", "managingOrganization": {"reference": "Organization/1"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    found = [("invalid", "Bundle.entry[0].resource.managingOrganization"), ("required", "Bundle.entry[0]")]
    assert errors(bundle) == found
    bundle["entry"][0]["fullUrl"] = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    assert errors(bundle) == []
    assert ("invalid", "Bundle") in errors({**document(), "entry": []})
