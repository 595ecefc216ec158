"""JSON and XML say the same thing: both ways, without loss, and nothing harmful gets in."""

import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.bounds import bounded
from virage.core.fhir import definitions, json, validation, xml
from virage.core.fhir.xml import MalformedXml

FHIR = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'


def canonical(resource):
    """The resource with its narratives in canonical XML, and array twins without trailing nulls."""
    if isinstance(resource, list):
        return [canonical(each) for each in resource]
    if not isinstance(resource, dict):
        return resource
    found = {}
    for name, value in resource.items():
        if name == "div" and isinstance(value, str):
            value = re.sub(r"\s+", " ", etree.canonicalize(value)).strip()
        if name.startswith("_") and isinstance(value, list):
            while value and value[-1] is None:
                value = value[:-1]
        found[name] = canonical(value)
    return found


def again(resource):
    return xml.loads(xml.dumps(resource))


def test_everything_that_xml_writes_otherwise():
    resource = {
        "resourceType": "Patient",
        "id": "p",
        "text": {"status": "generated", "div": DIV % "a &amp; b<br/> <b>c</b>"},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
        "extension": [{"url": "http://example.org/a", "id": "e", "valueDecimal": json.number("1.50")}],
        "_active": {
            "id": "x",
            "extension": [{"url": "http://example.org/b", "valueString": " two  spaces\n\tand lines "}],
        },
        "name": [{"given": ["Ada", None, "Zoé"], "_given": [None, {"id": "g"}, None]}],
        "birthDate": "1980",
        "_birthDate": {"id": "b"},
        "deceasedBoolean": False,
        "multipleBirthInteger": 2,
    }
    assert validation.check(resource) == []
    data = xml.dumps(resource)
    assert (
        b'<extension url="http://example.org/a" id="e">' in data
        or b'<extension id="e" url="http://example.org/a">' in data
    )
    assert b'<valueDecimal value="1.50"/>' in data
    assert b'<birthDate id="b" value="1980"/>' in data
    assert b"<contained><Organization><id" in data
    assert again(resource) == resource
    assert json.dumps(_sorted(again(resource))) == json.dumps(_sorted(resource))


def test_elements_come_out_in_the_order_of_the_definition():
    data = xml.dumps({"birthDate": "1980", "name": [{"text": "x"}], "id": "a", "resourceType": "Patient"})
    assert data.index(b"<id") < data.index(b"<name") < data.index(b"<birthDate")


def test_pretty_says_the_same():
    resource = {
        "resourceType": "Patient",
        "name": [{"given": ["a", "b"]}],
        "text": {"status": "empty", "div": DIV % " x <b>y</b> "},
    }
    assert xml.loads(xml.dumps(resource, pretty=True)) == resource
    assert b"\n  <name>\n" in xml.dumps(resource, pretty=True)


def test_narratives_with_a_prefix_come_in_without_it():
    data = (
        b'<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text><f:status value="generated"/>'
        b'<h:div><h:p class="a">x &lt; y</h:p><!--c--></h:div></f:text></f:Patient>'
    )
    assert xml.loads(data)["text"]["div"] == DIV % '<p class="a">x &lt; y</p><!--c-->'


def test_values_that_do_not_fit_their_type_stay_for_validation_to_report():
    data = f'<Patient {FHIR}><active value="yes"/><multipleBirthInteger value="1.5"/></Patient>'.encode()
    assert [issue.path for issue in validation.check(xml.loads(data))] == [
        "Patient.active",
        "Patient.multipleBirth.ofType(integer)",
    ]


@pytest.mark.parametrize(
    ("body", "path", "line"),
    [
        ("<colour value='x'/>", "Patient", 2),
        ("<active value='true'/><active value='true'/>", "Patient", 2),
        ("<active value='true' size='1'/>", "Patient.active", 2),
        ("words", "Patient", 1),
        ("<name>\n<use value='usual'/>x</name>", "Patient.name[0]", 3),
        ("<contained/>", "Patient.contained[0]", 2),
        ("<contained><Nobody/></contained>", "Patient.contained[0]", 2),
        ("<text><status value='empty'/><div>x</div></text>", "Patient.text.div", 2),
        ("<deceasedBoolean value='true'><id value='x'/></deceasedBoolean>", "Patient.deceased.ofType(boolean)", 2),
    ],
)
def test_faults_are_told_with_their_path_and_line(body, path, line):
    with pytest.raises(MalformedXml) as refusal:
        xml.loads(f"<Patient {FHIR}>\n{body}</Patient>".encode())
    assert refusal.value.status == 400
    assert refusal.value.issues[0].path == path
    assert refusal.value.issues[0].text.startswith(f"Ligne {line} ")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY a{i} "{("&a%s;" % (i - 1 or "")) * 10}">' for i in range(1, 12)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<Patient/>",
        b"<Patient xmlns='urn:other'/>",
        f"<Nobody {FHIR}/>".encode(),
        f"<Patient {FHIR}><name></Patient>".encode(),
        f"{BOMB}<Patient {FHIR}><id value='&a11;'/></Patient>".encode(),
        f"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Patient {FHIR}><name><text value='a'/>&e;</name></Patient>".encode(),
        f"<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'><Patient {FHIR}/>".encode(),
        f"<Patient {FHIR}>".encode() + b"<extension url='a'>" * 100_000,
        f"<Patient {FHIR}>".encode() + b"<extension url='a'>" * 150 + b"</extension>" * 150 + b"</Patient>",
        b"<?xml version='1.0' encoding='martian'?><Patient/>",
    ],
)
def test_what_is_harmful_or_broken_is_refused_quickly(data):
    with bounded(), pytest.raises(MalformedXml):
        xml.loads(data)


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": "Nobody"},
        {"resourceType": "Patient", "colour": "x"},
        {"resourceType": "Patient", "birthDate": {"a": 1}},
        {"resourceType": "Patient", "name": [{"family": "a\u0001"}]},
        {"resourceType": "Patient", "text": {"status": "empty", "div": DIV % "x" + "<script/>"}},
        {"resourceType": "Patient", "text": {"status": "empty", "div": "<p>x</p>"}},
        {"resourceType": "Patient", "name": ["x"]},
    ],
)
def test_what_xml_cannot_say_is_refused(resource):
    with pytest.raises(MalformedXml):
        xml.dumps(resource)


# ---- every type, generated


_text = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"]) | st.sampled_from("\n\t&<>\"' "), min_size=1, max_size=12
)
_PRIMITIVES = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "unsignedInt": st.integers(0, 2**31 - 1),
    "positiveInt": st.integers(1, 2**31 - 1),
    "decimal": st.from_regex(r"-?(0|[1-9][0-9]{0,9})\.[0-9]{1,9}", fullmatch=True).map(json.number),
    "xhtml": st.just(DIV % "<p>a</p>"),
}


@st.composite
def element(draw, type_name, depth=0):
    type_def = definitions.element(type_name)
    value = {"resourceType": type_name} if type_def.kind == "resource" else {}
    wanted = draw(st.lists(st.sampled_from(list(type_def.properties)), max_size=4 if depth < 3 else 1, unique=True))
    for name in wanted:
        child, ref = type_def.properties[name]
        target = child.type_name(ref.code)
        if target == "Resource":
            one = st.just({"resourceType": "Basic", "id": "b"})
        elif definitions.kind(target) == "primitive-type":
            one = _PRIMITIVES.get(ref.code, _text)
            if child.name == "id" or child.xml_attribute:
                one = st.just("x1")
        elif depth >= 3:
            continue
        else:
            one = element(target, depth + 1)
        value[name] = draw(st.lists(one, min_size=1, max_size=2)) if child.is_list else draw(one)
        if (
            definitions.kind(target) == "primitive-type"
            and ref.code != "xhtml"
            and child.name not in ("id", "url")
            and draw(st.booleans())
        ):
            twin = {"id": "t"}
            value["_" + name] = [twin, *[None] * (len(value[name]) - 1)] if child.is_list else twin
    return value


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(definitions.resource_types())).flatmap(element))
def test_json_to_xml_to_json_is_the_identity(resource):
    assert json.dumps(_sorted(again(resource))) == json.dumps(_sorted(resource))


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


# ---- material written by others


def _by_name(shared_data):
    found = {}
    for folder in ("fhir-r4-examples", "fhirpath/input"):
        for path in sorted((shared_data / folder).iterdir()):
            found.setdefault(path.stem, {}).setdefault(path.suffix, path)
    return found


def test_pairs_of_the_specification_are_equal(shared_data):
    pairs = [each for each in _by_name(shared_data).values() if len(each) == 2]
    assert len(pairs) >= 2
    for pair in pairs:
        left = canonical(json.loads(pair[".json"].read_bytes()))
        right = canonical(xml.loads(pair[".xml"].read_bytes()))
        for side in (left, right):  # the two files of one example carry narratives laid out differently
            side.pop("text", None)
        if right["resourceType"] == "Observation":  # the XML file of this example has one extension more, and only that
            assert [each["url"] for each in right.pop("extension")] == [
                "http://example.com/fhir/StructureDefinition/patient-age"
            ]
        assert json.dumps(_sorted(left)) == json.dumps(_sorted(right))


def test_every_example_survives_both_ways(shared_data):
    refused = set()
    count = 0
    for each in _by_name(shared_data).values():
        for suffix, path in each.items():
            try:
                resource = json.loads(path.read_bytes()) if suffix == ".json" else xml.loads(path.read_bytes())
                data = xml.dumps(resource)
            except MalformedXml:
                refused.add(path.name)
                continue
            count += 1
            back = xml.loads(data)
            assert canonical(copy.deepcopy(back)) == canonical(resource), path.name
            assert xml.dumps(back) == xml.dumps(xml.loads(xml.dumps(back)))
    assert count >= 55
    # These three hold elements that R4 does not have.
    assert refused == {"myconsent-ext.xml", "myconsent-resource.json", "r4-caredove-bundle.json"}
