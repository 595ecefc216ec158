"""Words that break programs: values, modifiers, headers, expressions; and how a sound body is warped."""

import copy
from typing import Any

from hypothesis import strategies as st

VALUES = [
    *[
        "",
        " ",
        "1",
        "-1",
        "true",
        "\x00",
        "\x01",
        "é",
        "😀",
        "\\",
        "$",
        "|",
        ",",
        "*",
        "%",
        "'",
        '"',
        "a\\",
        "\r\nX: y",
    ],
    *["a" * 5000, "9" * 400, "1e999999999", "1e-99999", "-1e308", "NaN", "inf", "0x10", "ge", "\u0661"],
    *[
        "2020-13-45",
        "2020-02-30",
        "0000",
        "10000-01-01",
        "9999-12-31T23:59:60Z",
        "2020-01-01T24:00:00Z",
        "ap0001",
        "lt0001-01-01",
    ],
    *[
        "gt2020-01-01T00:00:00+99:99",
        "5.4||mg",
        "5.4|http://unitsofmeasure.org|[[[",
        "1|http://unitsofmeasure.org|m999999999",
    ],
    *["Patient/", "//", "Patient/1/_history/x", "http://[", "https://[::1", "Patient/" + "x" * 70, "Nothing/1"],
    *[
        "48.8|2.3|-10|km",
        "900|2|1|km",
        "48|2|1|parsec",
        "48|2|1e999|km",
        "a$b$c",
        "a|b|c|d|e",
        "' OR 1=1 --",
        "%s",
        "ValueSet/x",
    ],
    *[
        "(" * 2000 + "a eq b" + ")" * 2000,
        "not (name eq 'x')",
        "name co 'x' and " * 300 + "name co 'x'",
        ",".join("a" * 3000),
    ],
    *[
        "http://hl7.org/fhir/ValueSet/all-languages",
        "Observation:subject",
        "*:*",
        "x:y:z:t",
        "--date",
        "estimate",
        "1.5",
    ],
    *["& | ! ( )", "a <-> b", "SELECT 1", "application/fhir+json;fhirVersion=3.0", "text/html", "99999999999999999999"],
]
MODIFIERS = [
    *[
        "",
        ":exact",
        ":contains",
        ":text",
        ":not",
        ":above",
        ":below",
        ":in",
        ":not-in",
        ":of-type",
        ":missing",
        ":identifier",
    ],
    *[
        ":Patient",
        ":Patient.name",
        ":Nothing",
        ":",
        ":x:y",
        ":iterate",
        ".",
        ".name",
        ".subject.subject.subject",
        "[x]",
    ],
]
PREFIXES = ["", "", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "zz"]
NAMES = [
    *[
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_text",
        "_content",
        "_list",
        "_has",
        "_type",
        "_query",
        "_filter",
        "_include",
    ],
    *[
        "_revinclude",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_contained",
        "_format",
        "_pretty",
        "_since",
        "_at",
    ],
    *[
        "_cursor",
        "_has:Observation:subject:code",
        "_has:x",
        "_has:::",
        "_source",
        "near",
        "x",
        "",
        ":",
        ".",
        "_include:iterate",
    ],
]
HEADERS = {
    "if_match": ["*", 'W/"1"', "1", 'W/"99999999999999999999999"', 'W/"-1"', "W/", 'W/"1", W/"2"', "é", 'W/"x"'],
    "if_none_match": ["*", 'W/"1"', "x", '"'],
    "if_none_exist": [
        "*",
        "name=x&_count=0",
        "nothing=1",
        "_sort=x",
        "%ff",
        "%00",
        "birthdate=x",
        "&&&",
        "Observation?code=x",
    ],
    "if_modified_since": [
        "x",
        "Mon, 99 Jan 2001 00:00:00 GMT",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 2001 00:00:00 +9999",
    ],
    "prefer": [
        "return=x",
        "handling=lenient",
        "handling=x",
        "respond-async",
        ";;",
        "=",
        "wait=99999999999999999999",
        "é",
    ],
    "accept": [
        "*/*",
        "application/fhir+xml",
        "text/html",
        "application/pdf",
        "q=1",
        ";",
        "/",
        ",,,",
        "é",
        "application/json;q=nan",
    ],
    "content_encoding": ["gzip", "br", "gzip, gzip"],
    "host": ["é", "a" * 300, "[::1", 'evil"><'],
    "x_request_id": ["é", "a" * 100],
}
KINDS = [
    *[
        "",
        "application/fhir+json",
        "application/fhir+xml",
        "application/json-patch+json",
        "application/xml-patch+xml",
        ";;",
        "é",
    ],
    *[
        "application/fhir+json; charset=latin-1",
        "application/fhir+json; charset=utf-16",
        "application/x-www-form-urlencoded",
    ],
    *[
        "application/fhir+json; fhirVersion=3.0",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "text/turtle",
        "*/*",
    ],
]
EXPRESSIONS = [
    *[
        "1",
        "name.given",
        "(((",
        "1 +",
        "'a",
        "1/0",
        "1 div 0",
        "'a'.matches('(a+)+$')",
        "'x'.replaceMatches('(x*)*', '$1$99')",
    ],
    *[
        "'a'.matches('((a{1,100}){1,100}){1,100}')",
        "repeat($this)",
        "descendants().descendants().descendants()",
        "iif()",
    ],
    *[
        "@2020-13-45",
        "@9999-12-31 + 1 year",
        "@0001-01-01 - 1 year",
        "@2020-01-01 + 99999999999 days",
        "@T25:00",
        "1 'mg' + 1 's'",
    ],
    *[
        "2.power(1000000)",
        "(-1).sqrt()",
        "0.ln()",
        "10.log(1)",
        "9" * 1000,
        "1." + "9" * 1000,
        "1.5.round(9999999)",
        "name[-1]",
    ],
    *[
        "9223372036854775808",
        "-9223372036854775808",
        "9223372036854775807 + 1",
        "'x'.substring(9999999999999999999)",
        "%x",
        "%`",
    ],
    *[
        "'\\ud800'",
        "'\\ude00\\ud83d'",
        "'\\ud83d\\ude00'",
        "'\\u0000'",
        "'\\x'",
        " or ".join(["true"] * 5000),
        "(" * 500 + "1" + ")" * 500,
    ],
    *[
        "a." * 5000 + "a",
        "-" * 5000 + "1",
        "//",
        "/*",
        "{",
        "`",
        "\x00",
        "1.0.lowBoundary(40)",
        "1 = 'a'",
        "1 < 'a'",
        "type().name",
    ],
    *[
        "name is",
        "trace(1)",
        "'zz'.decode('hex')",
        "1 'mg' < 1 's'",
        "aggregate($total + 1, 0)",
        "memberOf('x')",
        "resolve()",
    ],
]
JUNK: list[Any] = [
    *[
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        10**30,
        "",
        "x",
        "\x01",
        [],
        {},
        [[]],
        [{}],
        [None],
        {"x": None},
        "a" * 3000,
        ["a", 1],
    ],
    *[{"resourceType": "Patient"}, {"reference": "x"}, {"extension": []}, {"id": 1}, "2020-13-45", {"resourceType": 1}],
    {"extension": [{"url": "x", "valueString": "y"}]},
]


@st.composite
def warped(draw: Any, value: Any) -> Any:
    """The value with one or two of its parts exchanged, left out, doubled, or put under another name."""
    made = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        place = made
        while place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 3)):
                place = place[key]
                continue
            how = draw(st.sampled_from(["exchange", "exchange", "leave out", "double", "rename"]))
            if how == "exchange":
                place[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
            elif how == "double":
                place[key] = [place[key], place[key]]
            elif how == "rename" and isinstance(place, dict):
                place[draw(st.sampled_from(["x", f"_{key}", "id", "resourceType", "valueString", ""]))] = place.pop(key)
            else:
                del place[key]
            break
    return made
