"""The site in a real browser: wide and on a phone, light and dark, by keyboard, without barriers."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.barriers import barriers
from tests.tree import faults, headings
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

PAGES = (
    "", "tutorial/first-grader/", "howto/judge/", "reference/config/", "reference/python/",
    "reference/command/", "decisions/", "explanation/comparison/", "explanation/threat-model/",
    "samples/judge/judge.graders.yaml/", "benchmarks/", "404.html",
)  # fmt: skip
TOLD = {
    "": ["Run hosted grader JSON on your own machine", "All pages"],
    "howto/judge/": ["Grade with a judge", "In CI, with no network and no key"],
    "reference/metric/": ["Metrics", "From Python"],
}
"""Pages that a screen reader's tree is looked at of, and how their headings begin."""
SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Reader:
    """Someone who reads the site, with what it said and asked for."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.said: list[str] = []
        self.foreign: list[str] = []
        self.address = address
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(url)

    def open(self, page: str) -> None:
        self.page.goto(self.address + page)
        self.page.wait_for_load_state("networkidle")


@pytest.fixture(
    params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join
)
def reader(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Reader]:
    size, scheme = request.param
    made = Reader(browser, address, viewport=SIZES[size], color_scheme=scheme)
    yield made
    made.context.close()
    assert made.said == []
    assert made.foreign == []


def test_no_page_has_a_barrier_or_is_wider_than_the_screen(reader: Reader) -> None:
    found = {}
    for page in PAGES:
        reader.open(page)
        wider = reader.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found[page] = [*barriers(reader.page), *(["wider than the screen"] if wider else [])]
    assert {page: said for page, said in found.items() if said} == {}


@pytest.mark.parametrize("size", SIZES)
def test_a_page_is_told_as_it_is_read(browser: Any, address: str, size: str) -> None:
    reader = Reader(browser, address, viewport=SIZES[size])
    for page, begins in TOLD.items():
        reader.open(page)
        # Tables that are written in Markdown have no caption: the heading before them names them.
        assert [one for one in faults(reader.page) if one != "a table without a name"] == []
        found = [name for _, name in headings(reader.page)]
        assert found[: len(begins)] == begins
    reader.context.close()


def test_a_page_is_found_by_keyboard_alone(browser: Any, address: str) -> None:
    reader = Reader(browser, address, viewport=SIZES["wide"])
    reader.open("")
    keyboard = reader.page.keyboard
    keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.textContent.trim()") == "Skip to content"
    keyboard.press("/")
    reader.page.locator(
        "input[type=search], [role=dialog] input, input[placeholder]"
    ).first.wait_for()
    keyboard.type("quorum of judges")
    # The landing page has a link of the same words: only the chosen result is one that Enter opens.
    chosen = reader.page.locator("[role=option][aria-selected=true]")
    chosen.filter(has_text="Grade with a judge").wait_for()
    keyboard.press("Enter")
    reader.page.wait_for_url("**/judge/**")
    reader.context.close()
    assert reader.foreign == []


def test_the_colours_are_the_readers_choice_and_stay(browser: Any, address: str) -> None:
    reader = Reader(browser, address, color_scheme="light")
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    shown = reader.page.locator("[data-md-component=palette] label:visible")
    reader.open("")
    for before, after in (("Switch to light mode", "default"), ("", "slate")):
        assert before in (shown.get_attribute("title") or "")
        shown.click()
        reader.page.wait_for_function(f"{scheme} === '{after}'")
    reader.open("howto/judge/")
    assert reader.page.evaluate(scheme) == "slate"
    reader.context.close()
