"""The playground in a real browser, against a real `graders serve`: grading, texts, controls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Serving
from tests.server.visit import CHECK, REWARD, Visit, multi

pytestmark = pytest.mark.browser

SAMPLES = Path(__file__).parents[2] / "samples"
HOSTILE = (
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 2'>",
    "'\"><svg onload=window.ran=3>",
    "\u202eevil\u2066\u2028\u0007\U000e0041",
    "a\u0300" + "\u0301" * 300,
    "</style><style>body { display: none }</style>",
    "&lt;script&gt;window.ran=6&lt;/script&gt;",
    "W" * 3000,
)


# Grading


def test_a_newcomer_starts_from_a_sample_runs_edits_and_runs_again(
    visit: Callable[..., Visit], playground: Serving
) -> None:
    page = visit()
    page.page.fill("#grader", "")
    assert "There is no grader" in (page.page.click("#run"), page.text("#results-said"))[1]
    page.start("multi")
    shown = page.run()
    sample = next(
        one
        for one in playground.ask("GET", "/playground/info").json["samples"]
        if one["name"] == "multi"
    )
    body = {
        "grader": json.loads(sample["grader"]), "item": json.loads(sample["item"]),
        "model_sample": sample["sample"],
    }  # fmt: skip
    hosted = playground.run(body["grader"], body["model_sample"], body["item"]).json
    assert shown == f"{hosted['reward']:.4f}"
    assert page.page.locator(".parts .meter .fill").count() == len(hosted["sub_rewards"])
    for key, value in hosted["sub_rewards"].items():
        row = page.page.locator(".parts li", has=page.page.get_by_text(key, exact=True))
        assert f"{value:.4f}" in row.inner_text()
    assert page.text(".formula") == body["grader"]["calculate_output"]
    part = page.page.locator("details.part").first
    assert "We refund you within 14 days." in part.inner_text()
    assert "rouge_l|" in part.inner_text()
    page.page.locator("summary", has_text="Hosted response").click()
    copied = json.loads(page.text("#hosted"))
    for timed in (copied, hosted):
        timed["metadata"].pop("execution_time")
    assert copied == hosted
    page.page.fill("#sample", "No.")
    assert "texts were changed" in page.text("#results-said")
    assert page.run() != shown
    assert "old" not in (page.page.locator("#results").get_attribute("class") or "").split()


def test_bars_of_negative_and_large_values_share_one_scale(visit: Callable[..., Visit]) -> None:
    def gives(value: str) -> dict[str, str]:
        source = f"def grade(sample, item):\n    return {value}\n"
        return {"type": "python", "name": "n", "source": source}

    page = visit()
    page.fill(multi(low=gives("-5"), none=gives("0"), high=gives("15"), huge=gives("1.5")), "", "x")
    assert page.run() == "11.5000"
    bars = page.page.evaluate(
        """[...document.querySelectorAll(".parts .fill")].map((bar) => (
          [Number(bar.getAttribute("x")), Number(bar.getAttribute("width"))]))"""
    )
    assert bars == [[0, 250], [250, 0], [250, 750], [250, 75]]
    assert page.text(".scale").split() == ["-5", "15"]
    page.fill(multi(low=gives("-1.7e308"), high=gives("1.7e308")))
    assert page.run() == "0.0000"
    widths = page.page.evaluate(
        """[...document.querySelectorAll(".parts .fill")].map((bar) => bar.getAttribute("width"))"""
    )
    assert [float(one) for one in widths] == [500, 500]


def test_numbers_reach_the_grader_with_the_digits_they_were_written_with(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    page.fill(
        {**CHECK, "input": "{{ item.a }} {{ item.b }}", "reference": "{{ sample.output_json.a }}"},
        '{"a": 1.0, "b": 12345678901234567890}',
        '{"output_json": {"a": 2.50}}',
    )
    page.say_json()
    assert page.run() == "0.0000"
    assert "1.0 12345678901234567890" in page.text("details.part")
    page.page.locator("summary", has_text="Hosted response").click()
    assert '"reward": 0.0,' in page.text("#hosted")


def test_a_judges_steps_are_read_and_a_reply_without_them_is_shown(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    row = json.loads((SAMPLES / "judge/rows.jsonl").read_text().splitlines()[1])
    page.fill((SAMPLES / "judge/grader.json").read_text(), row["item"], row["sample"])
    page.run()
    judge = page.page.locator("details.part", has_text="score_model")
    assert "Judge's reasoning" in judge.inner_text()
    assert judge.locator("ol.steps li").count() == 2
    assert judge.locator("ol.steps li").first.inner_text().split("\n") == [
        "The answer is Lyon.", "→ The answer is Lyon.",
    ]  # fmt: skip
    assert "Result: 1" in judge.inner_text()

    def answer(route: Any) -> None:
        done = route.fetch()
        body = done.json()
        body["said"] = {"judge": ["no JSON <b>at all</b>", '{"steps": 3, "result": [1]}', "[]"]}
        route.fulfill(response=done, json=body)

    page.page.route("**/playground/run", answer)
    page.run()
    assert "Judge's reply 1 of 3" in judge.inner_text()
    assert "no JSON <b>at all</b>" in judge.inner_text()


def test_what_was_opened_stays_open_in_the_next_result(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.start("multi")
    page.page.click("#run")
    page.page.locator("summary", has_text="Hosted response").click()
    page.page.locator("details.part summary").first.click()
    page.page.fill("#sample", "No.")
    page.page.click("#run")
    page.page.locator("#results:not(.old)").wait_for()
    assert page.page.locator("#hosted").is_visible()
    assert page.page.locator("details.part").first.get_attribute("open") is None
    assert page.page.locator("details.part").last.get_attribute("open") is not None


def test_what_python_printed_is_shown(visit: Callable[..., Visit]) -> None:
    source = "def grade(sample, item):\n    print('so it is')\n    return 1\n"
    page = visit()
    page.fill({"type": "python", "name": "p", "source": source}, "", "x")
    assert page.run() == "1.0000"
    assert "so it is" in page.text("details.part")


def test_a_file_is_opened_by_button_or_drop_and_what_it_replaced_can_be_had_back(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit()
    (tmp_path / "g.yaml").write_text("type: string_check\n")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    page.page.fill("#grader", "written by hand")
    page.page.set_input_files("#grader-file", tmp_path / "g.yaml")
    page.page.locator(".notice", has_text="g.yaml took the place").wait_for()
    assert page.page.input_value("#grader") == "type: string_check\n"
    page.page.click("text=Undo")
    assert page.page.input_value("#grader") == "written by hand"
    page.page.set_input_files("#item-file", tmp_path / "latin.json")
    page.page.locator(".notice", has_text="latin.json is no UTF-8 text").wait_for()
    page.page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File(['{"output_text": "x"}'], "sample.json"));
          const place = document.getElementById("sample");
          for (const type of ["dragover", "drop"]) {
            place.dispatchEvent(new DragEvent(type, {dataTransfer: carried, bubbles: true, cancelable: true}));
          }
        }"""
    )
    page.page.locator("#kind-json:checked").wait_for(state="attached")
    assert page.page.input_value("#sample") == '{"output_text": "x"}'


# Faults, failures and findings, where they are


def test_faults_are_underlined_where_they_are(visit: Callable[..., Visit]) -> None:
    broken = multi(
        one={**CHECK, "operation": "neq"},
        two={**CHECK, "input": "so “{{ item.naïve }” it"},
    )
    broken["calculate_output"] = "one + tow * 2"
    page = visit()
    text = json.dumps(broken, indent=2, ensure_ascii=False)
    page.fill(text, "", "x")
    assert page.run() == "no grader"
    lines = text.split("\n")
    at = {
        word: next(n for n, line in enumerate(lines, 1) if word in line)
        for word in ("neq", "naïve", "tow")
    }
    page.marked(
        "grader",
        (at["neq"], '"operation": "neq"'), (at["naïve"], "{{ item.naïve }” it"), (at["tow"], "tow"),
    )  # fmt: skip
    assert page.page.locator("#result .failure").count() == 3
    page.page.locator("#result button", has_text=f"line {at['tow']}").click()
    assert page.focused() == "grader"
    chosen = page.page.evaluate(
        """() => { const a = document.getElementById("grader");
          return a.value.slice(a.selectionStart, a.selectionEnd); }"""
    )
    assert chosen == "tow"


def test_an_underline_stands_under_its_word_on_the_screen(visit: Callable[..., Visit]) -> None:
    page = visit()
    words = "a text that is long enough to be wrapped\\tonce or twice 東京 😀 " * 6
    page.fill('{\n  "type": "string_check",\n  "name": "' + words + '",\n  "x": 1 2\n}')
    page.marked("grader", (4, "2"))
    places = page.page.evaluate(
        """() => {
          const area = document.getElementById("grader");
          const style = getComputedStyle(area);
          const sheet = area.parentElement.querySelector(".sheet");
          const mark = sheet.querySelector("mark").getBoundingClientRect();
          const canvas = new OffscreenCanvas(1, 1).getContext("2d");
          canvas.font = style.font;
          const left = area.getBoundingClientRect().left + parseFloat(style.paddingLeft);
          return {
            heights: [area.scrollHeight, sheet.offsetHeight],
            left: [left + canvas.measureText('  "x": 1 ').width, mark.left],
            rows: (sheet.children[2].offsetHeight / parseFloat(style.lineHeight)),
          };
        }"""
    )
    assert places["rows"] > 5
    # The area is as high as its text where that is longer than what is seen of it.
    page.page.evaluate("document.getElementById('grader').style.height = '60px'")
    page.page.wait_for_timeout(200)
    heights = page.page.evaluate(
        """[document.getElementById("grader").scrollHeight, document.querySelector(".sheet").offsetHeight]"""
    )
    assert abs(heights[0] - heights[1]) <= 1
    assert abs(places["left"][0] - places["left"][1]) < 1


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_failed_is_underlined(visit: Callable[..., Visit], form: str) -> None:
    source = "import os\n\n\ndef grade(sample, item):\n    return 1 / item['zero']\n"
    config = multi(
        a={**CHECK, "reference": "😀 x {{ item.nothing }}"},
        p={"type": "python", "name": "p", "source": source},
    )
    text = json.dumps(config, indent=2, ensure_ascii=False)
    if form == "yaml":
        text = "type: multi\nname: all\ngraders:\n  a:\n    type: string_check\n    name: a\n"
        text += "    operation: eq\n    input: '{{ sample.output_text }}'\n    reference: 😀 x {{ item.nothing }}\n  p:\n"
        text += "    type: python\n    name: p\n    source: |\n"
        text += "".join(f"      {line}\n" for line in source.splitlines())
        text += "calculate_output: a + p\n"
    lines = text.split("\n")
    page = visit()
    page.fill(text, {"zero": 0}, "x")
    assert page.run() == "no reward"
    nothing = next(n for n, line in enumerate(lines, 1) if "nothing" in line)
    zero = next(n for n, line in enumerate(lines, 1) if "['zero']" in line)
    page.marked("grader", (nothing, "{{ item.nothing }}"), (zero, "return 1 / item['zero']"))
    assert "invalid_variable_error in a" in page.text("#result")
    assert "ZeroDivisionError" in page.text("#result")
    page.page.locator("#grader").press("Control+Home")
    page.page.keyboard.type("\n\n")
    page.marked(
        "grader", (nothing + 2, "{{ item.nothing }}"), (zero + 2, "return 1 / item['zero']")
    )


def test_a_formula_without_a_value_is_underlined(visit: Callable[..., Visit]) -> None:
    page = visit()
    config = {**multi(a=CHECK), "calculate_output": "1 / a"}
    page.fill(config, {"answer": "y"}, "x")
    assert page.run() == "no reward"
    line = json.dumps(config, indent=2).split("\n").index('  "calculate_output": "1 / a"') + 1
    page.marked("grader", (line, "1 / a"))


def test_a_python_source_that_does_not_parse_is_underlined_at_its_line(
    visit: Callable[..., Visit],
) -> None:
    source = 'X = "\\n"\ndef grade(sample, item)\n    return 1\n'
    page = visit()
    page.fill({"type": "python", "name": "p", "source": source}, "", "x")
    assert page.run() == "no grader"
    page.marked("grader", (4, "def grade(sample, item)"))


def test_lint_findings_come_while_editing_and_lead_to_their_line(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    config = multi(a=CHECK, b={**CHECK, "reference": "{{ item.other }}"})
    page.fill({**config, "calculate_output": "a"})
    page.page.locator("#findings li").first.wait_for()
    said = page.lints()
    assert re.search(r"warning G1\d\d line \d+", said)
    line = int(re.search(r"line (\d+)", said)[1])  # type: ignore[index]
    page.page.locator("#findings button").first.click()
    at = page.page.evaluate(
        "document.getElementById('grader').value.slice(0, document.getElementById('grader').selectionStart).split('\\n').length"
    )
    assert at == line
    mark = page.page.locator("mark.warning").first
    # Of the text and what lies behind it one is seen, never both: that would blur each letter.
    drawn = "one => getComputedStyle(one).webkitTextFillColor"
    seen = [
        one.evaluate(drawn) != "rgba(0, 0, 0, 0)" for one in (mark, page.page.locator("#grader"))
    ]
    assert seen.count(True) == 1
    page.fill(multi(a=CHECK))
    page.page.locator("#grader-state", has_text="Lint: nothing found.").wait_for()
    assert page.page.locator("mark").count() == 0
    page.fill({**CHECK, "type": "label_model"})
    page.page.locator("#findings .level.error").first.wait_for()


def test_the_target_decides_what_is_linted(visit: Callable[..., Visit]) -> None:
    page = visit()
    config = multi(a={k: v for k, v in CHECK.items() if k != "operation"})
    config["graders"]["a"].update(type="text_similarity", evaluation_metric="cosine")
    page.fill(config)
    page.page.locator("#grader-state", has_text="Lint:").wait_for()
    assert "cosine" not in page.text("#findings")
    page.page.select_option("#target", "openai")
    page.page.locator("#findings li", has_text="cosine").wait_for()
    page.page.click("#run")
    page.page.locator("#results-said", has_text="o reward").wait_for(state="attached")
    assert "cosine" in page.text("#findings")


def test_an_item_that_is_no_json_is_said_and_underlined_and_nothing_is_run(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    asked = []
    page.page.on("request", lambda one: asked.append(one.url))
    page.fill(CHECK, '{\n  "answer": "x",\n  "b" 2\n}', "x")
    page.page.click("#run")
    assert "Line 3, column 7: a colon is wanted" in page.text("#results-said")
    page.marked("item", (3, "2"))
    assert page.focused() == "item"
    assert not any(url.endswith("/playground/run") for url in asked)
    page.page.fill("#item", '{"answer": "x"}')
    assert page.run() == "1.0000"
    page.say_json()
    page.page.click("#run")
    assert "The sample is no JSON. Line 1, column 1" in page.text("#results-said")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", '{"a" 1}', "01", "1.", "nul", '"\t"', '{"a":1}}', "[" * 100_000, '"\\x"', "-", "1 2"],
)  # fmt: skip
def test_what_is_json_is_what_json_says(visit: Callable[..., Visit], text: str) -> None:
    """The page's own reader of JSON refuses what a JSON parser refuses, with a place."""
    page = visit()
    page.fill(CHECK, text or " ", "x")
    page.page.click("#run")
    if text.strip():
        page.page.locator("#results-said", has_text="The item is no JSON. Line 1").wait_for()
    else:
        page.page.locator(REWARD).wait_for()


# Hostile texts


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(visit: Callable[..., Visit], text: str) -> None:
    page = visit(viewport={"width": 400, "height": 900})
    source = "def grade(sample, item):\n    print(item['t'])\n    raise ValueError(item['t'])\n"
    config = multi(a={**CHECK, "name": text, "reference": "{{ item.t }}"})
    config["graders"]["b"] = {"type": "python", "name": "p", "source": source}
    config["name"] = text
    page.fill(config, {"t": text}, text)
    assert page.run() == "no reward"
    if "\u202e" in text:
        assert "⟨U+202E⟩" in page.text(".failure")
        assert "⟨U+202E⟩" in page.text(".score")
        assert "unseen characters: U+202E" in page.text("#item-state") + page.text("#sample-state")
    for word in ("\u202e", "\u2066", "\u0007", "\U000e0041"):
        assert word not in page.text("#results")
    page.fill({**config, text[:300]: text, "calculate_output": text})
    page.run()
    assert page.page.locator("img, iframe, object, embed").count() == 0
    assert page.page.locator("script").count() == 1
    assert page.page.evaluate("getComputedStyle(document.body).display") == "block"
    assert page.wide() <= 400


def test_keys_that_objects_have_by_themselves_are_keys_like_others(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
    graders = ",".join(f'"{name}": {json.dumps(CHECK)}' for name in names)
    text = f'{{"type": "multi", "name": "__proto__", "graders": {{{graders}}}, "calculate_output": "{" + ".join(names)}"}}'
    page.fill(text, '{"answer": "x", "__proto__": {"a": 1}, "constructor": 3}', "x")
    assert page.run() == "4.0000"
    assert page.page.locator(".parts .name bdi").all_inner_texts() == names
    assert page.page.locator("details.part bdi").all_inner_texts() == names
    assert page.page.evaluate("({}).a ?? null") is None


def test_json_that_nests_without_end_gets_a_sentence(visit: Callable[..., Visit]) -> None:
    page = visit()
    deep = "[" * 100_000 + "]" * 100_000
    page.expected = ("status of 400", "status of 413")
    page.fill(CHECK, f'{{"answer": {deep}}}', "x")
    page.page.click("#run")
    page.page.locator(".notice.bad, #reward").first.wait_for()
    page.fill(deep, "{}", "x")
    page.page.click("#run")
    page.page.locator(".notice.bad, #result .failure").first.wait_for()
    page.fill(CHECK, {"answer": "x"}, "x")
    assert page.run() == "1.0000"


def test_what_would_get_into_the_page_could_neither_run_nor_ask(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    page.expected = ("Content Security Policy",)
    tried = page.page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = 1";
          document.body.append(script);
          const image = document.createElement("img");
          image.setAttribute("onerror", "window.ran = 2");
          image.src = "https://example.invalid/x.png";
          document.body.append(image);
          let asked = "answered";
          try { await fetch("https://example.invalid/"); } catch { asked = "refused"; }
          await new Promise((done) => setTimeout(done, 200));
          return asked;
        }"""
    )
    assert tried == "refused"
    assert any("Content Security Policy" in one for one in page.said)


# Keyboard, names, contrast, widths, themes


def test_all_of_it_works_with_the_keyboard_alone(visit: Callable[..., Visit]) -> None:
    page = visit()
    keys = page.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(60):
            keys.press("Tab")
            if page.focused() == name:
                outline = page.page.evaluate(
                    """() => { const one = document.activeElement;
                      const at = one.closest(".editor") || (one.type === "radio" ? one.nextElementSibling : one);
                      return getComputedStyle(at).outlineStyle; }"""
                )
                assert outline == "solid", name
                return
        raise AssertionError(name)

    keys.press("Tab")
    assert page.focused() == "skip"
    keys.press("Enter")
    assert page.focused() == "main"
    assert page.page.url == page.address
    tab_to("start")
    keys.type("string")
    keys.press("Enter")
    assert '"string_check"' in page.page.input_value("#grader")
    tab_to("grader")
    tab_to("item")
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    tab_to("kind-text")
    keys.press("ArrowRight")
    assert page.page.is_checked("#kind-json")
    keys.press("ArrowLeft")
    tab_to("sample")
    keys.press("Control+Enter")
    page.page.locator(REWARD, has_text="1.0000").wait_for()
    assert page.focused() == "sample"
    for _ in range(8):
        keys.press("Tab")
        if "Hosted" in page.page.evaluate("document.activeElement.textContent"):
            break
    keys.press("Enter")
    assert page.page.locator("#hosted").is_visible()
    page.page.focus("#tab-play")
    keys.press("ArrowRight")
    assert page.focused() == "tab-jobs"
    assert page.page.locator("#jobs").is_visible()
    assert page.page.locator("#play").is_hidden()
    keys.press("Home")
    assert page.page.locator("#play").is_visible()
    tab_to("share")
    keys.press("Enter")
    page.page.locator("#link-copy:focus").wait_for()  # The link is packed meanwhile.
    keys.press("Escape")
    page.page.locator("#share:focus").wait_for()


def test_every_control_has_a_name(visit: Callable[..., Visit], tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"item": {}, "samples": ["a", "b"]}\n')
    page = visit().page
    page.set_input_files("#rows-file", tmp_path / "r.jsonl")
    page.locator("#rows-which").wait_for()
    page.select_option("#start", label="multi")
    page.click("#run")
    page.locator(REWARD).wait_for()
    for tab in ("#tab-play", "#tab-jobs"):
        page.click(tab)
        for role in (
            "button", "textbox", "combobox", "spinbutton", "radio", "radiogroup", "table", "region",
            "tab", "tablist", "tabpanel", "group", "list", "img", "link", "progressbar", "dialog",
        ):  # fmt: skip
            for one in page.get_by_role(role).all():
                snapshot = one.aria_snapshot().splitlines()[0]
                if role in ("list", "group", "table"):
                    continue
                assert '"' in snapshot, snapshot
    for role in ("banner", "main", "tablist"):
        assert page.get_by_role(role).count() == 1
    unnamed = page.evaluate(
        """[...document.querySelectorAll("input, textarea, select, button, progress, pre[tabindex]")].filter((one) => (
          !(one.labels && one.labels.length) && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")
          && !one.textContent.trim() && !one.closest("[aria-hidden]") && one.getAttribute("aria-hidden") !== "true")).map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_results_are_announced(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.start("string_check")
    page.run()
    said = page.page.locator("#results-said")
    assert said.get_attribute("role") == "status"
    assert said.inner_text() == "Reward 1.0000."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    visit: Callable[..., Visit], scheme: str, poor_contrast: Callable[[Any], list[str]]
) -> None:
    page = visit("#broken", color_scheme=scheme)
    assert poor_contrast(page.page) == []
    bad = multi(a=CHECK, b={**CHECK, "reference": "{{ item.none }}"})
    page.fill({**bad, "calculate_output": "a"}, {"answer": "x"}, "y")
    page.run()
    page.page.locator("#findings li").first.wait_for()
    page.page.fill("#item", "{")
    page.page.locator("#item-state.bad").wait_for()
    assert poor_contrast(page.page) == []
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="job").wait_for()
    assert poor_contrast(page.page) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1024])
def test_a_narrow_page_never_scrolls_sideways(
    visit: Callable[..., Visit], tmp_path: Path, width: int
) -> None:
    page = visit("#broken", viewport={"width": width, "height": 740})
    assert page.wide() <= width
    page.start("multi")
    page.run()
    for one in page.page.locator("#play summary").all():
        one.click()
    assert page.wide() <= width
    (tmp_path / "a-very-long-name-without-any-spaces-in-it-at-all.jsonl").write_text(
        json.dumps({"item": {"answer": "W" * 400}, "sample": "x"}) + "\nno\n"
    )
    page.page.set_input_files(
        "#rows-file", tmp_path / "a-very-long-name-without-any-spaces-in-it-at-all.jsonl"
    )
    page.page.locator("#rows-body tr").first.wait_for()
    page.page.fill("#grader", json.dumps({**CHECK, "operation": "W" * 300}))
    page.page.locator("#findings li").first.wait_for()
    assert page.wide() <= width
    page.page.click("#share")
    assert page.wide() <= width
    page.page.click("#link-close")
    page.page.click("#tab-jobs")
    assert page.wide() <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen_and_then_kept(
    visit: Callable[..., Visit], scheme: str
) -> None:
    page = visit(color_scheme=scheme)
    paint = "getComputedStyle(document.body).backgroundColor"
    papers = {"light": "rgb(252, 252, 251)", "dark": "rgb(21, 24, 27)"}
    assert page.page.evaluate(paint) == papers[scheme]
    button = page.page.locator("#theme")
    for word in ("light", "dark"):
        button.click()
        assert button.inner_text() == f"Theme: {word}"
        assert page.page.evaluate(paint) == papers[word]
    page.page.reload()
    assert page.page.evaluate(paint) == papers["dark"]
    button.click()
    assert page.page.evaluate(paint) == papers[scheme]
    assert page.page.evaluate("Object.keys(localStorage)") == ["graders-theme"]
    assert page.page.evaluate("Object.keys(sessionStorage)") == []


def test_long_texts_stay_fluid_and_keep_their_line_numbers(visit: Callable[..., Visit]) -> None:
    page = visit()
    text = (
        "{\n"
        + "".join(f'  "key{n}": "{"so it was said " * 3}",\n' for n in range(4500))
        + '  "x": 1 2\n}'
    )
    assert len(text) > 256_000
    took = page.page.evaluate(
        """async (text) => {
          const area = document.getElementById("item");
          area.value = text;
          area.focus();
          area.dispatchEvent(new Event("input", {bubbles: true}));
          const started = performance.now();
          for (let n = 0; n < 10; n += 1) {
            document.execCommand("insertText", false, " ");
            area.getBoundingClientRect();
          }
          return (performance.now() - started) / 10;
        }""",
        text,
    )
    assert took < 500, f"{took} ms a key"
    page.page.locator("#item-state", has_text="Line 4502, column").wait_for()
    page.page.evaluate("document.getElementById('item').scrollTop = 1e9")
    page.marked("item", (4502, "2"))
    page.page.evaluate("document.getElementById('item').scrollTop = 0")
    page.marked("item")


def test_without_script_the_page_says_so(browser: Any, playground: Serving) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(playground.url)
    assert "needs its own script" in page.locator("noscript").inner_text()
    context.close()
