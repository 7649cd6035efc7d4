"""The playground in a real browser, against a real `graders serve`."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
REWARD = "#reward"
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


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Served:
    """A server of its own process; it can be killed and started again on the same port."""

    def __init__(self, folder: Path, *arguments: str, token: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self.arguments = arguments
        self.token = token
        self.address = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "graders", "serve", "--port", str(self.port), "--processes", "1",
            "--data-dir", str(self.folder / "data"), *self.arguments,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRADERS_SERVER_TOKEN": self.token}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        for _ in range(600):
            try:
                urllib.request.urlopen(self.address + "readyz", timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, path: str, body: Any = None, kind: str = "application/json") -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"content-type": kind, "authorization": f"Bearer {self.token or '-'}"}
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def upload(self, lines: list[Any]) -> str:
        text = "".join(json.dumps(one) + "\n" for one in lines)
        body = (
            '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
            '--b\r\ncontent-disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n'
            f"{text}\r\n--b--\r\n"
        )
        made: str = self.ask("v1/files", body.encode(), "multipart/form-data; boundary=b")["id"]
        return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose judge's replies were recorded."""
    replies = SAMPLES / "judge/replies.sqlite"
    folder = tmp_path_factory.mktemp("server")
    (folder / "replies.sqlite").write_bytes(replies.read_bytes())
    made = Served(
        folder, "--base-url", "local", "--offline", "--cache-file", str(folder / "replies.sqlite")
    )
    yield made
    made.stop()


class Visit:
    """The page, opened by someone new to it, with what it said and asked for."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.said: list[str] = []
        self.address = address
        self.expected: tuple[str, ...] = ()
        self.foreign: list[str] = []
        script = settings.pop("script", None)
        sizes = {"viewport": {"width": 1280, "height": 900}, **settings}
        self.context = browser.new_context(**sizes)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.context.route("**/*", self._route)
        if script:
            self.page.add_init_script(script)
        self.page.goto(address)
        self.page.locator("#start option").nth(1).wait_for(state="attached")

    def _route(self, route: Any) -> None:
        origin = re.match(r"https?://[^/]+/", self.address)
        if route.request.url.startswith((origin[0] if origin else self.address, "data:,")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def fill(self, grader: Any = None, item: Any = None, sample: Any = None) -> None:
        """Put texts into the editors."""
        for name, value in (("grader", grader), ("item", item), ("sample", sample)):
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, indent=2)
                self.page.fill(f"#{name}", text)

    def run(self) -> str:
        """Run what stands in the editors; return the reward that is shown."""
        self.page.evaluate("document.getElementById('result').replaceChildren()")
        self.page.click("#run")
        shown: str = self.page.locator(REWARD).inner_text()
        return shown

    def start(self, name: str) -> None:
        self.page.select_option("#start", label=name)

    def text(self, where: str) -> str:
        found: str = self.page.locator(where).inner_text()
        return found

    def marks(self, name: str) -> list[tuple[int, str]]:
        """The places of an editor that are underlined as errors: line, text."""
        found = self.page.evaluate(
            """(name) => {
              const sheet = document.getElementById(name).parentElement.querySelector(".sheet");
              const first = Number(getComputedStyle(sheet).getPropertyValue("--first"));
              return [...sheet.children].flatMap((line, at) => (
                [...line.querySelectorAll("mark.error")].map((one) => [first + at + 1, one.textContent])
              ));
            }""",
            name,
        )
        return [(line, text) for line, text in found]

    def marked(self, name: str, *wanted: tuple[int, str]) -> None:
        """Wait until these places, and no others, are underlined."""
        for _ in range(100):
            if self.marks(name) == list(wanted):
                return
            self.page.wait_for_timeout(100)
        assert self.marks(name) == list(wanted)

    def wide(self) -> int:
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width

    def focused(self) -> str:
        found: str = self.page.evaluate("document.activeElement.id")
        return found

    def lints(self) -> str:
        """What the grader's editor says of the lint, when it has been linted."""
        self.page.locator("#grader-state", has_text="Lint").wait_for()
        return self.text("#findings")


@pytest.fixture
def visit(browser: Any, server: Served) -> Iterator[Callable[..., Visit]]:
    """Opens the page; at the end, it has said nothing and asked nobody else for anything."""
    visits: list[Visit] = []

    def go(fragment: str = "", *, address: str | None = None, **settings: Any) -> Visit:
        visits.append(Visit(browser, (address or server.address) + fragment, **settings))
        return visits[-1]

    yield go
    for one in visits:
        unexpected = [line for line in one.said if not any(w in line for w in one.expected)]
        assert unexpected == []
        assert one.foreign == []
        assert one.page.evaluate("window.ran ?? null") is None
        assert len(one.context.pages) == 1
        one.context.close()


CHECK: dict[str, Any] = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def multi(**graders: Any) -> dict[str, Any]:
    formula = " + ".join(graders)
    return {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}


# Grading


def test_a_newcomer_starts_from_a_sample_runs_edits_and_runs_again(
    visit: Callable[..., Visit], server: Served
) -> None:
    page = visit()
    assert "There is no grader" in (page.page.click("#run"), page.text("#results-said"))[1]
    page.start("multi")
    shown = page.run()
    sample = next(one for one in server.ask("playground/info")["samples"] if one["name"] == "multi")
    body = {
        "grader": json.loads(sample["grader"]), "item": json.loads(sample["item"]),
        "model_sample": sample["sample"],
    }  # fmt: skip
    hosted = server.ask("v1/fine_tuning/alpha/graders/run", body)
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
    page.page.check("#kind-json", force=True)
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
    at = {word: next(n for n, line in enumerate(lines, 1) if word in line) for word in ("neq", "naïve", "tow")}
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
        a={**CHECK, "reference": "x {{ item.nothing }}"},
        p={"type": "python", "name": "p", "source": source},
    )
    text = json.dumps(config, indent=2)
    if form == "yaml":
        text = "type: multi\nname: all\ngraders:\n  a:\n    type: string_check\n    name: a\n"
        text += "    operation: eq\n    input: '{{ sample.output_text }}'\n    reference: x {{ item.nothing }}\n  p:\n"
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
    page.marked("grader", (nothing + 2, "{{ item.nothing }}"), (zero + 2, "return 1 / item['zero']"))


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
    assert page.page.locator("mark.warning").count() >= 1
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
    page.page.check("#kind-json", force=True)
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


# Links


def link_of(page: Visit) -> str:
    page.page.click("#share")
    page.page.locator("#link[open]").wait_for()
    link: str = page.page.input_value("#link-text")
    page.page.click("#link-close")
    return link


def texts_of(page: Visit) -> list[Any]:
    found: list[Any] = page.page.evaluate(
        """[...["grader", "item", "sample"].map((name) => document.getElementById(name).value),
          document.getElementById("kind-json").checked, document.getElementById("target").value]"""
    )
    return found


@pytest.mark.parametrize("plain", [False, True])
def test_a_link_opens_to_the_same_texts_and_switches(
    visit: Callable[..., Visit], plain: bool
) -> None:
    script = "delete window.CompressionStream; delete window.DecompressionStream" if plain else None
    page = visit(script=script)
    texts = ['{"näme": "東京 😀 \u202e\u0000\u2028"}', '{"a": "\\ud800", "b": 1.0}', "x" * 3 + "\u00e9\ud83d\ude00"]
    texts[2] = texts[2].encode("utf-16", "surrogatepass").decode("utf-16")
    page.fill(*texts)
    page.page.check("#kind-json", force=True)
    page.page.select_option("#target", "azure")
    link = link_of(page)
    assert ("#p1." in link) == plain
    other = visit(link.removeprefix(page.address), script=script)
    other.page.locator("#results-said", has_text="The link's texts").wait_for()
    assert texts_of(other) == texts_of(page)
    assert texts_of(other)[:3] == texts


def test_a_link_holds_200_kb_and_says_that_it_is_long(visit: Callable[..., Visit]) -> None:
    page = visit()
    noise = base64.b64encode(os.urandom(120_000)).decode()
    page.fill(CHECK, json.dumps({"a": noise}), "y" * 60_000)
    page.page.click("#share")
    page.page.locator("#link-said", has_text="Some programs cut links that long").wait_for()
    link = page.page.input_value("#link-text")
    assert len(link) > 100_000
    other = visit(link.removeprefix(page.address))
    other.page.locator("#results-said", has_text="The link's texts").wait_for()
    assert texts_of(other) == texts_of(page)


def test_texts_too_long_for_a_link_are_said_to_be(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.fill(sample=base64.b64encode(os.urandom(1_500_000)).decode())
    page.page.click("#share")
    page.page.locator(".notice", has_text="too long for a link").wait_for()
    assert "#" not in page.page.url


def fragment(data: bytes) -> str:
    squeezed = zlib.compressobj(wbits=-15)
    packed = squeezed.compress(data) + squeezed.flush()
    return "#z1." + base64.urlsafe_b64encode(packed).decode().rstrip("=")


GOOD = json.dumps({"grader": "g", "item": "{}", "sample": "s"}).encode()


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("#z1.AAAA", "damaged"), ("#z1.", "damaged"), ("#p1.e30", "damaged"), ("#%00%ff", "damaged"),
        ("#__proto__", "damaged"), ("#z1.****", "damaged"), (fragment(GOOD)[:-6], "damaged"),
        ("#z9.AAAA", "newer graders"), (fragment(b"null"), "damaged"), (fragment(b"\xff\xfe"), "damaged"),
        (fragment(b'{"grader": 1, "item": [], "sample": {}}'), "damaged"),
        (fragment(b"[" * 9_000_000), "damaged"), (fragment(b" " * 60_000_000), "unpacks to more"),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_damaged_link_gets_a_sentence(
    visit: Callable[..., Visit], damaged: str, said: str
) -> None:
    page = visit(damaged)
    page.page.locator(".notice.bad", has_text=said).wait_for()
    page.start("string_check")
    assert page.run() == "1.0000"


def test_a_link_that_is_opened_in_the_same_tab_can_be_undone(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.fill("#grader", "mine")
    page.page.evaluate("(to) => { location.hash = to; }", fragment(GOOD))
    page.page.locator(".notice", has_text="The link took the place").wait_for()
    assert page.page.input_value("#grader") == "g"
    page.page.click("text=Undo")
    assert page.page.input_value("#grader") == "mine"


# Rows


def rows_text(page: Visit) -> list[list[str]]:
    return [
        row.locator("th, td").all_inner_texts()
        for row in page.page.locator("#rows-body tr").all()
    ]


def test_rows_of_a_file_are_paged_opened_and_run(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    rows = [{"id": f"r{n}", "item": {"answer": f"a{n}"}, "sample": f"a{n % 7}"} for n in range(25)]
    lines = [json.dumps(one) for one in rows]
    lines.insert(3, '{"item": {"answer": 1}, oh no}')
    lines.insert(5, "")
    (tmp_path / "rows.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    page = visit()
    page.fill(CHECK)
    page.page.set_input_files("#rows-file", tmp_path / "rows.jsonl")
    page.page.locator("#rows-said", has_text="rows.jsonl: 26 rows").wait_for()
    page.page.locator("#rows-body tr").nth(9).wait_for()
    shown = rows_text(page)
    assert len(shown) == 10
    assert shown[2][:2] == ["2", "3"]
    assert "line 4 is no JSON: a key in quotes is wanted" in shown[3][2]
    assert shown[5][:2] == ["5", "7"]
    assert json.loads(page.page.input_value("#item")) == {"answer": "a0"}
    page.page.click("#rows-run")
    page.page.locator("#rows-body tr:nth-child(10) td:nth-child(4)", has_text=".").wait_for()
    assert [row[3] for row in rows_text(page)] == [
        "1.0000", "1.0000", "1.0000", "", "1.0000", "1.0000", "1.0000", "1.0000", "0.0000", "0.0000",
    ]  # fmt: skip
    page.page.click("#rows-next")
    page.page.get_by_role("button", name="Open row 10", exact=True).click()
    assert page.page.input_value("#sample") == "a2"
    page.page.fill("#rows-goto", "25")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="r24").wait_for()
    assert page.page.locator("#rows-next").is_disabled()
    page.page.fill("#rows-goto", "26")
    page.page.keyboard.press("Enter")
    assert "rows 0 to 25" in page.text("#results-said")


def test_training_rows_are_items_as_a_whole_and_bring_their_samples(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    text = '{"messages": [{"role": "user", "content": "q"}], "n": 1.0, "samples": ["first", {"output_text": "second"}]}\n'
    text += '{"messages": [], "n": 2}\n[1, 2]\n'
    (tmp_path / "train.jsonl").write_text(text)
    page = visit()
    page.fill({**CHECK, "reference": "{{ item.n }}"})
    page.page.set_input_files("#rows-file", tmp_path / "train.jsonl")
    page.page.locator("#rows-said", has_text="3 rows").wait_for()
    page.page.locator("#rows-which").wait_for()
    assert '"n": 1.0' in page.page.input_value("#item")
    assert page.page.input_value("#sample") == "first"
    page.page.select_option("#rows-sample", "1")
    assert json.loads(page.page.input_value("#sample")) == {"output_text": "second"}
    assert page.page.is_checked("#kind-json")
    page.page.get_by_role("button", name="Open row 1", exact=True).click()
    assert page.page.input_value("#sample") == ""
    assert "no sample" in page.text("#sample-state")
    page.page.get_by_role("button", name="Open row 2", exact=True).click()
    assert json.loads(page.page.input_value("#item")) == [1, 2]


def test_a_file_of_50_mb_is_paged_in_little_memory(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    path = tmp_path / "large.jsonl"
    filler = "so it was said, and more of it " * 15
    with path.open("w") as file:
        for n in range(100_000):
            file.write(f'{{"item": {{"answer": "{n}"}}, "sample": "{n}", "filler": "{filler}"}}\n')
        file.write('{"item": {"answer": "' + "L" * 9_000_000 + '"}, "sample": "long"}\n')
        file.write('{"item": {"answer": "last"}, "sample": "last"}')
    assert path.stat().st_size > 50_000_000
    page = visit()
    page.fill(CHECK)
    page.page.set_input_files("#rows-file", path)
    page.page.locator("#rows-said", has_text="large.jsonl: 100,002 rows").wait_for()
    page.page.fill("#rows-goto", "100001")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="last").wait_for()
    assert "100,001 has 9,0" in page.text("#rows-body")
    assert page.run() == "1.0000"
    page.page.fill("#rows-goto", "77777")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="77777").wait_for()
    assert page.page.input_value("#sample") == "77777"
    tools = page.context.new_cdp_session(page.page)
    tools.send("HeapProfiler.collectGarbage")
    assert tools.send("Runtime.getHeapUsage")["usedSize"] < 30_000_000


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
    assert page.focused() == "link-copy"
    keys.press("Escape")
    assert page.focused() == "share"


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
    text = "{\n" + "".join(f'  "key{n}": "{"so it was said " * 3}",\n' for n in range(4500)) + '  "x": 1 2\n}'
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


def test_without_script_the_page_says_so(browser: Any, server: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address)
    assert "needs its own script" in page.locator("noscript").inner_text()
    context.close()


# The server, and what may happen to it


def test_a_server_that_dies_is_said_and_one_that_comes_back_is_used(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    mortal = Served(tmp_path)
    try:
        page = visit(address=mortal.address)
        page.expected = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
        page.start("string_check")
        page.run()
        page.page.click("#tab-jobs")
        page.page.locator("#jobs-said", has_text="no jobs yet").wait_for()
        mortal.stop()
        page.page.locator(".notice.bad", has_text="The server cannot be reached").wait_for()
        page.page.click("#tab-play")
        page.page.click("#run")
        page.page.locator("#results-said", has_text="Nothing came of this run.").wait_for()
        notice = page.page.locator(".notice.bad", has_text="is graders serve still running?").last
        mortal.start()
        notice.get_by_role("button", name="Try again").click()
        page.page.locator("#results-said", has_text="Reward 1.0000.").wait_for(state="attached")
        page.page.click("#tab-jobs")
        page.page.locator(".notice.bad").wait_for(state="detached")
    finally:
        mortal.stop()


def test_the_token_is_asked_for_once_and_kept_for_the_tab_only(
    visit: Callable[..., Visit], browser: Any, tmp_path: Path
) -> None:
    guarded = Served(tmp_path, token="a-rather-long-token")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(guarded.address)
        dialog = page.locator("#token")
        dialog.wait_for()
        assert page.evaluate("document.activeElement.id") == "token-key"
        page.keyboard.press("Enter")
        assert "The token is empty" in page.locator("#token-why").inner_text()
        page.fill("#token-key", "wrong")
        page.keyboard.press("Enter")
        page.locator("#token-why", has_text="does not know that token").wait_for()
        page.click("#token-not")
        page.locator(".notice", has_text="wants its token").wait_for()
        page.click("text=Give the token")
        page.fill("#token-key", "a-rather-long-token")
        page.keyboard.press("Enter")
        page.locator("#start option").nth(1).wait_for(state="attached")
        assert not dialog.is_visible()
        page.select_option("#start", index=1)
        page.click("#run")
        page.locator(REWARD, has_text="1.0000").wait_for()
        assert page.evaluate("Object.values(sessionStorage)") == ["a-rather-long-token"]
        assert page.evaluate("Object.keys(localStorage)") == []
        assert "a-rather" not in page.content()
        page.reload()
        page.locator("#start option").nth(1).wait_for(state="attached")
        assert not dialog.is_visible()
        page.evaluate("sessionStorage.setItem('graders-token', 'tök\\nen')")
        page.reload()
        page.locator(".notice", has_text="characters that no token has").wait_for()
    finally:
        context.close()
        guarded.stop()


def test_an_older_runs_answer_never_takes_a_newer_ones_place(visit: Callable[..., Visit]) -> None:
    page = visit()
    held: list[Any] = []
    page.page.route("**/playground/run", lambda route: held.append((route, route.request.post_data)))
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    page.page.locator("#stop").wait_for()
    page.page.fill("#sample", "y")
    page.page.click("#run")
    while len(held) < 2:
        page.page.wait_for_timeout(50)
    held[1][0].continue_()
    page.page.locator(REWARD, has_text="0.0000").wait_for()
    try:
        held[0][0].fulfill(json={"ok": True, "grade": {"reward": 1, "failures": []}, "name": "old"})
    except Exception as error:  # noqa: BLE001  (the page has cancelled it: so much the better)
        assert "cancel" in str(error).lower() or "closed" in str(error).lower()
    page.page.wait_for_timeout(300)
    assert page.text(REWARD) == "0.0000"
    assert page.page.locator("#stop").is_hidden()


def test_a_run_can_be_stopped(visit: Callable[..., Visit]) -> None:
    page = visit()
    source = "import time\ndef grade(sample, item):\n    time.sleep(20)\n    return 1\n"
    page.fill({"type": "python", "name": "slow", "source": source}, "", "x")
    page.page.click("#run")
    page.page.locator("#stop").click()
    assert page.text("#results-said") == "Stopped."
    assert page.focused() == "run"
    assert page.page.locator("#stop").is_hidden()
    page.fill(CHECK, {"answer": "x"}, "x")
    assert page.run() == "1.0000"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 500, "body": "<b>oops</b>"}, "status 500 and no reason"),
        ({"status": 429, "body": ""}, "too much to do"),
        ({"status": 413, "body": "{}"}, "more than the server takes"),
        ({"status": 400, "json": {"error": {"message": "item is \u202eodd"}}}, "item is ⟨U+202E⟩odd"),
        ({"status": 200, "body": "no json"}, "no JSON"),
    ],
)  # fmt: skip
def test_errors_of_the_server_are_one_sentence_with_a_way_out(
    visit: Callable[..., Visit], answer: dict[str, Any], said: str
) -> None:
    page = visit()
    page.expected = ("Failed to load resource",)
    page.page.route("**/playground/run", lambda route: route.fulfill(**answer))
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    notice = page.page.locator(".notice.bad", has_text=said)
    notice.wait_for()
    page.page.unroute("**/playground/run")
    notice.get_by_role("button", name="Try again").click()
    page.page.locator(REWARD, has_text="1.0000").wait_for()
    assert page.page.locator(".notice").count() == 0


@pytest.mark.parametrize(
    "answer",
    [None, [], 3, "x", {"ok": True}, {"ok": True, "grade": 5, "types": [], "said": {"a": 3}},
     {"ok": False, "faults": [1, None, {"line": 1e99}], "findings": "x"},
     {"ok": True, "grade": {"reward": "1", "sub_rewards": {"a": "b"}, "failures": [None, {"line": -1}]}}],
)  # fmt: skip
def test_odd_answers_do_not_break_the_page(visit: Callable[..., Visit], answer: Any) -> None:
    page = visit()
    page.page.route("**/playground/run", lambda route: route.fulfill(body=json.dumps(answer)))
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    page.page.locator(REWARD).wait_for()
    page.page.unroute("**/playground/run")
    assert page.run() == "1.0000"


# Jobs


def job_body(server: Served, steps: int = 6) -> dict[str, Any]:
    rows = [
        {
            "messages": [{"role": "user", "content": f"{n}?"}],
            "answer": str(n),
            "samples": [str(n), "no", str(n), f"{n}."],
        }
        for n in range(steps * 2)
    ]
    return {
        "model": "o4-mini-2025-04-16",
        "training_file": server.upload(rows),
        "validation_file": server.upload(rows[:3]),
        "suffix": "numbers",
        "method": {
            "type": "reinforcement",
            "reinforcement": {
                "grader": CHECK,
                "hyperparameters": {"n_epochs": 1, "batch_size": 2, "eval_interval": 1},
            },
        },
    }


JOBS = "**/v1/fine_tuning/jobs*"


def odd_jobs() -> list[Any]:
    return [
        {"id": "ftjob-odd", "status": ["?"], "dry_run": 7, "model": {"a": 1}, "created_at": "x"},
        {"id": "__proto__", "status": "<b>", "created_at": 1e300, "method": [], "error": "no"},
        {"id": 5, "status": None}, None, 3, "x", {},
        {
            "id": "ftjob-new/../x", "status": "hibernating", "created_at": -1,
            "dry_run": {"step": "x", "total_steps": -4, "verdict": {"reward_curve": [[1, "x"], 3, [2, 0.5, None]], "reasons": 4}},
        },
    ]  # fmt: skip


def test_jobs_of_odd_fields_do_not_break_the_list(visit: Callable[..., Visit]) -> None:
    page = visit()
    odd = [one for one in odd_jobs() if isinstance(one, dict) and isinstance(one.get("id"), str)]
    events = [{"id": f"e{n}", "data": {"step": n, "train_mean_reward": n / 9}} for n in range(9, 0, -1)]
    events += [{"id": "x", "data": None, "created_at": {}, "message": {"a": 1}}, 3, {"id": 4}]

    def answer(route: Any) -> None:
        path = route.request.url.split("/v1/fine_tuning/jobs")[1]
        if "/events" in path:
            route.fulfill(json={"data": events, "has_more": True})
        elif "/checkpoints" in path:
            route.fulfill(json={"data": [{"metrics": 3}, None, {"step_number": 2}]})
        elif path.startswith("/"):
            wanted = urllib.request.unquote(path.split("?")[0][1:])  # type: ignore[attr-defined]
            route.fulfill(json=next(one for one in odd if one["id"] == wanted))
        else:
            route.fulfill(json={"data": odd_jobs(), "has_more": "yes"})

    page.page.route(re.compile("/v1/fine_tuning/jobs"), answer)
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-list button").nth(4).wait_for()
    for n, one in enumerate(odd):
        place = page.page.locator(f'#jobs-list button[data-id="{one["id"]}"]')
        place.click()
        page.page.locator("#job-name", has_text=one["id"]).wait_for()
        page.page.locator("#job-curve svg.curve[role=img]").wait_for()
        assert page.page.locator("#job-pause").is_disabled(), n
    page.page.locator("#job-points tr").nth(8).wait_for(state="attached")
    assert page.page.locator("#job-points tr").count() == 9
    assert page.text("#job-state") == "hibernating"


def test_jobs_are_asked_for_only_while_they_are_looked_at(visit: Callable[..., Visit]) -> None:
    page = visit()
    asked: list[str] = []
    page.page.on("request", lambda one: asked.append(one.url))
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="job").wait_for()
    page.page.wait_for_timeout(300)

    def looks(hidden: bool) -> int:
        page.page.evaluate(
            """(hidden) => {
              Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )
        asked.clear()
        page.page.wait_for_timeout(6000)
        return len(asked)

    assert looks(hidden=True) == 0
    assert looks(hidden=False) > 0
    page.page.click("#tab-play")
    asked.clear()
    page.page.wait_for_timeout(6000)
    assert asked == []


def test_a_job_is_paused_resumed_and_cancelled(visit: Callable[..., Visit], tmp_path: Path) -> None:
    still = Served(tmp_path, "--jobs", "0")  # Nothing runs them.
    try:
        names = [still.ask("v1/fine_tuning/jobs", job_body(still))["id"] for _ in range(3)]
        page = visit(address=still.address)
        page.page.click("#tab-jobs")
        page.page.locator("#jobs-said", has_text="3 jobs, 3 at work").wait_for()
        assert [
            one.get_attribute("data-id") for one in page.page.locator("#jobs-list button").all()
        ] == names[::-1]
        page.page.locator(f'#jobs-list button[data-id="{names[1]}"]').click()
        page.page.locator("#job-lead", has_text=names[1]).wait_for()
        page.page.click("#job-pause")
        page.page.locator("#job-state", has_text="paused").wait_for()
        assert page.page.locator("#job-pause").is_disabled()
        assert still.ask(f"v1/fine_tuning/jobs/{names[1]}")["status"] == "paused"
        page.page.click("#job-resume")
        page.page.locator("#job-state.queued, #job-state.validating_files").wait_for()
        page.page.click("#job-cancel")
        page.page.click("#sure-no")
        assert still.ask(f"v1/fine_tuning/jobs/{names[1]}")["status"] != "cancelled"
        page.page.click("#job-cancel")
        page.page.click("#sure-yes")
        page.page.locator("#job-state", has_text="cancelled").wait_for()
        assert page.focused() == "job-name"
        page.page.locator("#jobs-said", has_text="3 jobs, 2 at work").wait_for()
        page.page.locator("#job-events li", has_text="ancel").first.wait_for()
    finally:
        still.stop()


def test_what_a_job_refuses_is_said(visit: Callable[..., Visit], tmp_path: Path) -> None:
    still = Served(tmp_path, "--jobs", "0")
    try:
        name = still.ask("v1/fine_tuning/jobs", job_body(still))["id"]
        page = visit(address=still.address)
        page.expected = ("status of 400",)
        page.page.click("#tab-jobs")
        page.page.locator("#job-lead", has_text=name).wait_for()
        held: list[Any] = []
        page.page.route(re.compile(f"{name}/pause"), lambda route: held.append(route))
        page.page.click("#job-pause")
        while not held:
            page.page.wait_for_timeout(50)
        still.ask(f"v1/fine_tuning/jobs/{name}/cancel", b"")
        held[0].continue_()
        page.page.locator(".notice.bad", has_text="The job was not told to pause.").wait_for()
        page.page.locator("#job-state", has_text="cancelled").wait_for()
    finally:
        still.stop()
