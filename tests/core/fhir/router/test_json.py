"""JSON in and out: decimals as written, bombs and doubtful texts refused with a sentence that says where."""

import gzip
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.fhir import json

DECIMALS = [
    "72.50",
    "72.5",
    "0.0",
    "-0.10",
    "1.0E245",
    "-1.000000000000000000e-245",
    "1E-22",
    "100000000000000000000.0",
]


@pytest.mark.parametrize("text", DECIMALS)
def test_a_decimal_leaves_as_it_came_in(text):
    body = b'{"value":%s,"list":[%s]}' % (text.encode(), text.encode())
    assert json.dumps(json.loads(body)) == body


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_any_decimal_keeps_its_text(value):
    body = b'{"v":%s}' % str(value).encode()
    assert json.dumps(json.loads(body)) == body
    assert Decimal(str(json.loads(body)["v"])) == value


_TEXTS = st.sampled_from(["405.70", "405.7", "0.0", "-0.0", "0.00", "1", "1.0E2", "100.0", "12345678901234567890", "7"])


@given(
    st.lists(st.one_of(_TEXTS, st.lists(_TEXTS, min_size=1, max_size=3)), min_size=1),
    st.sampled_from(["", " ", "\n"]),
    st.booleans(),
)
def test_each_of_many_decimals_keeps_its_own_text(values, gap, quoted):
    def member(place, text):
        return f'"v{place}"{gap}:{gap}{text}'

    def inside(texts):
        said = '"t":"dit \\"x\\": 4.50",' if quoted else ""
        return said + ",".join(member(place, text) for place, text in enumerate(texts))

    wholes = [
        member(place, value if isinstance(value, str) else "{" + inside(value) + "}")
        for place, value in enumerate(values)
    ]
    body = ("{" + ",".join(wholes) + "}").encode()
    told = json.dumps(json.loads(body))
    assert told.replace(b" ", b"") == body.replace(b" ", b"").replace(b"\n", b"")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4
            )
        ),
        max_leaves=20,
    )
)
def test_what_orjson_reads_is_read_alike(value):
    body = orjson.dumps({"x": value})
    assert json.loads(body) == {"x": value}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "vide"),
        (b"  \n", "vide"),
        (b"[]", "tableau"),
        (b"null", "null"),
        (b'"x"', "texte"),
        (b'{"a":', "ligne 1"),
        (b'{\n"a": tru}', "ligne 2"),
        (b'{"a":NaN}', "illisible"),
        (b'{"a":Infinity}', "illisible"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":1,"a":2}', "deux fois"),
        (b'{"a" :1,"a" :2}', "deux fois"),
        (b'{"a" :1,"a":2}', "deux fois"),
        (b'{"x":[{"id":1,"id":1}]}', "deux fois"),
        (b'{"a":"\\u0000"}', "nul"),
        (b'{"a":1e999}', "exposant"),
        (b'{"a":' + b"9" * 5000 + b"}", "mesure"),
        (b'{"a":' + b"9" * 100 + b"}", "100 caract"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "imbriqu"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "imbriqu"),
    ],
)
def test_a_doubtful_text_is_refused_with_the_reason(body, says):
    with pytest.raises(json.MalformedJson) as refusal:
        json.loads(body)
    assert says in refusal.value.text
    assert refusal.value.status == 400


def test_the_refusal_quotes_nothing_of_the_body():
    with pytest.raises(json.MalformedJson) as refusal:
        json.loads(b'{"family":"DUPONT","family":"DUPONT" "}')
    assert "DUPONT" not in refusal.value.text


def test_texts_that_look_like_keys_or_numbers_are_left_alone():
    body = b'{"a":"x\\":1.10,","b":"[1.500"}'
    assert json.loads(body) == {"a": 'x":1.10,', "b": "[1.500"}


def test_large_integers_keep_their_digits():
    body = b'{"v":123456789012345678901234567890}'
    assert json.dumps(json.loads(body)) == body


def test_compressed_noise_is_not_json():
    with pytest.raises(json.MalformedJson):
        json.loads(gzip.compress(b"{}"))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'{"resourceType":"Patient","name":[{},{"given":["a","b\\u0000"]}]}', "Patient.name[1].given[1]"),
        (b'{"resourceType":"Patient","name":[{"fam\\u0000ily":"x"}]}', "Patient.name[0]"),
        (b'{"a":"\\u0000"}', "a"),
        (b'{"resourceType":"Observation","valueQuantity":{"value":1e308}}', "Observation.valueQuantity.value"),
        (b'{"resourceType":"Observation","component":[{"valueQuantity":{"value":-1.5E308}}]}',
         "Observation.component[0].valueQuantity.value"),
    ],
)  # fmt: skip
def test_the_place_of_what_cannot_be_is_told(data, path):
    with pytest.raises(json.MalformedJson) as told:
        json.loads(data)
    assert told.value.path == path
