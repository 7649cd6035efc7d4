"""The playground in a real browser: its first sight, colours and help, rows graded together, two graders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from graders import load
from graders.batch.tally import Figures
from tests.barriers import barriers
from tests.server.process import Serving
from tests.server.visit import CHECK, REWARD, Visit, multi
from tests.tree import faults
from tests.waiting import until

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


def rows_file(folder: Path, rows: list[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def summary(page: Visit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.page.evaluate(
        """Object.fromEntries([...document.querySelectorAll(".summary tbody tr")].map((row) => [
          row.cells[0].innerText, [...row.cells].slice(1).map((one) => one.innerText)]))"""
    )
    return found


def graded(page: Visit, words: str = "graded.") -> None:
    page.page.locator("#trial-said", has_text=words).wait_for()


def caret(page: Visit, words: str, more: int = 1, editor: str = "grader") -> None:
    """Put the caret some characters into the first of these words."""
    page.page.evaluate(
        """([id, words, more]) => {
          const area = document.getElementById(id);
          area.focus();
          const at = area.value.indexOf(words) + more;
          area.setSelectionRange(at, at);
          area.dispatchEvent(new Event("keyup"));
        }""",
        [editor, words, more],
    )


def test_the_page_opens_with_a_sample_that_is_graded_already(
    visit: Callable[..., Visit], playground: Serving
) -> None:
    page = visit()
    first = playground.ask("GET", "/playground/info").json["samples"][0]
    page.page.locator(REWARD).wait_for()
    grade = load(json.loads(first["grader"])).grade(json.loads(first["item"]), first["sample"])
    assert page.text(REWARD) == f"{grade.reward:.4f}"
    assert page.page.input_value("#grader") == first["grader"]
    assert page.focused() == ""
    assert "Lint: nothing found." in page.text("#grader-state")
    page.page.click("#rows-try")
    graded(page, "8 rows graded. 1 failed.")


def test_what_a_link_or_a_hand_brought_is_not_replaced_by_the_first_sample(
    visit: Callable[..., Visit],
) -> None:
    page = visit(
        script="""addEventListener("DOMContentLoaded", () => {
          const area = document.getElementById("grader");
          area.value = "written at once";
          area.dispatchEvent(new Event("input"));
        })"""
    )
    assert page.page.input_value("#grader") == "written at once"
    assert page.page.locator(REWARD).count() == 0


def test_json_and_yaml_stand_in_colours_over_the_same_letters(visit: Callable[..., Visit]) -> None:
    page = visit()

    def coloured() -> list[list[str]]:
        found: list[list[str]] = page.page.evaluate(
            """[...document.querySelectorAll("#grader-name ~ *, .tall .sheet")].flatMap((sheet) => (
              [...sheet.querySelectorAll("[class^=of-]")].map((one) => [one.className, one.textContent])))"""
        )
        return found

    page.fill('{"a": -1.5e3, "b": [true, null], "c": "x \\n {{ item.q }} \\"y", "d')
    assert coloured() == [
        ["of-key", '"a"'], ["of-number", "-1.5e3"], ["of-key", '"b"'], ["of-word", "true"], ["of-word", "null"],
        ["of-key", '"c"'], ["of-string", '"x '], ["of-escape", "\\n"], ["of-string", " "],
        ["of-template", "{{ item.q }}"], ["of-string", " "], ["of-escape", '\\"'], ["of-string", 'y"'],
        ["of-string", '"d'],
    ]  # fmt: skip
    page.fill("# so\ntype: python\nsource: |\n  if a:\n    b\n  else:\n    c\nrange: [0, 1]")
    assert coloured() == [
        ["of-comment", "# so"], ["of-key", "type"], ["of-key", "source"], ["of-key", "range"],
        ["of-number", "0"], ["of-number", "1"],
    ]  # fmt: skip
    for text in ('{"naïve": "東京 😀"}\n\n\t"x', "a: 1\n\n b: 'é'"):
        page.fill(text)
        shown = page.page.evaluate(
            """[...document.querySelector(".tall .sheet").children].map((one) => one.textContent).join("\\n")"""
        )
        shown_of_a = page.page.evaluate(
            """[...document.getElementById("grader").parentElement.querySelector(".sheet").children]
              .map((one) => one.textContent.replace("\\u200b", "")).join("\\n")"""
        )
        assert shown_of_a == text, shown


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_schemas_help_stands_at_the_caret(visit: Callable[..., Visit], form: str) -> None:
    page = visit()
    if form == "json":
        page.fill(multi(one=CHECK, two={**CHECK, "type": "text_similarity", "evaluation_metric": "bleu"}))  # fmt: skip
        places = ('"operation": "eq"', '"evaluation_metric"', '"calculate_output"')
    else:
        page.fill(
            "type: multi\nname: all\ngraders:\n  one:\n    type: string_check\n    name: one\n    operation: eq\n"
            "    input: x\n    reference: y\n  two:\n    type: text_similarity\n    name: two\n"
            "    evaluation_metric: bleu\n    input: x\n    reference: y\ncalculate_output: one + two\n"
        )
        places = ("operation: eq", "evaluation_metric", "calculate_output")
    shown = page.page.locator("#grader-help")
    caret(page, places[0])
    until(lambda: "operation in string_check" in shown.inner_text())
    assert shown.locator("button").all_inner_texts() == ["eq", "ne", "like", "ilike"]
    caret(page, places[1])
    until(lambda: "evaluation_metric in text_similarity" in shown.inner_text())
    shown.get_by_role("button", name="rouge_l", exact=True).click()
    until(lambda: "rouge_l" in page.page.input_value("#grader"))
    assert "bleu" not in page.page.input_value("#grader")
    page.page.keyboard.press("Control+z")
    assert "bleu" in page.page.input_value("#grader")
    caret(page, places[2])
    until(lambda: "calculate_output in multi" in shown.inner_text())
    assert "min, max, abs" in shown.inner_text()
    page.page.keyboard.press("F1")
    until(lambda: "calculate_output" in page.text("#spoken"))


def test_help_knows_templates_types_wrong_fields_and_half_written_texts(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    shown = page.page.locator("#grader-help")
    page.fill(CHECK, {"answer": "a", "Frage": "b"})
    caret(page, "item.answer")
    until(lambda: "item.Frage" in shown.inner_text())
    shown.get_by_role("button", name="item.Frage").click()
    until(lambda: "{{ item.Frage }}" in page.page.input_value("#grader"))
    page.fill('{"type": "string_check", "colour": "x"')
    caret(page, "colour")
    until(lambda: "no field of this name" in shown.inner_text())
    page.fill('{"type": ')
    caret(page, "type")
    until(lambda: "What kind of grader this is" in shown.inner_text())
    page.fill({"type": "string_check"})
    caret(page, "{", 1)
    until(lambda: "It needs input, reference, operation" in shown.inner_text())
    for odd in ("", "[[[", '{"type": {"type": "multi"}}', "]]}}", "- - -", ": :", '{"a":{"b":{"c'):
        page.fill(odd)
        caret(page, "", len(odd) // 2)
        caret(page, "", len(odd))


def test_rows_get_a_summary_a_histogram_and_those_to_read_first(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    rows: list[Any] = [{"item": {"answer": f"a{n}"}, "sample": f"a{n % 3}"} for n in range(12)]
    rows[5]["item"] = {"question": "none"}
    rows[9] = {"item": {"answer": "é"}, "sample": {"output_text": "É"}}
    grader = {**CHECK, "type": "text_similarity", "evaluation_metric": "fuzzy_match"}
    grader.pop("operation")
    page = visit()
    page.fill(grader)
    page.page.set_input_files("#rows-file", rows_file(tmp_path, rows))
    page.page.click("#rows-run")
    graded(page, "12 rows graded. 1 failed.")
    rewards = [grade.reward for grade in load(grader).grade_many(rows)]
    scored = [one for one in rewards if one is not None]
    found = summary(page)
    assert found["Mean reward"] == [f"{fmean(scored):.4f}"]
    interval = Figures()
    interval.add(scored)
    ends = interval.interval()
    assert ends is not None
    assert found["95% interval"] == [f"{ends.low:.4f} to {ends.high:.4f}"]
    assert found["Spread"] == [f"{stdev(scored):.4f}"]
    assert found["Mean, failed as 0"] == [f"{sum(scored) / 12:.4f}"]
    assert found["Scored"] == ["11 of 12"]
    bars = page.page.locator(".histogram svg").get_attribute("aria-label") or ""
    counted = {float(value): int(size) for value, size in re.findall(r"([\d.]+): (\d+)", bars)}
    assert sum(counted.values()) == 11
    first = page.page.locator("#trial-body tbody").last.locator("tr")
    assert "invalid_variable_error" in first.first.inner_text()
    assert first.first.locator("button").inner_text() == "5"
    lowest = [one.inner_text() for one in first.locator("td.n").all()][1:]
    assert lowest == sorted(lowest)
    # The lint has seen the same rows: it says of them what the summary says.
    assert "Lint with 12 rows" in page.text("#grader-state")
    assert "item.answer is missing in 1 of 12 rows of rows.jsonl" in page.text("#findings")
    first.first.locator("button").click()
    page.page.locator(REWARD, has_text="no reward").wait_for()
    assert page.focused() == "results-name"
    assert json.loads(page.page.input_value("#item")) == {"question": "none"}
    assert "What failed in this run stands under Result" in page.text("#grader-state")


def test_rows_are_graded_again_as_the_grader_is_edited_and_stale_figures_say_so(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit()
    page.fill(CHECK)
    rows = [{"item": {"answer": "A"}, "sample": one} for one in ("A", "a", "b")]
    page.page.set_input_files("#rows-file", rows_file(tmp_path, rows))
    page.page.click("#rows-run")
    graded(page)
    assert summary(page)["Mean reward"] == ["0.3333"]
    page.fill({**CHECK, "operation": "ilike"})
    until(lambda: summary(page).get("Mean reward") == ["0.6667"])
    page.fill({**CHECK, "operation": "equals"})
    page.page.locator("#trial-said", has_text="has 1 fault").wait_for()
    assert "spelled eq" in page.text("#findings")
    page.page.uncheck("#live")
    page.fill({**CHECK, "operation": "ne"})
    page.page.locator("#trial-said", has_text="grade the rows again").wait_for()
    page.page.click("#trial-again")
    until(lambda: summary(page).get("Mean reward") == ["0.6667"] and "graded." in page.text("#trial-said"))  # fmt: skip


def test_rows_that_fail_alike_are_read_once_and_how_rows_begin_is_seen(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit()
    page.fill(CHECK)
    lacking = {"item": {"question": "Who?", "n": [1.0]}, "sample": {"output_text": "I\nam", "n": 1}}
    rows = [lacking] * 30 + [
        {"id": "odd", "item": {"answer": "A"}, "sample": "B"},
        {"item": "plain"},
    ]
    page.page.set_input_files("#rows-file", rows_file(tmp_path, rows))
    page.page.click("#rows-run")
    graded(page, "32 rows graded. 31 failed.")
    assert page.page.locator("#rows-body tr").first.locator("th, td").all_text_contents() == [
        "0", "question: Who? · n: [ 1.0 ]", "I am", "failed",
    ]  # fmt: skip
    reading = page.page.locator(".reading tbody tr")
    told = [" ".join(one.split()) for one in reading.all_inner_texts()]
    assert len(told) == 3
    assert told[0].startswith("0 failed invalid_variable_error")
    assert told[0].endswith("and 29 more rows like it")
    assert told[1].startswith("31 failed invalid_variable_error")
    assert told[2] == "30 0.0000 B"
    # The result beside them is of the row in the editors, of each that is opened.
    page.page.locator("#result .failure", has_text="invalid_variable_error").wait_for()
    page.page.fill("#rows-goto", "30")
    page.page.keyboard.press("Enter")
    page.page.locator(REWARD, has_text="0.0000").wait_for()
    page.page.fill("#rows-goto", "31")
    page.page.keyboard.press("Enter")
    last = page.page.locator("#rows-body tr").last.locator("th, td")
    until(lambda: last.all_inner_texts() == ["31", "plain", "", "failed"])
    (tmp_path / "two").mkdir()  # A file that is open is not written over.
    page.page.set_input_files("#rows-file", rows_file(tmp_path / "two", [lacking] * 2))
    page.page.click("#compare")
    page.page.locator("#trial-body", has_text="Neither grader gives any row a reward").wait_for()


def test_two_graders_side_by_side_fit_their_page(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    rows = [{"item": {"answer": "A"}, "sample": "A" if n % 3 else "b"} for n in range(40)]
    path = rows_file(tmp_path, rows)
    for width in (1280, 640, 320):
        page = visit(viewport={"width": width, "height": 800})
        page.fill(CHECK)
        page.page.set_input_files("#rows-file", path)
        page.page.click("#compare")
        page.page.fill("#other", json.dumps({**CHECK, "operation": "ne"}))
        until(lambda: len(summary(page).get("95% interval", ())) == 2)  # noqa: B023
        graded(page, "40 rows differ.")
        assert page.wide() <= width
        other, result = (
            page.page.locator(one).bounding_box() for one in ("#other-pane", "#results")
        )
        assert result["y"] > other["y"] + other["height"]
        assert abs(result["x"] - other["x"]) < 4, "the result stands beneath the other grader"
        numbers = page.page.locator(".reading tbody button.row")
        assert all(one["height"] < 45 for one in [each.bounding_box() for each in numbers.all()])


def test_two_graders_are_compared_on_the_same_rows_as_they_are_edited(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit()
    page.fill(CHECK)
    rows = [{"item": {"answer": "A"}, "sample": one} for one in ("A", "a", "b")]
    page.page.set_input_files("#rows-file", rows_file(tmp_path, rows))
    page.page.click("#compare")
    assert page.focused() == "other"
    page.page.locator("#trial-body", has_text="Both graders give every row the same").wait_for()
    page.page.fill("#other", json.dumps({**CHECK, "operation": "ilike"}))
    until(lambda: summary(page).get("Mean reward") == ["0.3333", "0.6667"])
    differing = page.page.locator("#trial-body tbody").last.locator("tr")
    assert [one.split() for one in differing.all_inner_texts()] == [["1", "0.0000", "1.0000", "+1.0000", "a"]]  # fmt: skip
    page.page.fill("#other", '{"type": "string_check"}')
    page.page.locator("#trial-said", has_text="Grader B has").wait_for()
    assert "fault" in page.text("#other-state")
    page.page.click("#compare")
    until(lambda: summary(page).get("Mean reward") == ["0.3333"])


def test_two_graders_are_compared_on_the_row_in_the_editors_and_shared(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    page.fill(CHECK, {"answer": "A"}, "a")
    page.page.click("#compare")
    graded(page)
    page.page.fill("#other", json.dumps({**CHECK, "operation": "ilike"}))
    until(lambda: summary(page).get("Mean reward") == ["0.0000", "1.0000"])
    page.page.fill("#sample", "A")
    until(lambda: summary(page).get("Mean reward") == ["1.0000", "1.0000"])
    page.page.click("#share")
    page.page.locator("#link[open]").wait_for()
    fragment = page.page.input_value("#link-text").partition("#")[2]
    second = visit(f"#{fragment}")
    until(lambda: "ilike" in second.page.input_value("#other"))
    assert second.page.locator("#other").is_visible()


def test_a_job_and_an_eval_are_made_of_the_grader_and_the_rows_that_are_open(
    visit: Callable[..., Visit], playground: Serving
) -> None:
    page = visit()
    page.page.click("#rows-try")
    graded(page)
    page.page.click("#tab-jobs")
    page.page.click("#job-make")
    page.page.locator("#jobs-make-rows", has_text="multi.jsonl").wait_for()
    page.page.fill("#jobs-make-suffix", "from-the-page")
    page.page.fill("#jobs-make-prompt", "Answer: {{ item.nothing }}")
    page.page.click("#jobs-make-yes")
    page.page.locator("#jobs-make-said", has_text="line 1 lacks what {{ item.nothing }} asks").wait_for()  # fmt: skip
    page.page.fill("#jobs-make-prompt", "Say it well: {{ item.reference }}")
    page.page.click("#jobs-make-yes")
    page.page.locator("#job-name", has_text="from-the-page").wait_for()
    page.page.locator("#job-verdict", has_text="Verdict").wait_for()
    assert "8" in page.text("#job-verdict")
    job = playground.ask("GET", "/v1/fine_tuning/jobs?limit=1").json["data"][0]
    sent = playground.ask("GET", f"/v1/files/{job['training_file']}/content").body.decode()
    row = json.loads(sent.splitlines()[6])
    assert row["messages"][0]["content"] == "Say it well: The shop opens at nine."
    assert row["samples"] == ["We open at nine in the morning."]
    page.page.click("#tab-evals")
    page.page.click("#eval-make")
    page.page.locator("#make-said", has_text="each of its graders becomes one").wait_for()
    page.page.fill("#make-name-of", "of the page")
    page.page.fill("#make-threshold", "0.6")
    page.page.click("#make-form button[type=submit]")
    page.page.locator("#runs-body", has_text="multi.jsonl").wait_for()
    page.page.locator("#runs-body .badge.completed").wait_for()
    assert page.page.locator("#eval-criteria tr").all_inner_texts()[0].split("\t")[2] == "rouge_l · passes from 0.6"  # fmt: skip


def test_a_large_file_is_graded_in_parts_and_can_be_stopped(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit()
    page.fill(CHECK)
    path = rows_file(
        tmp_path, [{"item": {"answer": "1"}, "sample": str(n % 2)} for n in range(900)]
    )
    with path.open("a") as file:
        file.write('{"no json\n')
    asked: list[int] = []
    page.page.on(
        "request",
        lambda one: asked.append(len(one.post_data_json["rows"])) if one.url.endswith("/playground/rows") else None,
    )  # fmt: skip
    page.page.set_input_files("#rows-file", path)
    page.page.click("#rows-run")
    graded(page, "901 rows graded. 1 failed.")
    assert asked == [250, 250, 250, 150]
    assert summary(page)["Mean reward"] == ["0.5000"]
    assert "Lint with the first 250 rows" in page.text("#grader-state")
    assert "off: more than 500 rows" in page.text("#live-said")
    page.page.route("**/playground/rows", lambda _: None)  # It is never answered.
    page.page.click("#trial-again")
    page.page.locator("#trial-stop").wait_for()
    page.page.click("#trial-stop")
    assert page.text("#trial-said") == "Stopped."


@pytest.mark.parametrize("size", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rows_and_two_graders_have_no_barrier_and_never_scroll_sideways(
    visit: Callable[..., Visit], poor_contrast: Callable[[Any], list[str]],
    scheme: str, size: dict[str, Any],
) -> None:  # fmt: skip
    page = visit(color_scheme=scheme, **size)
    page.page.locator(REWARD).wait_for()
    page.page.click("#rows-try")
    graded(page)
    page.page.click("#compare")
    page.page.locator("#trial-body", has_text="Grader B").wait_for()
    caret(page, "evaluation_metric")
    assert barriers(page.page) == []
    assert faults(page.page) == []
    assert poor_contrast(page.page) == []
    assert page.wide() <= (size or {"viewport": {"width": 1280}})["viewport"]["width"]
