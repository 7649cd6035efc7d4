"""The page in a real browser: nothing runs that is not ours, nothing is asked for, all of it works."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.inspection.diff import Side
from graders.report.finding import read_finding
from graders.report.html import build
from graders.report.pair import pair
from graders.rows import Layout, find_source, read_categories
from tests.report.test_barriers_browser import judged
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.browser

SUPPORT = Path(__file__).parents[2] / "samples/support-answers"
ResultsFile = Callable[[Path, int], Path]
RowsFile = Callable[[Path, int, str], Path]


class Visit:
    """A page that was opened, with what it said and asked for."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        sizes = {"viewport": {"width": 1100, "height": 900}, **settings}
        self.context = browser.new_context(**sizes)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.context.route("**/*", self._route)
        self.address = path.resolve().as_uri()
        self.page.goto(self.address)

    def _route(self, route: Any) -> None:
        address = route.request.url
        if address == self.address or address.startswith("data:,"):
            route.continue_()
        else:
            self.asked.append(address)
            route.abort()

    def rows(self) -> list[int]:
        return [int(text) for text in self.page.locator("button.row").all_inner_texts()]

    def count(self) -> str:
        text: str = self.page.locator("#count").inner_text()
        return text

    def cells(self, column: int) -> list[str]:
        found: list[str] = self.page.locator(
            f"#table tbody tr > :nth-child({column})"
        ).all_inner_texts()
        return found

    def wide(self) -> int:
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens pages; at the end, none has said or asked for anything."""
    visits: list[Visit] = []

    def go(path: Path, **settings: Any) -> Visit:
        visits.append(Visit(browser, path, **settings))
        return visits[-1]

    yield go
    for one in visits:
        assert one.said == []
        assert one.asked == []
        assert len(one.context.pages) == 1
        one.context.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of samples/support-answers."""
    folder = tmp_path_factory.mktemp("sample")
    grader = graders.load(SUPPORT / "grader.json")
    graders.score_file(grader, SUPPORT / "rows.jsonl", folder / "out.jsonl")
    probe = {"attacks": [{"name": "empty", "mean": 0.1, "worst": [300, 2]}]}
    summary = {"slowest": [{"index": 250, "sub_grader": "close", "seconds": 1.5}]}
    rows = find_source([SUPPORT / "rows.jsonl"])
    layout = Layout.parse(by="item.topic")
    categories = read_categories(rows.blocks(1 << 18), layout)
    made, notes = build(
        read_finding(folder / "out.jsonl", summary=summary, categories=categories, by="item.topic"),
        source=rows,
        layout=layout,
        grader=grader,
        appendices=[("probe", "Probes", probe)],
    )
    assert notes == []
    (folder / "report.html").write_bytes(made)
    return folder / "report.html"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, results_file: ResultsFile) -> Path:
    """A page of 200 rows, 25 of which failed."""
    folder = tmp_path_factory.mktemp("failing")
    made, _ = build(read_finding(results_file(folder, 200)))
    (folder / "report.html").write_bytes(made)
    return folder / "report.html"


def test_the_page_opens_and_shows_the_first_rows(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    assert page.count() == "336 rows"
    assert page.rows() == list(range(50))
    assert page.page.locator("h1").inner_text() == "support_answer"
    assert page.page.locator("#place").inner_text() == "Page 1 of 7"


def test_search_finds_ids_and_texts_word_by_word(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    page.page.fill("#search", "q10-4")
    assert page.count() == "1 of 336 rows"
    page.page.fill("#search", "SWEATER q01")
    assert page.count() == "6 of 336 rows"
    page.page.fill("#search", "no such words anywhere")
    assert page.count() == "0 of 336 rows"
    page.page.click("#reset")
    # Not by `wait_for_function`: where it has to wait, the page's own policy forbids it.
    page.page.locator("#count").filter(has_text=re.compile(r"^336 rows$")).wait_for()


def test_the_table_shows_how_answers_begin(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    heads = page.page.locator("#table thead th").all_inner_texts()
    assert heads[1:5] == ["Id", "Reward", "Item", "Answer"]
    rows = [json.loads(line) for line in (SUPPORT / "rows.jsonl").read_text().splitlines()[:50]]
    for shown, row in zip(page.cells(5), rows, strict=True):
        assert shown == " ".join(row["sample"][:160].split())


def test_rows_are_filtered_by_category(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    page.page.select_option("#group", "=returns")
    assert page.count() == "6 of 336 rows"
    assert set(page.cells(6)) == {"returns"}


def test_each_bar_has_its_count_above_it(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample).page
    counts = page.locator("#rewards .plot text.count")
    assert sum(int(text) for text in counts.all_text_contents()) == 336
    for bar in page.locator("#rewards .plot g:has(text)").all():
        said, drawn = bar.locator("text").bounding_box(), bar.locator("rect").bounding_box()
        assert said["y"] + said["height"] <= drawn["y"] + 4
        assert abs(said["x"] + said["width"] / 2 - drawn["x"] - drawn["width"] / 2) < 2


def test_columns_sort_both_ways_and_say_so(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    head = page.page.locator("thead th", has_text="Reward").last
    head.locator("button").click()
    rewards = [float(text) for text in page.cells(3)]
    assert rewards == sorted(rewards, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rewards = [float(text) for text in page.cells(3)]
    assert rewards == sorted(rewards)
    assert page.page.locator("[aria-sort]").count() == 1
    assert page.page.evaluate("document.activeElement.textContent") == "Reward"


def test_filters_keep_failed_rows_codes_and_ranges(
    visit: Callable[..., Visit], failing: Path
) -> None:
    page = visit(failing)
    bodies = [
        json.loads(line) for line in (failing.parent / "results.jsonl").read_text().splitlines()
    ]
    page.page.select_option("#status", "failed")
    assert page.count() == "25 of 200 rows"
    assert page.rows() == [one["index"] for one in bodies if one["failures"]]
    code = "sample_parse_error"
    page.page.select_option("#code", code)
    wanted = [one["index"] for one in bodies if any(f["code"] == code for f in one["failures"])]
    assert page.rows() == wanted
    page.page.click("#reset")
    page.page.locator("#count").filter(has_text=re.compile(r"^200 rows$")).wait_for()
    page.page.fill("#least", "0.25")
    page.page.fill("#most", "0.5")
    wanted = [one["index"] for one in bodies if one["reward"] and 0.25 <= one["reward"] <= 0.5]
    assert page.count() == f"{len(wanted)} of 200 rows"
    assert page.rows() == wanted[:50]
    page.page.select_option("#part", "1")
    page.page.fill("#least", "1")
    page.page.fill("#most", "")
    wanted = [one["index"] for one in bodies if one["sub_rewards"]["same"] == 1]
    assert page.count() == f"{len(wanted)} of 200 rows"
    assert page.rows() == wanted[:50]


def test_a_row_opens_with_its_texts_and_closes(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    button = page.page.locator("button.row").first
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    button = page.page.locator("button.row").first
    assert button.get_attribute("aria-expanded") == "true"
    detail = page.page.locator(f"#{button.get_attribute('aria-controls')}")
    assert "lambswool sweater" in detail.locator("pre").first.inner_text()
    assert "mentions.reference" in detail.inner_text()
    assert "30 days" in detail.inner_text()
    button.click()
    assert page.page.locator(".detail").count() == 0


def test_the_address_of_a_page_names_the_row_that_is_open(
    visit: Callable[..., Visit], sample: Path
) -> None:
    page = visit(sample).page
    page.locator("button.row").nth(3).click()
    assert page.url.endswith("report.html#row-3")
    page.locator("button.row").nth(3).click()
    assert page.url.endswith("report.html")
    page.goto(f"{sample.as_uri()}#row-300")  # What was sent to somebody.
    assert page.locator("#detail-300").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "300"
    for other in ("#row-12", "#row-9999", "#row-", "#rows"):
        page.evaluate("hash => { location.hash = hash; }", other)
        page.wait_for_function("hash => location.hash === hash", arg=other)
    page.locator("#detail-12").wait_for(state="attached")


def test_the_question_stands_before_the_answer(visit: Callable[..., Visit], sample: Path) -> None:
    heads = visit(sample).page.locator("#table thead th").all_inner_texts()
    names = [one.split("\n")[0] for one in heads]
    assert names.index("Item") + 1 == names.index("Answer")


def test_a_failed_row_says_why(visit: Callable[..., Visit], failing: Path) -> None:
    page = visit(failing)
    page.page.select_option("#status", "failed")
    page.page.locator("button.row").first.click()
    text = page.page.locator(".detail").inner_text()
    assert "in near" in text
    assert "row 5 lacks it" in text


@pytest.mark.parametrize(("section", "row"), [("#probe", 300), ("#slowest", 250)])
def test_rows_named_elsewhere_open_from_there(
    visit: Callable[..., Visit], sample: Path, section: str, row: int
) -> None:
    page = visit(sample)
    page.page.fill("#search", "q01")
    page.page.locator(f"{section} button.jump", has_text=str(row)).click()
    assert page.count() == "336 rows"
    assert page.page.evaluate("document.activeElement.textContent") == str(row)
    assert page.page.locator(f"#detail-{row}").is_visible()
    box = page.page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert 0 <= box <= 900


def test_all_of_it_works_with_the_keyboard_alone(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    keys = page.page.keyboard
    keys.press("Tab")
    assert page.page.evaluate("document.activeElement.className") == "skip"
    for _ in range(60):
        keys.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "search":
            break
    keys.type("q02")
    assert page.count() == "6 of 336 rows"
    for _ in range(30):
        keys.press("Tab")
        if page.page.evaluate("document.activeElement.className") == "row":
            break
    first = page.page.evaluate("document.activeElement.textContent")
    keys.press("Enter")
    assert page.page.locator(f"#detail-{first}").is_visible()
    assert page.page.evaluate("document.activeElement.textContent") == first
    outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.press("ArrowDown")
    assert page.page.evaluate("document.activeElement.textContent") == str(int(first) + 1)
    keys.press("ArrowUp")
    keys.press("Escape")
    assert page.page.locator(".detail").count() == 0
    assert page.page.evaluate("document.activeElement.textContent") == first


def test_pages_of_rows_are_turned(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    assert page.page.locator("#previous").is_disabled()
    page.page.click("#next")
    assert page.rows() == list(range(50, 100))
    for _ in range(5):
        page.page.click("#next")
    assert page.rows() == list(range(300, 336))
    assert page.page.locator("#next").is_disabled()


def test_many_categories_leave_the_rows_in_reach_and_filters_stand_in_a_line(
    visit: Callable[..., Visit], sample: Path
) -> None:
    page = visit(sample, viewport={"width": 1280, "height": 900}).page
    box = page.locator("#categories .scroll")
    assert box.bounding_box()["height"] < 500
    box.focus()
    head = box.locator("thead th").first
    before = head.bounding_box()["y"]
    page.keyboard.press("End")
    until(lambda: box.evaluate("(one) => one.scrollTop") > 100)
    assert abs(head.bounding_box()["y"] - before) < 40, "its head stays"
    tops = {
        round(one.bounding_box()["y"])
        for one in page.locator("#filters :is(input, select, button)").all()
    }
    assert len(tops) == 1
    page.emulate_media(media="print")
    assert box.evaluate("(one) => one.scrollHeight - one.clientHeight") <= 1, "on paper all of it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen_and_then_kept(
    visit: Callable[..., Visit], sample: Path, scheme: str
) -> None:
    page = visit(sample, color_scheme=scheme)
    paint = "getComputedStyle(document.body).backgroundColor"
    papers = {"light": "rgb(252, 252, 251)", "dark": "rgb(21, 24, 27)"}
    assert page.page.evaluate(paint) == papers[scheme]
    button = page.page.locator("#theme")
    for word in ("light", "dark", "system"):
        button.click()
        assert button.inner_text() == f"Theme: {word}"
        assert page.page.evaluate(paint) == papers.get(word, papers[scheme])
        page.page.reload()
        assert button.inner_text() == f"Theme: {word}"
        assert page.page.evaluate(paint) == papers.get(word, papers[scheme])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    visit: Callable[..., Visit],
    failing: Path,
    scheme: str,
    poor_contrast: Callable[[Any], list[str]],
) -> None:
    page = visit(failing, color_scheme=scheme)
    page.page.locator("button.row").nth(5).click()
    assert poor_contrast(page.page) == []


def test_every_control_has_a_name_and_every_chart_words(
    visit: Callable[..., Visit], sample: Path
) -> None:
    page = visit(sample).page
    for role in ("button", "searchbox", "combobox", "spinbutton", "table", "region", "img", "link"):
        for one in page.get_by_role(role).all():
            snapshot = one.aria_snapshot().splitlines()[0]
            assert '"' in snapshot, snapshot
    assert page.get_by_role("banner").count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("navigation").count() == 1
    assert page.get_by_role("status").inner_text() == "336 rows"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_narrow_page_never_scrolls_sideways(
    visit: Callable[..., Visit], sample: Path, failing: Path, width: int
) -> None:
    for path in (sample, failing):
        page = visit(path, viewport={"width": width, "height": 740})
        assert page.wide() <= width
        page.page.locator("button.row").nth(5).click()
        page.page.locator("summary").first.click()
        assert page.wide() <= width
        detail = page.page.locator(".detail > div").bounding_box()
        assert detail["x"] + detail["width"] <= width


@pytest.mark.parametrize("count", [10, 1000, 100_000])
def test_pages_of_any_number_of_rows_are_there_and_fluid(
    visit: Callable[..., Visit],
    tmp_path: Path,
    results_file: ResultsFile,
    rows_file: RowsFile,
    count: int,
) -> None:
    rows = rows_file(tmp_path, count, "so it was said, and more of it " * 20)
    made, _ = build(read_finding(results_file(tmp_path, count)), source=find_source([rows]))
    assert len(made) < 2_000_000
    (tmp_path / "report.html").write_bytes(made)
    page = visit(tmp_path / "report.html")
    shown = min(count, 2000)
    assert page.count() == f"{shown:,} rows"
    took = page.page.evaluate(
        """() => {
          const started = performance.now();
          const search = document.getElementById("search");
          for (const text of ["said", "q0", "", "lacks", ""]) {
            search.value = text;
            search.dispatchEvent(new Event("input", {bubbles: true}));
          }
          document.body.getBoundingClientRect();
          return (performance.now() - started) / 5;
        }"""
    )
    # Some ten milliseconds; work that grew with the square of the rows would be minutes.
    assert took < 5000, f"{took} ms a filter"
    if count > 2000:
        assert "This is a sample of 2,000 of the 100,000 rows" in page.page.content()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A page of 60 rows that three judges graded, and of it beside another run."""
    folder = tmp_path_factory.mktemp("judged")
    names = ("alone.html", "both.html")
    for name, made in zip(names, judged(folder, 60), strict=True):
        (folder / name).write_bytes(made)
    return folder / names[0], folder / names[1]


def test_criteria_are_columns_that_sort_and_have_their_mean(
    visit: Callable[..., Visit], pages: tuple[Path, Path]
) -> None:
    page = visit(pages[0]).page
    heads = page.locator("#table thead th").all_inner_texts()
    assert [head.split("\n")[0] for head in heads] == [
        "Row", "Id", "Reward", "Item", "Answer", "category", "near", "same", "policy", "judge",
        "Judges apart", "Failure",
    ]  # fmt: skip
    assert heads[6].split("\n")[1].startswith("mean 0.")
    page.locator("#table thead button", has_text="Judges apart").click()
    apart = [float(text) for text in page.locator("#table td.apart").all_inner_texts()]
    assert apart == sorted(apart, reverse=True)
    assert apart[0] > 0


def test_rows_on_which_judges_disagree_open_with_what_each_gave(
    visit: Callable[..., Visit], pages: tuple[Path, Path]
) -> None:
    page = visit(pages[0]).page
    first = page.locator("#judges table", has_text="furthest apart").locator("tbody tr").first
    scores = first.locator("td").all_inner_texts()[1:4]
    first.locator("button.jump").click()
    opened = page.locator(".detail").inner_text()
    assert "What the judges of judge gave" in opened
    for score in scores:
        assert f"\n{score}" in opened


def test_a_category_shows_its_rows(visit: Callable[..., Visit], pages: tuple[Path, Path]) -> None:
    page = visit(pages[0])
    page.page.locator("#categories button.jump", has_text="topic 5").click()
    assert page.count() == "7 of 60 rows"
    assert set(page.page.locator("#table td.by").all_inner_texts()) == {"topic 5"}


def test_two_runs_are_read_filtered_and_opened_side_by_side(
    visit: Callable[..., Visit], pages: tuple[Path, Path]
) -> None:
    page = visit(pages[1], viewport={"width": 1400, "height": 900})
    data = json.loads(page.page.locator("#data").text_content())
    assert page.rows() == [row[0] for row in data["rows"][:50]]
    up = [
        row[0] for row in data["rows"] if row[2] is not None and row[2] < 0.5 <= (row[11][2] or 0)
    ]
    page.page.select_option("#status", "up")
    assert page.rows() == up != []
    assert set(page.page.locator("#table td.verdict").all_inner_texts()) == {"now passes"}
    page.page.locator("button.row").first.click()
    boxes = [one.bounding_box() for one in page.page.locator(".detail .sides > div").all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    page.page.set_viewport_size({"width": 390, "height": 800})
    boxes = [one.bounding_box() for one in page.page.locator(".detail .sides > div").all()]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
    assert page.wide() <= 390


def test_paper_shows_every_column_and_is_white(
    visit: Callable[..., Visit], pages: tuple[Path, Path]
) -> None:
    for path in pages:
        page = visit(path, color_scheme="dark", viewport={"width": 720, "height": 1000}).page
        page.emulate_media(media="print")
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        # A4 within its margins: upright, and lying for the rows.
        for width, wanted in ((703, "section:not(#rows) .scroll"), (1030, "#rows .scroll")):
            page.set_viewport_size({"width": width, "height": 1000})
            for box in page.locator(wanted).all():
                assert box.evaluate("one => one.scrollWidth - one.clientWidth") <= 1, (
                    box.inner_text()
                )
        assert page.locator("#previous").is_hidden()
        assert page.locator("#table tbody tr").last.is_visible()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("main details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("main details[open]").count() == 0


def test_a_wide_screen_gives_the_rows_its_width_and_their_head_stays(
    visit: Callable[..., Visit], pages: tuple[Path, Path]
) -> None:
    page = visit(pages[0], viewport={"width": 1920, "height": 1000})
    box = page.page.locator("#rows .scroll")
    assert box.bounding_box()["width"] > 1700
    assert page.wide() <= 1920
    box.evaluate("one => { one.scrollTop = 400; }")
    head, top = page.page.locator("#table thead").bounding_box(), box.bounding_box()
    assert page.page.locator("#table thead th").first.bounding_box()["y"] == top["y"]
    assert head is not None


def beside_itself(results: Path, rows: Path) -> bytes:
    """The page of a run beside itself."""
    sides = Side("a", 0.5), Side("b", 0.5)
    found = [read_finding(results, watch=side.add_results) for side in sides]
    source = find_source([rows])
    beside = pair(sides, found[1], by="", most=2000, source=source)
    return build(found[0], source=source, beside=beside)[0]


def test_hostile_text_in_every_field_runs_nothing_and_breaks_nothing(
    visit: Callable[..., Visit], tmp_path: Path, hostile_page: Callable[[Path], Path]
) -> None:
    path, both = hostile_page(tmp_path), tmp_path / "both.html"
    both.write_bytes(beside_itself(tmp_path / "hostile.jsonl", tmp_path / "rows.jsonl"))
    for width, shown in ((1100, path), (360, path), (1100, both), (360, both)):
        page = visit(shown, viewport={"width": width, "height": 800})
        assert page.count() == "39 rows"
        for place in range(39):
            page.page.locator("button.row").nth(place).click()
        for one in page.page.locator("summary").all():
            one.click()
        for one in page.page.locator("thead button").all():
            if one.is_visible():
                one.click()
        page.page.fill("#search", "</script><script>")
        page.page.fill("#search", "")
        page.page.locator("button.jump").first.click()
        page.page.wait_for_timeout(200)
        assert page.page.evaluate("window.ran") is None
        assert page.page.locator("img, iframe, object, embed").count() == 0
        assert page.page.locator("script").count() == 2
        assert page.page.evaluate("getComputedStyle(document.body).display") == "block"
        assert page.wide() <= width
        assert page.page.url.partition("#row-")[0] == page.address


def test_without_script_the_figures_are_still_there(
    visit: Callable[..., Visit], sample: Path
) -> None:
    page = visit(sample, java_script_enabled=False)
    assert "0.4055" in page.page.locator("#headline").inner_text()
    assert "need the page's own script" in page.page.locator("noscript").inner_text()


def test_paper_has_no_controls(visit: Callable[..., Visit], sample: Path) -> None:
    page = visit(sample)
    page.page.emulate_media(media="print")
    assert not page.page.locator("#filters").is_visible()
    assert page.page.locator("#headline").is_visible()


def test_what_would_get_into_the_page_could_neither_run_nor_ask(browser: Any, sample: Path) -> None:
    page = Visit(browser, sample)
    tried = page.page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = 1";
          document.body.append(script);
          const image = document.createElement("img");
          image.setAttribute("onerror", "window.ran = 2");
          image.src = "https://example.invalid/x.png";
          document.body.append(image);
          const frame = document.createElement("iframe");
          frame.src = "https://example.invalid/";
          document.body.append(frame);
          let asked = "answered";
          try { await fetch("https://example.invalid/"); } catch { asked = "refused"; }
          await new Promise((done) => setTimeout(done, 200));
          return [asked, window.ran ?? null];
        }"""
    )
    assert tried == ["refused", None]
    assert page.asked == []
    assert any("Content Security Policy" in one for one in page.said)
    page.context.close()
