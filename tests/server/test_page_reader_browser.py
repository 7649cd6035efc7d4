"""Jobs, evals and runs by ear and by keyboard: what is told, in which order, and where the focus goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Serving
from tests.server.test_page_evals_browser import LINE, ROWS, made_eval, made_run
from tests.server.test_page_server_browser import created
from tests.server.visit import CHECK, Visit
from tests.tree import faults, headings
from tests.waiting import until

pytestmark = pytest.mark.browser

SPOKEN = """() => [...document.querySelectorAll("[role=status], [aria-live]")]
    .filter((one) => one.checkVisibility()).map((one) => one.id)"""
STANDS = """() => {
    const one = document.activeElement;
    const ring = (each) => getComputedStyle(each).outlineStyle !== "none" && parseFloat(getComputedStyle(each).outlineWidth) > 0;
    const shown = [one, one.parentElement, ...(one.labels || []), one.nextElementSibling].filter(Boolean).some(ring);
    const place = one.getBoundingClientRect();
    const seen = place.width > 0 && place.bottom > 0 && place.top < innerHeight && place.right > 0 && place.left < innerWidth;
    return [one === document.body ? "" : `${one.tagName} ${one.id || one.textContent.trim().slice(0, 30)}`, shown && seen];
}"""


def walked(page: Any, most: int = 120) -> list[str]:
    """Where Tab goes from the page's beginning to its end; each place is in sight, with a mark around it."""
    page.locator("#skip").focus()
    for key in ("Tab", "Shift+Tab"):  # After a click nothing has a mark until a key is pressed.
        page.keyboard.press(key)
    places: list[str] = []
    for _ in range(most):
        name, seen = page.evaluate(STANDS)
        if not name:
            return places
        assert seen, f"the focus is not seen on {name}"
        places.append(name)
        page.keyboard.press("Tab")
    raise AssertionError(f"there is no end to it: {places[-5:]}")


@pytest.fixture
def kept(playground: Serving) -> tuple[str, Any, Any]:
    """An eval with two runs."""
    of = made_eval(playground, "capitals")
    return of, made_run(playground, of, ROWS, "one"), made_run(playground, of, ROWS[1:], "two")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light-wide", "dark-narrow"]
)
def test_jobs_evals_and_runs_are_told_in_order_and_walked_by_tab(
    visit: Callable[..., Visit], playground: Serving, kept: Any, scheme: str, width: int
) -> None:
    _, run, other = kept
    created(playground)
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 720}}
    page = visit(**settings)
    page.page.click("#tab-jobs")
    page.page.locator("#job-state", has_text="succeeded").wait_for()
    page.page.locator("#job-verdict h3").wait_for()
    assert faults(page.page) == []
    told = headings(page.page)
    assert told[:3] == [(1, "graders playground"), (2, "Jobs"), (2, "numbers")]
    assert told[3][1].startswith("Verdict: ")
    assert [one for one in told if one[0] == 3][1:] == [(3, "Checkpoints"), (3, "Events")]
    assert {"notices", "jobs-said", "job-state"} <= {*page.page.evaluate(SPOKEN)}
    assert "BUTTON job-make" in walked(page.page)
    page.page.click("#tab-evals")
    page.page.locator("#evals-list button", has_text="capitals").first.click()
    page.page.locator("#runs-body a", has_text="one").wait_for()
    page.page.click("#run-new summary")
    assert faults(page.page) == []
    assert headings(page.page) == [
        (1, "graders playground"), (2, "Evals"), (2, "capitals"), (3, "Criteria"), (3, "Runs"),
    ]  # fmt: skip
    assert {"notices", "evals-said", "runs-said", "run-said"} <= {*page.page.evaluate(SPOKEN)}
    places = walked(page.page)
    assert places.index("BUTTON eval-make") < places.index("TEXTAREA run-rows")
    assert places.index("BUTTON run-start") < places.index("BUTTON eval-delete")
    for name in ("jobs-make", "make", "sure", "link"):
        page.page.evaluate("(name) => document.getElementById(name).showModal()", name)
        assert faults(page.page) == []
        assert [level for level, _ in headings(page.page)] == [2]
        assert page.wide() <= width
        page.page.keyboard.press("Escape")
    for query in ("", f"?with={other['id']}"):
        path = run["report_url"][len(playground.url) + 1 :] + query
        page = visit(path, ready=f"{LINE} >> nth=0", **settings)
        page.page.locator(LINE).first.click()
        page.page.locator(".detail h3").first.wait_for()
        assert faults(page.page) == []
        assert [name for level, name in headings(page.page) if level == 2] == [
            "At a glance", "Scores", "Rows", "What ran",
        ]  # fmt: skip
        assert {"notices", "state", "count"} <= {*page.page.evaluate(SPOKEN)}
        assert "INPUT search" in walked(page.page)


def test_the_focus_goes_on_where_what_held_it_goes_away(
    visit: Callable[..., Visit], playground: Serving
) -> None:
    page = visit()
    keys = page.page.keyboard
    page.page.click("#tab-jobs")
    page.page.locator("#job-make").focus()
    keys.press("Control+Enter")
    until(lambda: page.focused() == "tab-play")
    page.rest()
    # The result is drawn again beneath whoever reads it.
    page.page.locator("#result details summary").first.focus()
    keys.press("Control+Enter")
    page.rest()
    assert page.page.evaluate("document.activeElement.tagName") == "SUMMARY"
    of, *_ = [made_eval(playground, f"many {at}") for at in range(21)]
    made_run(playground, of, ROWS)
    page.page.click("#tab-evals")
    page.page.locator("#evals-more").click()
    page.page.locator(f'[data-id="{of}"]').click()
    page.page.locator("#runs-body a").wait_for()
    # What is deleted elsewhere takes the focus to a heading, not to the page's beginning.
    page.page.locator("#eval-delete").focus()
    playground.ask("DELETE", f"/v1/evals/{of}")
    until(lambda: page.focused() == "evals-name")
    page.expected = ("404",)


def test_choices_are_made_by_arrows(
    visit: Callable[..., Visit], playground: Serving, kept: Any, tmp_path: Path
) -> None:
    page = visit()
    page.page.locator("#start").focus()
    found = []
    for _ in range(2):
        page.page.keyboard.press("ArrowDown")
        found.append(page.page.input_value("#grader"))
    assert found[0] != found[1]
    page.fill(CHECK)
    assert page.page.input_value("#start") == ""  # No sample stands there now.
    _, run, other = kept
    path = run["report_url"][len(playground.url) + 1 :]
    page = visit(path, ready=f"{LINE} >> nth=0")
    choice = page.page.locator("#with")
    choice.wait_for()
    choice.focus()
    page.page.keyboard.press("ArrowDown")
    assert choice.input_value() == other["id"]
    assert "with=" not in page.page.url
    page.page.keyboard.press("Enter")
    page.page.wait_for_url(f"**with={other['id']}")
    page.page.locator(LINE).first.wait_for()


def test_a_job_is_made_by_keyboard_and_its_heading_has_the_focus(
    visit: Callable[..., Visit], start: Callable[..., Serving], tmp_path: Path
) -> None:
    page = visit(of=start("--jobs", "0"))
    page.fill(CHECK)
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"item": {"answer": "x"}, "sample": "x"}) + "\n"
    )
    page.page.click("#tab-jobs")
    page.page.locator("#job-make").focus()
    page.page.keyboard.press("Enter")
    assert page.focused() == "jobs-make-suffix"
    page.page.set_input_files("#jobs-make-train", tmp_path / "rows.jsonl")
    page.page.fill("#jobs-make-prompt", "Say x.")
    page.page.locator("#jobs-make-yes").focus()
    page.page.keyboard.press("Enter")
    until(lambda: page.focused() == "job-name")
