from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.trust.interop.samples import facts
from virage.trust.interop import check, compose, document_reference, hash_of, page, piece, render
from virage.trust.interop.narrative import html
from virage.trust.interop.render import french_date

_VOID = {"br", "img", "meta"}


class Balance(HTMLParser):
    """Collects tags and attributes, and what was left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "data")}
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Balance:
    seen = Balance()
    seen.feed(text)
    assert seen.open == []
    return seen


def narrative(inside: str) -> str:
    return html(etree.fromstring(f'<text xmlns="urn:hl7-org:v3">{inside}</text>'), lambda ident: f"[{ident}]")


def test_the_page_shows_header_and_sections_escaped(n3: bytes) -> None:
    text = render(n3)
    assert "Asthme &lt;léger&gt;" in text
    assert "<h3>Problèmes</h3>" in text
    assert "<h2>Problèmes</h2>" in page(n3)
    assert "5 mars 2026 à 10 h 30" in text
    assert "Anne ESSAI" in text
    assert " · née le " in text
    parsed(text)
    parsed(page(n3))


def test_a_pdf_is_shown_and_offered(n1: bytes) -> None:
    seen = parsed(render(n1))
    assert "object" in seen.tags
    assert any(link.startswith("data:application/pdf;base64,") for link in seen.links)


def test_html_inside_a_document_is_never_served_as_html() -> None:
    seen = parsed(render(compose(facts(), payload=b"<script>alert(1)</script>", media_type="text/html")))
    assert not any("text/html" in link for link in seen.links)
    assert "script" not in seen.tags


def test_tables_lists_and_styles() -> None:
    text = narrative(
        '<table border="1"><caption>T</caption><thead><tr><th colspan="2">A</th></tr></thead><tbody><tr>'
        '<td>1</td><td><content styleCode="Bold">2</content></td></tr></tbody></table>'
        '<list listType="ordered"><item>x</item></list><paragraph>p<br/>q</paragraph>H<sub>2</sub>O'
    )
    assert '<th scope="col" colspan="2">A</th>' in text
    assert "<strong>2</strong>" in text
    assert "<ol><li>x</li></ol>" in text
    assert "p<br>q" in text
    assert "<caption>T</caption>" in text


def test_links_that_run_code_are_only_text() -> None:
    assert narrative('<linkHtml href="javascript:alert(1)">x</linkHtml>') == "x"
    assert narrative('<linkHtml href=" JAVASCRIPT:alert(1)">x</linkHtml>') == "x"
    assert 'href="https://exemple.test/?a=1&amp;b=2"' in narrative(
        '<linkHtml href="https://exemple.test/?a=1&amp;b=2">x</linkHtml>'
    )
    assert narrative('<renderMultiMedia referencedObject="M1"/>') == "[M1]"


_names = st.sampled_from(
    [
        "table",
        "thead",
        "tbody",
        "tr",
        "td",
        "th",
        "list",
        "item",
        "paragraph",
        "content",
        "br",
        "sub",
        "linkHtml",
        "script",
        "iframe",
        "caption",
    ]
)
_trees = st.recursive(
    st.text(alphabet=st.characters(exclude_categories=("C",)), max_size=8),
    lambda inner: st.tuples(_names, st.text("abc:\"'<>#", max_size=6), st.lists(inner, max_size=3)),
    max_leaves=12,
)


def _grow(parent: etree._Element, tree: object) -> None:
    if isinstance(tree, str):
        parent.text = (parent.text or "") + tree if not len(parent) else parent.text
        return
    name, attribute, children = tree  # type: ignore[misc]
    node = etree.SubElement(parent, "{urn:hl7-org:v3}" + name, href=attribute, styleCode=attribute, onclick=attribute)
    for child in children:
        _grow(node, child)


@given(st.lists(_trees, max_size=4))
def test_whatever_the_narrative_the_html_is_balanced_and_inert(trees: list[object]) -> None:
    root = etree.Element("{urn:hl7-org:v3}text")
    for tree in trees:
        _grow(root, tree)
    seen = parsed(html(root, lambda ident: ""))
    assert not seen.tags & {"script", "iframe", "style", "object"}
    assert not any(name.startswith("on") or name == "style" for name in seen.attributes)


def test_french_dates() -> None:
    assert french_date("2026-03-01") == "1er mars 2026"
    assert french_date("2026-12") == "décembre 2026"
    assert french_date("") == ""


def test_metadata_follow_the_header(n1: bytes) -> None:
    resource = document_reference(check(n1).metadata, n1, url="Binary/1")
    assert resource["masterIdentifier"] == {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.1.1"}
    assert resource["type"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "11488-4",
        "display": "CR consultation",
    }
    assert resource["category"][0]["coding"][0]["code"] == "10"
    attachment = resource["content"][0]["attachment"]
    assert (attachment["size"], attachment["hash"]) == (len(n1), hash_of(n1))
    assert resource["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"
    assert resource["context"]["practiceSetting"]["coding"][0]["code"] == "AMBULATOIRE"
    assert resource["securityLabel"][0]["coding"][0]["code"] == "N"


def test_a_heavy_file_is_a_link_where_the_page_has_an_address_for_it() -> None:
    pdf = b"%PDF-1.7\n" + b"0" * (2 * 1024 * 1024)
    document = compose(facts(), payload=pdf)
    shown = render(document, pieces="/fichier")
    assert 'href="/fichier?piece=1"' in shown
    assert len(shown) < 20_000
    assert piece(document, 1) == (pdf, "application/pdf")
    assert piece(document, 2) is None
    assert piece(document, 0) is None
    assert "data:application/pdf" in render(document)
