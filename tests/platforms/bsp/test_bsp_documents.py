"""The 53 real documents of the agency, each inside the page where a professional reads it: sound, wide and narrow."""

import pytest

from tests.trust.interop.test_interop_real_documents import real_documents
from virage.trust import interop

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What the width of the window can change; all other rules were asked in the wide one.
_OF_WIDTH = ("scrollable-region-focusable", "target-size")
_PUT = """html => {
    const place = document.querySelector('.virage-document')
    place.innerHTML = html
    const look = e => e.tagName + '.' + e.className + ' ' + (e.getAttribute('style') || '')
    return [...new Set([...place.querySelectorAll('*')].map(e => look(e.parentElement) + ' > ' + look(e)))]
}"""


def test_real_documents_are_sound_in_the_page(visitor, shared_data) -> None:
    doctor = visitor().become_professional("generaliste")
    doctor.go("/pro/patients/demo-patiente/")
    doctor.page.click("table a >> nth=0")
    doctor.page.wait_for_selector(".virage-document")
    assert doctor.findings() == []
    found, seen = {}, set()
    for name, content in real_documents(shared_data).items():
        doctor.page.set_viewport_size({"width": 1100, "height": 900})
        looks = set(doctor.page.evaluate(_PUT, interop.render(content)))
        # Colours come from the sheet, by element and class: the dearest rule is asked once of each look.
        but = () if looks - seen else ("color-contrast",)
        seen |= looks
        wrong = doctor.findings(within=".virage-document", but=but)
        doctor.page.set_viewport_size({"width": 320, "height": 900})
        wrong += doctor.findings(within=".virage-document", rules=_OF_WIDTH)
        if wrong:
            found[name] = wrong
    assert found == {}
