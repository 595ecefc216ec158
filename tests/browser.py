"""Pages in a real Chromium: a populated house that serves them, people who sign in by its real protocols, axe-core."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.site.running import Running

CHROMIUM = os.environ.get("VIRAGE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
# Nothing but pages: no update, no sync, no call home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
]
_WAIT = 60_000
# Only what is wrong leaves the browser: the nodes that pass are thousands.
_AXE = """async ([within, rules, but]) => {
    const options = {resultTypes: ['violations'], rules: Object.fromEntries(but.map(rule => [rule, {enabled: false}]))}
    if (rules.length) options.runOnly = {type: 'rule', values: rules}
    const found = await axe.run(within || document, options)
    return found.violations.map(rule => [rule.id, rule.nodes.slice(0, 5).map(node => node.target)])
}"""


@pytest.fixture(scope="session")
def populated(database_server: Any) -> Iterator[Running]:
    """A house that serves twenty citizens on a clone of the migrated template."""
    from tests.conftest import RUN, clone, drop

    name = f"virage_pages_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    clone(database_server, name)
    home = RUN / f"pages{time.monotonic_ns()}"
    home.mkdir(mode=0o700)
    url = f"postgresql://virage@localhost:5432/{name}?host={database_server.place.socket}"
    house = Running(home, VIRAGE_DATABASE_URL=url, VIRAGE_WORKERS="1", VIRAGE_LOG_LEVEL="ERROR")
    house.run("sandbox", "populate", "--citizens", "20", "--seed", "1")
    house.start()
    yield house
    house.end()
    drop(database_server, name)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One Chromium for a module: Playwright's event loop must not outlive it, other tests of the process use the database."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: install it, or name it in VIRAGE_TEST_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Visitor:
    """One person before one browser window of their own."""

    def __init__(self, chromium: Any, address: str, **options: Any) -> None:
        options = {"viewport": {"width": 1100, "height": 900}, "locale": "fr-FR", **options}
        self.address = address
        self.context = chromium.new_context(**options)
        self.context.set_default_timeout(_WAIT)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)

    def go(self, path: str) -> Any:
        """The answer to a visit of that path."""
        return self.page.goto(self.address + path)

    def become_professional(self, login: str) -> "Visitor":
        """Sign in by Pro Santé Connect, confirmed on the telephone of the sandbox."""
        page = self.page
        self.go("/pro/")
        page.fill("#identifiant", login)
        page.keyboard.press("Enter")
        number = page.inner_text("#nombre")
        telephone = self.context.new_page()
        telephone.goto(self.address + str(page.get_attribute("#telephone", "href")))
        pin = re.search(r"bac à sable : (\d{4})", telephone.content())
        assert pin
        telephone.fill("#pin", pin.group(1))
        telephone.check(f"#code-{number}")
        telephone.click("button[value=confirmer]")
        # Left open: it goes with the window. Closing it while it still loads may never end.
        telephone.wait_for_selector("text=Revenez à l’ordinateur")
        page.bring_to_front()
        page.click("text=J’ai confirmé") if self.is_still else page.wait_for_url("**/pro/")
        return self

    def become_citizen(self, login: str) -> "Visitor":
        """Sign in by the sandbox's FranceConnect."""
        self.go("/mon-espace-sante/")
        self.page.check(f"input[value={login}]")
        self.page.click("text=Continuer avec cette identité")
        self.page.wait_for_url("**/mon-espace-sante/")
        return self

    @property
    def is_still(self) -> bool:
        """Whether scripts are off in this window."""
        return bool(self.page.locator("noscript meta[http-equiv=refresh]").count())

    def until(self, seen: Callable[[], bool]) -> None:
        """Wait for what is to be seen. Asked from here: what Playwright would poll inside the page, the page's policy refuses to evaluate."""
        last = time.monotonic() + _WAIT / 1000
        while not seen():
            assert time.monotonic() < last, f"not seen on {self.page.url}"
            self.page.wait_for_timeout(50)

    def tab_to(self, words: str, most: int = 60) -> None:
        """Press Tab until what has the focus is named by these words."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if words in self.focused():
                return
        raise AssertionError(f"the keyboard does not reach « {words} » on {self.page.url}")

    def focused(self) -> str:
        """How what has the focus is named: its text, or its label."""
        return str(
            self.page.evaluate(
                "(e => !e || e === document.body ? '' :"
                " [...(e.labels || [])].map(l => l.innerText).join(' ') + ' ' + (e.innerText || e.value || ''))"
                "(document.activeElement)"
            )
        )

    def findings(self, *, rules: tuple[str, ...] = (), but: tuple[str, ...] = (), within: str = "") -> list[str]:
        """What axe-core finds wrong with the page, every rule of it; and a page wider than its window.

        `rules` are those to look at when not all of them, `but` those to leave out, `within` the selector of the part to look at.
        """
        from axe_playwright_python.sync_playwright import Axe

        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(Axe().axe_script)
        found = [
            f"{self.page.url}: {rule}: {targets}" for rule, targets in self.page.evaluate(_AXE, [within, rules, but])
        ]
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if self.page.evaluate(width) > 0:
            found.append(f"{self.page.url}: wider than its window")
        if self.page.locator("h1").count() != 1:
            found.append(f"{self.page.url}: not one main title")
        return found

    def walk(self, *paths: str) -> list[str]:
        """The findings on each of these pages, which must all answer."""
        found = []
        for path in paths:
            answer = self.go(path)
            if answer.status != 200:
                found.append(f"{path}: {answer.status}")
            found += self.findings()
        return found + self.said


Visitors = Callable[..., Visitor]


@pytest.fixture
def visitor(chromium: Any, populated: Running) -> Iterator[Visitors]:
    """Opens windows: `visitor(width=320)`, `visitor(scripts=False)`."""
    opened: list[Visitor] = []

    def open_one(*, width: int = 1100, scripts: bool = True) -> Visitor:
        size = {"width": width, "height": 900}
        opened.append(Visitor(chromium, populated.address, viewport=size, java_script_enabled=scripts))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()


def saved(folder: Path, name: str, content: bytes) -> Path:
    """A file to choose in a form."""
    path = folder / name
    path.write_bytes(content)
    return path
