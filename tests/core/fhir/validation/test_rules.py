"""Rules that R4 states in words about vocabularies, definitions, bundles and texts: each found broken, at its place."""

from datetime import UTC, datetime

import pytest

from virage.core.fhir import validation

HL7 = "http://hl7.org/fhir/StructureDefinition/"
TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
UCUM = "http://unitsofmeasure.org"


def errors(resource, *known, profiles=(), severity="error", **options):
    found = validation.validate(
        resource, profiles=profiles, registry=validation.Registry(known), options=validation.Options(**options)
    )
    return [(each.code, each.path) for each in found if each.severity == severity]


def patient(**more):
    return {"resourceType": "Patient", **more}


def extension(name, **value):
    return {"url": HL7 + name, **value}


# Vocabularies


def system(**more):
    return {
        "resourceType": "CodeSystem", "url": "http://x.test/c", "name": "C", "status": "active", "content": "complete",
        "concept": [{"code": "a", "concept": [{"code": "b"}]}], **more,
    }  # fmt: skip


def whole(**more):
    include = {"system": "http://x.test/c", **more}
    return {"resourceType": "ValueSet", "url": "http://x.test/v", "status": "active", "compose": {"include": [include]}}


def prop(code, kind, uri=""):
    return {"code": code, "type": kind, **({"uri": "http://hl7.org/fhir/concept-properties#" + uri} if uri else {})}


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        (system(count=2), []),
        (system(count=3), [("invalid", "CodeSystem.count")]),
        (system(content="fragment", count=30), []),
        (system(content="not-present"), [("invalid", "CodeSystem.concept[0]")]),
        (system(content="supplement"), [("required", "CodeSystem")]),
        (system(valueSet="http://x.test/v"), []),
        (system(valueSet="http://x.test/some"), [("invalid", "CodeSystem")]),
        (system(url="http://x.test/d", valueSet="http://x.test/v"), [("invalid", "CodeSystem")]),
        (system(property=[prop("status", "code", "status")]), []),
        (system(property=[prop("inactive", "dateTime", "deprecationDate")]), [("invalid", "CodeSystem.property[0]")]),
        (system(property=[prop("parent", "code", "parent")],
                concept=[{"code": "a", "property": [{"code": "parent", "valueCode": "z"}]}]),
         [("code-invalid", "CodeSystem.concept[0].property[0]")]),
        (system(property=[{"code": "x", "type": "string", "uri": "x"}]), [("invalid", "CodeSystem.property[0]")]),
    ],
)  # fmt: skip
def test_a_code_system_says_true_of_itself(resource, found):
    some = {**whole(concept=[{"code": "a"}]), "url": "http://x.test/some"}
    assert errors(resource, whole(), some) == found


def filtered(name, operator, value):
    return whole(filter=[{"property": name, "op": operator, "value": value}])


@pytest.mark.parametrize(
    ("resource", "fault"),
    [
        (whole(), None),
        (whole(concept=[{"code": "a"}]), None),
        (filtered("concept", "is-a", "a"), None),
        (filtered("concept", "is-a", "z"), "code-invalid"),
        (filtered("code", "in", "a,b"), None),
        (filtered("code", "in", "a,z"), "code-invalid"),
        (filtered("flag", "=", "true"), None),
        (filtered("flag", "=", "maybe"), "invalid"),
        (filtered("flag", "exists", "true"), None),
        (filtered("flag", "exists", "1"), "invalid"),
        (filtered("weight", "=", "1.5"), None),
        (filtered("weight", "=", "heavy"), "invalid"),
        (filtered("since", "=", "2020-01"), None),
        (filtered("since", "=", "yesterday"), "invalid"),
        (filtered("code", "regex", "a.*"), None),
        (filtered("code", "regex", "a["), "invalid"),
        (filtered("inactive", "=", "no"), "invalid"),
        (filtered("other", "=", "x"), "invalid"),
    ],
)
def test_filters_compare_what_the_system_has(resource, fault):
    held = system(property=[prop("flag", "boolean"), prop("weight", "decimal"), prop("since", "dateTime")])
    place = "ValueSet.compose.include[0].filter[0]"
    assert errors(resource, held) == ([] if fault is None else [(fault, place)])


@pytest.mark.parametrize("address", ["http://x.test/some", "http://x.test/more", "http://x.test/c|1"])
def test_a_value_set_includes_code_systems(address):
    some = {**whole(), "url": "http://x.test/some"}
    more = system(url="http://x.test/more", content="supplement", supplements="http://x.test/c", concept=[])
    del more["concept"]
    held = {**whole(), "url": "http://x.test/w"}
    held["compose"] = {"include": [{"system": address}]}
    assert errors(held, some, more, system()) == [("invalid", "ValueSet.compose.include[0]")]


def test_a_map_keeps_to_the_value_sets_it_is_made_for():
    mapping = {
        "resourceType": "ConceptMap", "status": "active", "sourceCanonical": "http://x.test/v",
        "group": [{"source": "http://x.test/c", "element": [{"code": "b"}]}],
    }  # fmt: skip
    place = "ConceptMap.group[0].element[0].code"
    assert errors(mapping, whole(), system()) == []
    assert errors(mapping, whole(concept=[{"code": "a"}]), system()) == [("code-invalid", place)]
    mapping["sourceCanonical"] = "http://x.test/c"
    assert errors(mapping, system()) == [("structure", "ConceptMap.source.ofType(canonical)"),
                                         ("invalid", "ConceptMap.source.ofType(canonical)")]  # fmt: skip


def test_a_canonical_is_of_a_type_that_the_element_allows():
    held = {**system(), "valueSet": "http://x.test/other"}
    assert errors(held, system(url="http://x.test/other")) == [("structure", "CodeSystem.valueSet")]


# Definitions


def structure(*elements, **more):
    return {
        "resourceType": "StructureDefinition", "url": "http://x.test/p", "name": "P", "status": "draft", "kind": "resource",
        "abstract": False, "type": "Patient", "baseDefinition": HL7 + "Patient", "derivation": "constraint",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}, *elements]}, **more,
    }  # fmt: skip


def element(path, **more):
    return {"id": f"Patient.{path}", "path": f"Patient.{path}", **more}


def rule(**more):
    return [{"key": "k-1", "severity": "error", "human": "x", "expression": "true", **more}]


def extended(*contexts, fixed="http://x.test/e", **more):
    lines = [
        {"id": "Extension", "path": "Extension"},
        {"id": "Extension.url", "path": "Extension.url", "fixedUri": fixed},
    ]
    return structure(
        url="http://x.test/e", type="Extension", kind="complex-type", baseDefinition=HL7 + "Extension",
        context=[{"type": "element", "expression": each} for each in contexts], differential={"element": lines}, **more,
    )  # fmt: skip


ELEMENT = "StructureDefinition.differential.element[1]"
SLICING = {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}
BINDING = {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/name-use"}


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (structure(element("name", slicing=SLICING)), None),
        (structure(element("gender", slicing=SLICING)), ELEMENT + ".slicing"),
        (structure(element("gender", binding=BINDING)), None),
        (structure(element("birthDate", binding=BINDING)), ELEMENT),
        (structure(element("birthDate", minValueDate="2000-01-01")), None),
        (structure(element("active", maxLength=3)), ELEMENT),
        (structure(element("name", maxLength=3)), ELEMENT),
        (structure(element("name.family", maxLength=3)), None),
        (structure(element("name", meaningWhenMissing="x")), ELEMENT),
        (structure({"id": "Group.name", "path": "Group.name"}), ELEMENT),
        (structure(element("name", constraint=rule())), None),
        (structure(element("name", constraint=rule(source="http://x.test/p"))), None),
        (structure(element("name", constraint=rule(source="http://x.test/other"))), ELEMENT + ".constraint[0]"),
        (structure(element("contact", constraint=rule(key="pat-1"))), ELEMENT + ".constraint[0]"),
        (structure(element("name", type=[{"code": "HumanName", "targetProfile": [HL7 + "Patient"]}])),
         ELEMENT + ".type[0].targetProfile[0]"),
        (structure(type="http://x.test/Thing", kind="resource"), "StructureDefinition.type"),
        (structure(derivation="specialization"), "StructureDefinition.type"),
        (structure(context=[{"type": "element", "expression": "Patient"}]), "StructureDefinition.context[0]"),
        (extended("Patient.name", "Element"), None),
        (extended("Patient.surname"), "StructureDefinition.context[0]"),
        (extended("Patient", fixed="http://x.test/f"), "StructureDefinition"),
    ],
)  # fmt: skip
def test_a_definition_is_one_that_can_be_used(definition, place):
    found = [path for _, path in errors(definition)]
    assert found == [] if place is None else place in found


def test_the_root_of_a_profile_has_no_slices():
    definition = structure()
    definition["differential"]["element"][0]["slicing"] = SLICING
    assert ("invalid", "StructureDefinition.differential.element[0]") in errors(definition)


def parameter(**more):
    return {
        "resourceType": "SearchParameter", "url": "http://x.test/s", "name": "s", "status": "active", "description": "x",
        "code": "s", "base": ["Patient"], "type": "string", **more,
    }  # fmt: skip


def test_a_parameter_keeps_to_the_one_of_r4_that_it_derives_from():
    name = "http://hl7.org/fhir/SearchParameter/Patient-name"
    assert errors(parameter(derivedFrom=name)) == []
    assert errors(parameter(derivedFrom=name, type="token")) == [("invalid", "SearchParameter")]
    assert errors(parameter(derivedFrom=name, base=["Group"])) == [("invalid", "SearchParameter")]


def test_a_server_announces_parameters_as_they_are_defined():
    def announced(kind):
        definition = "http://hl7.org/fhir/SearchParameter/Patient-name"
        searched = {"name": "name", "definition": definition, "type": kind}
        return {
            "resourceType": "CapabilityStatement", "status": "active", "date": "2020", "kind": "instance",
            "fhirVersion": "4.0.1", "format": ["json"], "implementation": {"description": "x"},
            "rest": [{"mode": "server", "resource": [{"type": "Patient", "searchParam": [searched]}]}],
        }  # fmt: skip

    assert errors(announced("string")) == []
    assert errors(announced("token")) == [("invalid", "CapabilityStatement.rest[0].resource[0].searchParam[0]")]


# Bundles


def collection(*entries, kind="collection", **more):
    held = {"entry": list(entries)} if entries else {}
    return {"resourceType": "Bundle", "type": kind, **held, **more}


def test_every_entry_has_a_full_url_unless_it_is_to_be_done():
    alone = {"resource": patient(active=True)}
    todo = {**alone, "request": {"method": "POST", "url": "Patient"}}
    assert errors(collection(alone)) == [("required", "Bundle.entry[0]")]
    assert errors(collection({**alone, "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"})) == []
    assert errors(collection(todo, kind="transaction")) == []
    assert errors(collection(todo, kind="batch")) == []


def test_links_between_pages_are_for_searches():
    link = [{"relation": "next", "url": "http://x.test/2"}]
    assert errors(collection(kind="transaction", link=link)) == [("invalid", "Bundle.link[0].relation")]
    assert errors(collection(kind="searchset", link=link)) == []
    twice = [{"relation": "self", "url": "http://x.test/1"}] * 2
    assert errors(collection(kind="batch", link=twice)) == [("invalid", "Bundle.link[1].relation")]


def test_a_search_without_modes_is_only_advised():
    found = collection({"fullUrl": "http://x.test/1", "resource": patient(active=True)}, kind="searchset")
    assert errors(found) == []
    assert ("invalid", "Bundle.entry[0].resource") in errors(found, severity="warning")


def test_an_address_links_an_entry_to_a_document():
    def entry(resource, ident):
        return {"fullUrl": f"http://x.test/{resource['resourceType']}/{ident}", "resource": {**resource, "id": ident}}

    composition = {
        "resourceType": "Composition", "status": "final", "type": {"text": "x"}, "date": "2020", "title": "x", "text": TEXT,
        "author": [{"reference": "Practitioner/p"}],
    }  # fmt: skip
    photo = {"contentType": "image/png", "url": "Binary/b"}
    practitioner = {"resourceType": "Practitioner", "active": True}
    binary = {"resourceType": "Binary", "contentType": "image/png", "data": "YWJj"}
    for author, found in ((practitioner, [("invalid", "Bundle.entry[2]")]), ({**practitioner, "photo": [photo]}, [])):
        document = collection(
            entry(composition, "c"), entry(author, "p"), entry(binary, "b"), kind="document",
            timestamp="2020-01-01T00:00:00Z", identifier={"system": "http://x.test", "value": "1"},
        )  # fmt: skip
        assert errors(document) == found


# Elements


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        (patient(implicitRules="urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"), []),
        (patient(implicitRules="urn:uuid:0C3151BD-1CBF-4D64-B04D-CD9187A4C6E0"), [("value", "Patient.implicitRules")]),
        (patient(_gender={"extension": [{"url": HL7 + "data-absent-reason", "valueCode": "unknown"}]}),
         [("code-invalid", "Patient.gender")]),
        (patient(_birthDate={"extension": [{"url": HL7 + "data-absent-reason", "valueCode": "unknown"}]}), []),
        (patient(meta={"security": [{"system": "urn:x", "code": "a"}, {"system": "urn:x", "code": "b"}]}), []),
        (patient(meta={"security": [{"system": "urn:x", "code": "a"}] * 2}), [("duplicate", "Patient.meta.security[1]")]),
        (patient(managingOrganization={"reference": "Organization?identifier=urn:x|1&active=true"}), []),
        (patient(managingOrganization={"reference": "Organization?identifier"}), [("invalid", "Patient.managingOrganization")]),
        (patient(extension=[{"url": HL7 + "patient-birthPlace|4.0.1", "valueAddress": {"city": "x"}}]),
         [("extension", "Patient.extension[0]")]),
    ],
)  # fmt: skip
def test_elements(resource, found):
    assert errors(resource) == found


@pytest.mark.parametrize(
    ("text", "refused"),
    [("<script>x</script>", True), ("a <b>b</b>", True), ("<!-- x -->", True), ("x < y", False), ("CRP <LOD", False),
     ("a<b", False), ("<3", False)],
)  # fmt: skip
def test_markup_in_plain_text_is_refused_where_asked(text, refused):
    resource = patient(name=[{"text": text}])
    assert errors(resource) == []
    assert errors(resource, check_text=True) == ([("security", "Patient.name[0].text")] if refused else [])


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        ('<p>x <b>y</b></p>', True), ("<p>x <div>y</div></p>", False), ("<p>x</p><table><tr><td>y</td></tr></table>", True),
        ('<a href="x.html">x</a>', True), ('<a href="">x</a>', False), ('<a href="urn:oid:1.2">x</a>', False),
        ('<a href="cid:1">x</a>', False), ('<a href="other:1">x</a>', True), ('<img src="#none" alt="x"/>', False),
        ('<a name="q">x</a><a href="#q">x</a>', True), ('<a href="#none">x</a>', False),
    ],
)  # fmt: skip
def test_what_a_text_links_to_and_holds(content, sound):
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'}
    assert errors(patient(text=text)) == ([] if sound else [("invalid", "Patient.text.div")])


def vital(code, **more):
    return {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2020-01-01",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": each} for each in code]}, **more,
    }  # fmt: skip


def test_a_precise_vital_sign_is_given_beside_the_usual_code():
    value = {"value": 37, "unit": "C", "system": UCUM, "code": "Cel"}
    assert errors(vital(["8331-1", "8310-5"], valueQuantity=value)) == []
    assert errors(vital(["8331-1"], valueQuantity=value)) == [("required", "Observation.code")]


def profile(line, **more):
    return {
        "resourceType": "StructureDefinition", "url": "http://x.test/p", "type": "Patient", "kind": "resource", "abstract": False,
        "derivation": "constraint", "baseDefinition": HL7 + "Patient", "differential": {"element": [line]}, **more,
    }  # fmt: skip


def limited(path, name, **value):
    return profile({"path": path, "extension": [extension(name, **value)]})


def told(*sections, language=None):
    body = "".join(f'<div xml:lang="{each}" lang="{each}">x</div>' if each else "<p>x</p>" for each in sections)
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}
    return patient(text=text, **({"language": language} if language else {}))


@pytest.mark.parametrize(
    ("definition", "resource", "place"),
    [
        (limited("Patient.name.family", "minLength", valueInteger=3), patient(name=[{"family": "ab"}]), "Patient.name[0].family"),
        (limited("Patient.name.family", "minLength", valueInteger=2), patient(name=[{"family": "ab"}]), None),
        (limited("Patient.name.family", "regex", valueString="[A-Z]+"), patient(name=[{"family": "ab"}]), "Patient.name[0].family"),
        (limited("Patient.name.family", "regex", valueString="[a-z]+"), patient(name=[{"family": "ab"}]), None),
        (limited("Patient.photo", "maxSize", valueDecimal=2), patient(photo=[{"contentType": "text/plain", "data": "YWJj"}]),
         "Patient.photo[0]"),
        (limited("Patient.photo", "maxSize", valueDecimal=3), patient(photo=[{"contentType": "text/plain", "data": "YWJj"}]), None),
        (limited("Patient.text", "narrative-language-control", valueCode="_no"), told("fr"), "Patient.text"),
        (limited("Patient.text", "narrative-language-control", valueCode="_no"), told(""), None),
        (limited("Patient.text", "narrative-language-control", valueCode="_yes"), told(""), "Patient.text"),
        (limited("Patient.text", "narrative-language-control", valueCode="_resource"), told("fr", language="en"), "Patient.text"),
        (limited("Patient.text", "narrative-language-control", valueCode="_resource"), told("en", "fr", language="en"), None),
        (limited("Patient.text", "narrative-language-control", valueCode="fr"), told("en"), "Patient.text"),
        (limited("Patient.text", "narrative-language-control", valueCode="fr"), told(""), None),
        (limited("Patient.text", "narrative-source-control", valueCode="error"), told(""), "Patient.text"),
        (limited("Patient.text", "narrative-source-control", valueCode="warning"), told(""), None),
    ],
)  # fmt: skip
def test_limits_that_a_profile_sets_by_extensions(definition, resource, place):
    found = errors(resource, definition, profiles=["http://x.test/p"])
    assert [path for _, path in found] == ([] if place is None else [place])


def ago(years):
    return f"{datetime.now(UTC).year - years}-01-01"


@pytest.mark.parametrize(
    ("line", "birth", "sound"),
    [
        ({"minValueQuantity": {"value": 100, "system": UCUM, "code": "a"}}, ago(90), True),
        ({"minValueQuantity": {"value": 100, "system": UCUM, "code": "a"}}, ago(110), False),
        ({"maxValueQuantity": {"value": 10, "system": UCUM, "code": "a"}}, ago(-9), True),
        ({"maxValueQuantity": {"value": 10, "system": UCUM, "code": "a"}}, ago(-12), False),
        ({"maxValueQuantity": {"value": 10, "system": UCUM, "code": "m"}}, ago(-12), True),
        ({"minValueDate": "2000-01-01"}, "1999-12-31", False),
    ],
)  # fmt: skip
def test_bounds_of_dates_may_be_told_from_now(line, birth, sound):
    definition = profile({"path": "Patient.birthDate", **line})
    found = errors(patient(birthDate=birth), definition, profiles=["http://x.test/p"])
    assert found == ([] if sound else [("value", "Patient.birthDate")])


@pytest.mark.parametrize(
    ("line", "sound"),
    [
        ({"min": 2, "max": "3"}, True), ({"min": 1}, False), ({"max": "*"}, False), ({"max": "4"}, False),
    ],
)  # fmt: skip
def test_a_profile_of_a_profile_is_no_laxer(line, sound):
    base = {**structure(element("name", min=2, max="3")), "url": "http://x.test/b"}
    derived = {**structure(element("name", **line)), "baseDefinition": "http://x.test/b"}
    assert errors(derived, base) == ([] if sound else [("invalid", "StructureDefinition")])


def test_a_binding_is_no_weaker_than_that_of_the_base():
    weaker = {**BINDING, "strength": "preferred", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    assert errors(structure(element("gender", binding=weaker))) == [("invalid", "StructureDefinition")]
    base = {**structure(element("maritalStatus", binding=BINDING)), "url": "http://x.test/b"}
    derived = {**structure(element("maritalStatus", binding=weaker)), "baseDefinition": "http://x.test/b"}
    assert errors(derived, base) == [("invalid", "StructureDefinition")]


def test_an_element_of_a_version_that_is_not():
    for version, found in (("5.0", []), ("7.3", [("extension", "Patient.extension[0]")])):
        url = f"http://hl7.org/fhir/{version}/StructureDefinition/extension-Patient.other"
        assert errors(patient(extension=[{"url": url, "valueString": "x"}])) == found


def test_an_entry_of_a_bundle_is_no_reference_to_elsewhere():
    asks = profile({"path": "Patient.managingOrganization", "type": [
        {"code": "Reference", "targetProfile": [HL7 + "Organization"], "aggregation": ["bundled"]}]})  # fmt: skip
    organization = {"resourceType": "Organization", "id": "o", "name": "x"}
    held = {"fullUrl": "http://x.test/Patient/p", "resource": patient(
        id="p", managingOrganization={"reference": "Organization/o"}, meta={"profile": ["http://x.test/p"]})}  # fmt: skip
    beside = {"fullUrl": "http://x.test/Organization/o", "resource": organization}
    place = "Bundle.entry[0].resource.managingOrganization"
    assert errors(collection(held, beside), asks) == []
    assert errors(collection(held), asks, resolver=lambda _: organization) == [("structure", place)]


def test_a_context_may_ask_for_a_profile():
    asks = profile({"path": "Patient.birthDate", "min": 1})
    carried = {
        "resourceType": "StructureDefinition", "url": "http://x.test/e", "type": "Extension", "kind": "complex-type",
        "derivation": "constraint", "baseDefinition": HL7 + "Extension",
        "context": [{"type": "element", "expression": "http://x.test/p#Patient"}],
        "differential": {"element": [{"path": "Extension.url", "fixedUri": "http://x.test/e"}]},
    }  # fmt: skip
    held = patient(extension=[{"url": "http://x.test/e", "valueString": "x"}])
    assert errors({**held, "birthDate": "2020"}, asks, carried) == []
    assert errors(held, asks, carried) == [("extension", "Patient")]


def test_a_context_for_another_version_does_not_count():
    later = {"url": HL7 + "version-specific-use", "extension": [{"url": "startFhirVersion", "valueCode": "5.0"}]}
    carried = {
        "resourceType": "StructureDefinition", "url": "http://x.test/e", "type": "Extension", "kind": "complex-type",
        "derivation": "constraint", "baseDefinition": HL7 + "Extension",
        "context": [{"type": "element", "expression": "Patient.name"}, {"type": "element", "expression": "Patient", "extension": [later]}],
        "differential": {"element": [{"path": "Extension.url", "fixedUri": "http://x.test/e"}]},
    }  # fmt: skip
    held = {"url": "http://x.test/e", "valueString": "x"}
    assert errors(patient(name=[{"text": "x", "extension": [held]}]), carried) == []
    assert errors(patient(extension=[held]), carried) == [("extension", "Patient")]
