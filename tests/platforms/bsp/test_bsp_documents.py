"""The 53 real documents of the agency, each inside the page where a professional reads it: sound at both widths."""

import pytest

from tests.trust.interop.test_interop_real_documents import real_documents
from virage.trust import interop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("width", [1100, 320])
def test_real_documents_are_sound_in_the_page(visitor, shared_data, width) -> None:
    doctor = visitor(width=width).become_professional("generaliste")
    doctor.go("/pro/patients/demo-patiente/")
    doctor.page.click("table a >> nth=0")
    doctor.page.wait_for_selector(".virage-document")
    put = "html => { document.querySelector('.virage-document').innerHTML = html }"
    found = {}
    for name, content in real_documents(shared_data).items():
        doctor.page.evaluate(put, interop.render(content))
        wrong = doctor.findings()
        if wrong:
            found[name] = wrong
    assert found == {}
