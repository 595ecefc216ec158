"""Whatever comes in through HTTP: never a 5xx, always an OperationOutcome with code and advice, in bounded time, nothing written."""

import json
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.fhir.edges import bodies, words
from tests.core.fhir.edges.conftest import refused
from tests.core.fhir.router.conftest import patient
from virage.core.fhir import definitions, xml
from virage.core.fhir.bulk import importing
from virage.core.fhir.index import params_of

JSON = "application/fhir+json"
TYPES = sorted(definitions.resource_types())
PLACES = [
    *[
        "",
        "/Patient",
        "/Patient/p",
        "/Patient/p/_history",
        "/Patient/p/_history/x",
        "/Patient/p/_history/" + "9" * 30,
        "/Patient/é",
    ],
    *[
        "/Patient/" + "a" * 65,
        "/Patient/%00",
        "/Patient/..",
        "/Patient//",
        "/Nothing",
        "/patient",
        "/Patient/p/*",
        "/Patient/p/x",
    ],
    *[
        "/Observation/o/Patient",
        "/_history",
        "/_search",
        "/metadata/x",
        "/$validate",
        "/$meta",
        "/Patient/p/$meta-add",
        "/$",
    ],
    *[
        "/Patient/p/$everything",
        "/Patient/$everything",
        "/$export-status",
        "/$import-file",
        "/Observation/$lastn",
        "/Binary",
    ],
    *[
        "/Subscription/s/$events",
        "/SearchParameter/x/$index",
        "/$graphql",
        "/.well-known/x",
        "/a" * 2000,
        "/Resource",
        "/*",
    ],
]
BROKEN = [
    *[
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"{",
        b"<Patient xmlns='http://hl7.org/fhir'/>",
        b"name=x",
        b"[" * 9999,
        b'{"a":' * 9999,
    ],
    *['{"resourceType":"Patient","name":[{"family":"é"}]}'.encode(each) for each in ("latin-1", "utf-16", "utf-8")],
    *[b'{"resourceType":"Patient"}{"resourceType":"Patient"}', b'{"resourceType":"Patient","resourceType":"Patient"}'],
    *[
        b'{"resourceType":"Patient","x":1e999}',
        b'{"resourceType":"Patient","id":"\\u0000"}',
        b'{"resourceType":"\\ud800"}',
    ],
]


def swept(examples):
    """Many examples on the same database: what they wrote is no matter to the next."""
    return settings(max_examples=examples)


def _query(params):
    return urlencode(params, errors="surrogatepass")


@st.composite
def criteria(draw):
    type = draw(st.sampled_from(TYPES))
    known = sorted(params_of(0, type))
    params = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(known)) + draw(st.sampled_from(words.MODIFIERS))
        name = draw(st.sampled_from([name, draw(st.sampled_from(words.NAMES))]))
        value = draw(st.sampled_from(words.PREFIXES)) + draw(st.sampled_from(words.VALUES) | st.text(max_size=8))
        params.append((name, value))
    return type, params


@swept(300)
@given(criteria(), st.sampled_from(["type", "form", "compartment", "system"]), st.booleans())
def test_searches(door, asked, where, lenient):
    type, params = asked
    more = {"prefer": "handling=lenient"} if lenient else {}
    if where == "form":
        door.hold(
            "POST", f"/{type}/_search", body=_query(params).encode(), kind="application/x-www-form-urlencoded", **more
        )
    else:
        path = {"type": f"/{type}", "compartment": f"/Patient/p/{type}", "system": ""}[where]
        door.hold("GET", path, _query(params), **more)


FILTER_WORDS = [
    "name",
    "eq",
    "'x'",
    '"x"',
    "and",
    "or",
    "not",
    "(",
    ")",
    "birthdate",
    "ge",
    "2020",
    "co",
    "pr",
    "false",
    "re",
]
FILTER_WORDS += ["subject[type eq x].name", "in", "\\", "'", "_id", "é", "9" * 50, "5.4||mg", "a" * 500, "po", "."]


@swept(150)
@given(st.lists(st.sampled_from(FILTER_WORDS), max_size=14).map(" ".join))
@example("birthdate eq name")
def test_filters(door, text):
    answer = door.hold("GET", "/Patient", _query([("_filter", text)]))
    assert answer.status == 200 or answer.outcome["issue"][0]["expression"] == ["_filter"]


@swept(200)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "é", ""]),
    place=st.sampled_from(PLACES),
    query=st.sampled_from(
        ["", "_format=x", "_summary=x", "job=../../x", "_since=x", "identifier=x", "_elements=,", "%ff=%fe", "a=%00"]
    ),
    body=st.sampled_from(BROKEN),
    kind=st.sampled_from(words.KINDS),
    headers=st.dictionaries(st.sampled_from(sorted(words.HEADERS)), st.integers(0, 99), max_size=3),
)
def test_places_headers_and_kinds(door, method, place, query, body, kind, headers):
    given = {name: words.HEADERS[name][pick % len(words.HEADERS[name])] for name, pick in headers.items()}
    door.hold(method, place, query, body if method in ("POST", "PUT", "PATCH") else b"", kind, **given)


@swept(250)
@given(
    st.sampled_from(bodies.RESOURCES).flatmap(lambda each: st.tuples(st.just(each), words.warped(each))),
    st.sampled_from(["create", "update", "validate", "xml", "cut"]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_resources(door, both, how, pick, in_xml):
    sound, broken = both
    type, id = sound["resourceType"], sound.get("id", "x")
    body, kind = orjson.dumps(broken, option=orjson.OPT_NON_STR_KEYS, default=str) if _fits(broken) else b"1e999", JSON
    if how == "cut":
        place = pick % len(body)
        body = body[:place] + [b"", b"{", b"\\u0000", b"\xff", b"1e999", b'"'][pick % 6] + body[place + 1 :]
    if how == "xml":
        text = xml.dumps(sound)
        place = pick % len(text)
        body = (
            text[:place]
            + [b"<", b">", b"&x;", b"\x00", b"<x/>", b"<id value='1'/>", b"]]>", b"\xff"][pick % 8]
            + text[place:]
        )
        kind = "application/fhir+xml"
    more = {"accept": "application/fhir+xml"} if in_xml else {}
    if how == "update":
        door.hold("PUT", f"/{type}/{id}", body=body, kind=kind, **more)
    elif how == "validate":
        door.hold("POST", "/$validate", body=body, kind=kind, **more)
    else:
        door.hold("POST", "" if type == "Bundle" and pick % 2 else f"/{type}", body=body, kind=kind, **more)


def _fits(value):
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@swept(200)
@given(
    st.sampled_from(words.EXPRESSIONS),
    st.sampled_from(words.EXPRESSIONS),
    st.sampled_from(["", ".", " and ", " | ", " = ", "["]),
    st.sampled_from([{}, {"accept": "application/fhir+xml"}]),
    st.sampled_from(["", "_pretty=true"]),
)
def test_expressions(door, one, other, joint, more, query):
    text = one + joint + other if joint else one
    given = [
        {"name": "expression", "valueString": text.replace("\x00", "?")},
        {"name": "resource", "resource": patient()},
    ]
    body = orjson.dumps({"resourceType": "Parameters", "parameter": given})
    answer = door.hold("POST", "/$fhirpath", query, body, JSON, **more)
    assert answer.status == 200 or answer.outcome["issue"][0].get("expression", ["expression"])[0] != ""


@swept(200)
@given(
    st.sampled_from(bodies.PATCHES).flatmap(words.warped) | st.sampled_from(bodies.PATCHES),
    st.sampled_from(words.EXPRESSIONS),
)
def test_fhirpath_patches(door, patch, expression):
    door.hold("PATCH", "/Patient/p", body=orjson.dumps(patch) if _fits(patch) else b"{", kind=JSON)
    aimed = bodies.patch(
        bodies.part("type", valueCode="delete"), bodies.part("path", valueString=expression.replace("\x00", "?"))
    )
    answer = door.hold("PATCH", "/Patient/p", body=orjson.dumps(aimed), kind=JSON)
    assert answer.status == 200 or answer.outcome["issue"][0]["expression"][0].startswith("Parameters.parameter[0]")


POINTERS = [
    "",
    "/",
    "/name/-1",
    "/name/01",
    "/name/" + "9" * 30,
    "/x/y",
    "/~2",
    "name",
    "/name/-",
    "/id",
    "/resourceType",
    "/" * 999,
]


@swept(150)
@given(
    st.sampled_from(bodies.JSON_PATCHES).flatmap(words.warped),
    st.sampled_from(POINTERS),
    st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
)
def test_json_patches(door, patch, pointer, op):
    kind = "application/json-patch+json"
    door.hold("PATCH", "/Patient/p", body=orjson.dumps(patch) if _fits(patch) else b"[", kind=kind)
    door.hold(
        "PATCH", "/Patient/p", body=orjson.dumps([{"op": op, "path": pointer, "from": "/name", "value": 1}]), kind=kind
    )


EXPORTED = [
    "Patient",
    "Nothing",
    "",
    "x",
    "2020-13",
    "0001",
    "Patient?name:x=y",
    "Patient?_sort=x",
    "Patient?nothing=1",
    "Patient?",
]
EXPORTED += [
    "Patient?birthdate=x",
    "Patient?a=" + "b" * 9000,
    "Patient?\x00=1",
    "csv",
    "../x",
    "Patient/" + "x" * 70,
    "Patient/é",
]


@swept(150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["_type", "_since", "_typeFilter", "_outputFormat", "_elements", "patient", "x", "é"]),
            st.sampled_from(EXPORTED),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["/$export", "/Patient/$export", "/Group/g/$export"]),
    st.booleans(),
)
def test_exports(door, params, path, posted):
    if posted:
        given = [
            {"name": name, "valueReference" if name == "patient" else "valueString": value} for name, value in params
        ]
        body = orjson.dumps({"resourceType": "Parameters", "parameter": given})
        answer = door.hold("POST", path, body=body, kind=JSON, prefer="respond-async")
    else:
        answer = door.hold("GET", path, _query(params), prefer="respond-async")
    if answer.status == 202:
        where, _, query = answer.headers["Content-Location"].partition("/fhir")[2].partition("?")
        assert door.hold("DELETE", where, query).status == 202


LINES = [each.replace(b"\n", b"") for each in BROKEN]
LINES += [
    orjson.dumps(each)
    for each in [patient(id="a"), patient(id="x" * 70), patient(meta="x"), {"resourceType": "Nothing"}]
]
LINES += [b"x" * 100_000, b"\xef\xbb\xbf" + orjson.dumps(patient()), b" "]


def _line(value):
    return json.dumps(value).encode()


@swept(40)
@given(
    st.lists(
        st.sampled_from(LINES) | st.sampled_from(bodies.RESOURCES).flatmap(words.warped).map(_line),
        max_size=6,
    )
)
def test_imported_lines(door, lines):
    answer = door.hold(
        "POST", "/$import", body=b"\n".join(lines) + b"\n", kind="application/fhir+ndjson", prefer="respond-async"
    )
    if answer.status != 202:
        return
    where, _, query = answer.headers["Content-Location"].partition("/fhir")[2].partition("?")
    importing.run(query.partition("=")[2], 10)
    manifest = door.send("GET", where, query)
    assert manifest.status == 200, manifest.body
    told = sum(each["count"] for each in manifest.json["error"])
    counts = manifest.json["extension"]
    assert told == counts["rejected"]
    assert counts["written"] + counts["present"] + told == sum(1 for line in lines if line.strip())
    for file in manifest.json["error"]:
        where, _, query = file["url"].partition("/fhir")[2].partition("?")
        for line in door.send("GET", where, query).body.splitlines():
            refused(orjson.loads(line))
            assert orjson.loads(line)["id"].startswith("input-0-line-")


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "place"),
    [
        ("GET", "/Patient", "birthdate=x", {}, "birthdate"),
        ("GET", "/Patient", "name:nothing=x", {}, "name"),
        ("GET", "/Patient", "_summary=x", {}, "_summary"),
        ("GET", "/Patient", "_format=x", {}, "_format"),
        ("GET", "/Patient", "_count=x", {}, "_count"),
        ("GET", "/Patient", "_cursor=x", {}, "_cursor"),
        ("GET", "/Patient", "_sort=x", {}, "_sort"),
        ("GET", "/Patient", "_include=x", {}, "_include"),
        ("GET", "/_history", "x=1", {}, "x"),
        ("GET", "/_history", "_since=x", {}, "_since"),
        ("GET", "/Patient/p", "", {"accept": "application/pdf"}, "Accept"),
        ("PUT", "/Patient/p", "", {"if_match": "x"}, "If-Match"),
        ("POST", "/Patient", "", {"content_encoding": "br"}, "Content-Encoding"),
        ("GET", "/$export", "", {}, "Prefer"),
        ("GET", "/$export-status", "job=x", {}, "job"),
    ],
)
def test_the_place_of_what_is_wrong_is_told(door, method, path, query, headers, place):
    body = orjson.dumps(patient(id="p")) if method != "GET" else b""
    answer = door.hold(method, path, query, body, JSON if body else "", **headers)
    assert answer.status in (400, 404, 406, 415)
    assert answer.outcome["issue"][0]["expression"] == [place]


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("POST", "/Patient", "_format=x", {}),
        ("PUT", "/Patient/p", "", {"accept": "application/pdf"}),
        ("PATCH", "/Patient/p", "", {"accept": "image/png"}),
        ("DELETE", "/Patient/p", "", {"accept": "image/png"}),
        ("POST", "", "_format=" + quote("text/html"), {}),
        ("POST", "/Patient/p/$meta-add", "_format=x", {}),
    ],
)
def test_an_answer_that_cannot_be_given_comes_before_the_change(door, method, path, query, headers):
    body = orjson.dumps({"resourceType": "Bundle", "type": "batch"} if not path else patient(id="p"))
    if method == "PATCH":
        body = b'[{"op":"remove","path":"/gender"}]'
    if "$" in path:
        meta = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
        body = orjson.dumps({"resourceType": "Parameters", "parameter": [meta]})
    assert door.hold(method, path, query, b"" if method == "DELETE" else body, JSON, **headers).status == 406


@pytest.mark.parametrize("name", ["if_match", "if_none_match", "if_none_exist", "if_modified_since"])
def test_a_condition_that_came_empty_is_not_forgotten(door, name):
    """What a web server cannot read of a header it hands over as nothing."""
    body = orjson.dumps(patient(id="p"))
    for method, path in (("POST", "/Patient"), ("PUT", "/Patient/p"), ("DELETE", "/Patient/p")):
        answer = door.hold(method, path, body=body if method != "DELETE" else b"", kind=JSON, **{name: ""})
        assert answer.status == 400
        assert answer.outcome["issue"][0]["expression"] == [name.title().replace("_", "-")]
    assert door.hold("GET", "/Patient/p", **{name: ""}).status == 200


def test_what_xml_cannot_write_is_done_all_the_same_and_said(door):
    body = orjson.dumps(patient(name=[{"family": "a\ufffeb"}]))
    answer = door.send("POST", "/Patient", body=body, kind=JSON, accept="application/fhir+xml")
    assert answer.status == 201
    assert answer.headers["Location"]
    assert answer.outcome["issue"][0]["severity"] == "warning"
