"""The language on FHIR resources: what the official suite does not say, or says only in part."""

import pytest

from virage.core.fhir import fhirpath

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://example.org/heure", "valueTime": "10:30:00"}]},
    "deceasedBoolean": False,
    "name": [
        {"use": "official", "family": "Lovelace", "given": ["Ada", None], "_given": [None, {"id": "g"}]},
        {"use": "usual", "given": ["Countess"]},
    ],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Hôpital"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/7"}, {"reference": "Organization/8"}],
    "link": [{"other": {"reference": "Patient/9"}, "type": "seealso"}],
}
WEIGHT = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "valueQuantity": {"value": 72.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "effectiveDateTime": "2024-05-06T10:00:00+02:00",
}


def run(expression, resource=PATIENT, **options):
    return fhirpath.compile(expression)(resource, **options)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("birthDate = @1974-12-25", [True]),
        ("birthDate.extension('http://example.org/heure').value", ["10:30:00"]),
        ("birthDate.extension.value = @T10:30:00", [True]),
        ("deceased", [False]),
        ("deceased is boolean", [True]),
        ("name.given", ["Ada", "Countess"]),
        ("name.given.count()", [3]),
        ("name.given.id", ["g"]),
        ("Resource.id", ["p1"]),
        ("DomainResource.active", [True]),
        ("Observation.status", []),
        ("managingOrganization.resolve().name", ["Hôpital"]),
        ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/7"]),
        ("link.other.resolve() is Patient", [True]),
        ("name.select(given.first())", ["Ada", "Countess"]),
        ("name.where($index = 1).use", ["usual"]),
        ("name.sort(use desc).use", ["usual", "official"]),
        ("defineVariable('n', name.first()).select(%n.family)", ["Lovelace"]),
        ("name.trace('nom').family", ["Lovelace"]),
        ("name.first().subsumes(name.first())", []),
    ],
)
def test_paths_on_a_patient(expression, expected):
    assert run(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value.unit", ["kg"]),
        ("valueQuantity.unit", []),
        ("(value as Quantity).value = 72.5", [True]),
        ("value.ofType(string)", []),
        ("value = 72500 'g'", [True]),
        ("value > 150 '[lb_av]'", [True]),
        ("value > 1 'm'", []),
        ("effective is dateTime", [True]),
        ("effective = @2024-05-06T08:00:00Z", [True]),
        ("effective > @2024-05", []),
        ("code.coding.where(system = %loinc).code", ["29463-7"]),
    ],
)
def test_choices_quantities_and_dates(expression, expected):
    assert run(expression, WEIGHT) == expected


def test_results_carry_type_and_path():
    items = fhirpath.compile("name.given | deceased | 1.5").typed(PATIENT)
    assert [(item.type, item.path) for item in items if item.value is not None] == [
        ("string", "Patient.name[0].given[0]"),
        ("string", "Patient.name[1].given[0]"),
        ("boolean", "Patient.deceased"),
        ("decimal", ""),
    ]


def test_an_element_can_be_the_focus():
    rule = fhirpath.compile("family.exists() and %resource.active", "HumanName")
    assert rule.truth(PATIENT["name"][0], resource=PATIENT)
    assert not rule.truth(PATIENT["name"][1], resource=PATIENT)


def test_hooks_answer_for_other_resources_and_for_terminology():
    class Answers:
        def member_of(self, value, type, valueset):
            return type == "code" and value == "official"

        def subsumes(self, system, code, other):
            return None

    found = run(
        "generalPractitioner.resolve().name.family",
        resolver={"Practitioner/7": {"resourceType": "Practitioner", "name": [{"family": "Curie"}]}}.get,
    )
    assert found == ["Curie"]
    assert run("name.use.select(memberOf('http://example.org/vs'))", terminology=Answers()) == [True, False]
    assert run("name[0].use.memberOf('http://hl7.org/fhir/ValueSet/name-use')") == [True]
    assert run("conformsTo('http://example.org/profil')", conforms=lambda resource, url: True) == [True]


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("name.where(", 11),
        ("1 + ", 4),
        ("name.given(", 11),
        ("nom ^ 2", 4),
        ("foo()", 0),
        ("1 + 'a'", 2),
        ("@2014-13", 0),
        ("'a", 0),
    ],
)
def test_a_refusal_says_where(expression, position):
    with pytest.raises(fhirpath.FhirPathError) as refused:
        run(expression)
    assert refused.value.code == "FHIR.FHIRPATH_INVALID"
    assert refused.value.position == position


@pytest.mark.parametrize("expression", ["name.nom", "Observation.status", "name.as(HumanName)", "children().skip(1)"])
def test_the_strict_reading_refuses_what_the_definitions_exclude(expression):
    assert fhirpath.compile(expression, "Patient") is not None
    with pytest.raises(fhirpath.FhirPathError):
        fhirpath.compile(expression, "Patient", strict=True)(PATIENT)


def test_nothing_is_printed(capsys):
    run("name.trace('nom', given).family")
    assert capsys.readouterr() == ("", "")


def evaluate(expression, resource=PATIENT):
    lines = [{"name": "expression", "valueString": expression}]
    if resource is not None:
        lines.append({"name": "resource", "resource": resource})
    return fhirpath.evaluate_operation({"resourceType": "Parameters", "parameter": lines}).get("parameter", [])


def test_operation_gives_each_result_with_value_type_and_path():
    assert evaluate("name.given.first()") == [
        {
            "name": "result",
            "valueString": "Ada",
            "part": [
                {"name": "type", "valueString": "string"},
                {"name": "path", "valueString": "Patient.name[0].given[0]"},
            ],
        }
    ]
    assert evaluate("contained")[0]["resource"] == PATIENT["contained"][0]
    assert evaluate("name[1]")[0]["part"][0] == {"name": "value", "valueHumanName": PATIENT["name"][1]}
    assert evaluate("value", WEIGHT)[0]["valueQuantity"]["code"] == "kg"
    assert evaluate("1 + 1", None)[0]["valueInteger"] == 2
    assert evaluate("name.where(false)") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": " "}]},
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "expression", "valueString": "1"}, {"name": "resource", "resource": {}}],
        },
    ],
)
def test_operation_refuses_parameters_that_say_nothing(parameters):
    from virage.core.errors import VirageError

    with pytest.raises(VirageError) as refused:
        fhirpath.evaluate_operation(parameters)
    assert 400 <= refused.value.status < 500
