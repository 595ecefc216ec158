"""Makes `docs/images/*.png` again: a house of its own, a populated sandbox, the care journey, then the main pages.

python scripts/screenshots.py    writes the pictures, so that a change of look shows in the diff
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser import CHROMIUM, FLAGS, Visitor  # noqa: E402
from tests.site.running import Running  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
CLAIRE = "/pro/patients/demo-patiente/"


def shoot(visitor: Visitor, name: str, path: str = "") -> None:
    """One picture of what the window shows. Raises ValueError where it is too heavy for the sources."""
    if path:
        visitor.go(path)
    picture = visitor.page.screenshot(path=IMAGES / f"{name}.png")
    if len(picture) > MOST_BYTES:
        raise ValueError(f"{name}.png has {len(picture)} bytes: show less in it")
    print(f"docs/images/{name}.png {len(picture)}")


def pictures(house: Running) -> None:
    """Every picture, in the order of a visit."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def open_one() -> Visitor:
            return Visitor(browser, house.address, viewport={"width": 1100, "height": 760})

        shoot(open_one(), "accueil", "/")
        doctor = open_one().become_professional("generaliste")
        shoot(doctor, "identites", "/pro/identites/")
        shoot(doctor, "dossier", CLAIRE)
        doctor.page.click("table a:has-text('Synthèse')")
        doctor.page.wait_for_selector(".virage-document")
        shoot(doctor, "document")
        nurse = open_one().become_professional("infirmiere")
        shoot(nurse, "refus", "/pro/patients/demo-patiente/")
        claire = open_one().become_citizen("patiente")
        shoot(claire, "espace")
        browser.close()


def main() -> int:
    """Exit 0 when every picture is made."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        house = Running(Path(folder) / "home", VIRAGE_LOG_LEVEL="ERROR")
        house.run("migrate")
        house.run("sandbox", "populate", "--citizens", "20", "--seed", "1")
        house.start()
        try:
            house.run("journey")
            pictures(house)
        finally:
            house.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
