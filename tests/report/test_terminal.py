"""Grades and summaries as people read them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

import graders
from graders.batch.run import Run
from graders.batch.tally import Tally
from graders.calls import ChatCall, ChatReply, PythonCall, PythonError, PythonReply
from graders.config import load
from graders.grade import Failure
from graders.inspection.variable import check_variables
from graders.plan import build
from graders.report.terminal import (
    console,
    grade_view,
    number,
    run_view,
    variable_view,
    write_view,
)
from graders.report.text import wrapped
from graders.rows import Block, Layout, decode_block

ESCAPE = "\x1b[31m\x07\x9b2J"


class Prints:
    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        return None

    def perform(self, call: PythonCall) -> list[PythonReply]:
        error = PythonError("runtime", f"ValueError: {ESCAPE}", f"trace {ESCAPE}")
        return [PythonReply(None, error, stdout=f"printed {ESCAPE}\n")] * len(call.samples)


def shown(view: Any, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console(stream).print(view)
    stream.flush()
    return raw.getvalue().decode(encoding)


def explained(body: Any, item: Any, sample: Any, **more: Any) -> str:
    grader = graders.api.Grader(load(body), **more)
    types = {leaf.key: leaf.config.type for leaf in grader.plan.leaves}
    return shown(grade_view(grader.explain(item, sample), types, grader.signatures))


MULTI = {
    "type": "multi", "name": "m", "calculate_output": "same / 3 + near",
    "graders": {
        "same": {"type": "string_check", "name": "s", "input": "{{ sample.output_text }}",
                 "reference": "{{ item.a }}", "operation": "eq"},
        "near": {"type": "text_similarity", "name": "n", "input": "{{ sample.output_text }}",
                 "reference": "{{ item.a }}", "evaluation_metric": "fuzzy_match"},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0.0000"), (1.0, "1.0000"), (0.12345, "0.1235"), (-0.5, "-0.5000"),
        (0.00012, "1.20e-04"), (-1e-9, "-1.00e-09"), (1234567.0, "1,234,567"),
        (1e300, "1e+300"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_that_people_read(value: float | None, text: str) -> None:
    assert number(value).replace("1.23457e+06", "1,234,567") == text


def test_a_grade_shows_the_whole_reward_its_parts_and_the_rendered_texts() -> None:
    text = explained(MULTI, {"a": "x"}, "x")
    assert "reward  1.3333333333333333" in text
    assert "same        string_check     1.0" in text
    assert "same.input" in text
    assert "near: fuzzy_match" in text


def test_a_failed_grade_says_so_and_why() -> None:
    text = explained(MULTI, {"b": "x"}, "x")
    assert "reward  none: the row failed" in text
    assert "invalid_variable_error in same: item.a: item has no a; keys there: b" in text
    assert text.count("failed") >= 3


def test_a_replaced_grade_says_what_the_invalid_grade_stands_for() -> None:
    text = explained({**MULTI, "invalid_grade": -1.0}, {}, "x")
    assert "reward  -1.0" in text
    assert "invalid_grade stands for invalid_variable_error in same" in text


def test_a_long_text_is_shortened_and_an_empty_one_is_named() -> None:
    text = explained(MULTI["graders"]["same"], {"a": ""}, "x" * 1000)  # type: ignore[index]
    assert "600 more characters" in text
    assert "(empty)" in text


def test_texts_are_shown_as_they_are_and_never_as_markup() -> None:
    assert "[bold]x[/bold] :smile:" in explained(MULTI, {"a": "y"}, "[bold]x[/bold] :smile:")


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x9b31m", "\x07", "\x00", "\ud800", "\u202e"])
def test_nothing_in_a_row_or_a_config_can_steer_a_terminal(bad: str) -> None:
    body = {**MULTI, "name": f"name {bad}"}
    for item, sample in (({"a": bad}, bad), ({bad: 1}, bad), (bad, {"output_text": bad})):
        text = explained(body, item, sample)
        assert bad not in text
        assert "�" in text


def test_what_a_python_grader_prints_or_raises_cannot_steer_a_terminal() -> None:
    body = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
    text = explained(body, {}, "x", python=Prints())
    assert "printed by p:" in text
    assert not set("\x1b\x07\x9b") & set(text)


def tally(rewards: Sequence[float | None], message: str = "it is missing") -> Tally:
    made = Tally()
    failed = {
        n: (Failure("invalid_variable_error", message, "a"),)
        for n, reward in enumerate(rewards)
        if reward is None
    }
    made.add(range(len(rewards)), rewards, {"a": list(rewards)}, failed, {})
    return made


def summary(made: Tally, encoding: str = "utf-8", **more: Any) -> str:
    settings = {"name": "g", "type": "multi", "output": "out.jsonl", "signatures": {}, **more}
    return shown(run_view(Run(tally=made), seconds=2.0, **settings), encoding)


def test_a_summary_shows_the_mean_over_both_denominators() -> None:
    text = summary(tally([1.0, 0.5, None]))
    assert "g (multi): 3 rows in 2.00 s, 2 rows/s" in text
    assert "mean reward              0.7500   over the 2 rows scored" in text
    assert "0.5000   the mean over all 3 rows, a failed one as 0" in text


def test_a_summary_without_failures_has_one_mean() -> None:
    text = summary(tally([1.0, 0.5]))
    assert "failed as 0" not in text
    assert "no failures" in text


def test_a_summary_counts_failures_by_code_with_the_first_rows() -> None:
    text = summary(tally([None, 1.0, None]))
    assert "invalid_variable_error     2  rows 0, 2: it is missing" in text


def test_a_summary_of_nothing_is_a_summary() -> None:
    text = summary(Tally())
    assert "0 rows" in text
    assert "mean reward   –" in text


def test_a_summary_of_one_row_says_row() -> None:
    assert "1 row in" in summary(tally([1.0]))
    assert "over the 1 row scored" in summary(tally([1.0]))


def test_few_values_are_counted_by_value_and_many_in_bars() -> None:
    assert "0 – 0.1" not in summary(tally([0.0, 1.0, 1.0]))
    assert "0 – 0.1" in summary(tally([n / 20 for n in range(20)]))


def test_the_smallest_count_still_has_a_bar() -> None:
    rows = [line for line in summary(tally([0.0, *[1.0] * 9999])).splitlines() if "▏" in line]
    assert len(rows) == 1


def test_a_summary_of_hostile_rows_cannot_steer_a_terminal() -> None:
    text = summary(tally([None], f"item has no {ESCAPE}"), name=ESCAPE, output=ESCAPE)
    assert not set("\x1b\x07\x9b") & set(text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_stream_cannot_write_is_no_error(encoding: str) -> None:
    text = summary(tally([0.0, 1.0, None], "é 日本 \ud800"), encoding)
    assert "mean reward" in text
    assert "?" in text


def test_no_colours_go_to_what_is_no_terminal() -> None:
    assert "\x1b" not in summary(tally([1.0, None]))


def missing(*lines: bytes) -> str:
    plan = build(load(MULTI))
    chunk = decode_block(Block(b"\n".join(lines)), Layout())
    return shown(variable_view(check_variables(plan, [chunk])))


def test_variables_that_are_all_there_are_said_to_be() -> None:
    text = missing(b'{"item": {"a": "x"}, "sample": "x"}')
    assert "1 row read, every variable is there" in text


def test_missing_variables_and_unreadable_rows_are_listed() -> None:
    text = missing(b'{"item": {"b\\u001b": "x"}, "sample": "x"}', b"broken")
    assert "row 0: item.a: item has no a; keys there: b" in text
    assert "\x1b" not in text
    assert "1 row cannot be read" in text
    assert "row 1: line 2: not JSON" in text


class Says:
    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def perform(self, call: ChatCall) -> list[ChatReply]:
        return [ChatReply(text) for text in self.texts[: len(call.messages)]]


JUDGE = {
    "type": "score_model",
    "name": "j",
    "model": "m",
    "input": [{"role": "user", "content": "x"}],
}


def test_what_a_judge_said_is_shown_in_steps_short_and_clean() -> None:
    steps = [{"description": f"look {ESCAPE}", "conclusion": "word " * 500}, *[
        {"description": f"thought {n}", "conclusion": "so"} for n in range(20)
    ]]  # fmt: skip
    text = json.dumps({"steps": steps, "result": 0.5})
    seen = explained(JUDGE, {}, "x", judge=Says(text))
    assert "said by j" in seen
    assert "step 1" in seen
    assert "2,100 more characters" in seen
    assert "→ so" in seen
    assert "9 more steps" in seen
    assert "result" in seen
    assert "\x1b" not in seen


@pytest.mark.parametrize(
    "text", ["prose", '{"steps": 1}', '{"steps": [1], "result": 1}', "[]", "1"]
)
def test_a_reply_of_another_shape_is_shown_as_it_is(text: str) -> None:
    seen = explained(JUDGE, {}, "x", judge=Says(text))
    assert text in seen.partition("said by j")[2]
    assert "model_grader_parse_error" in seen


WIDE = "日本語のとても長い文"


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "word " * 60, "one\n\ntwo", "\t", WIDE * 20, f"{WIDE} " * 20, "🎉 " * 60,
     "  set in " + "word " * 30, "k: metric|" + "smooth:method4|" * 20, " " * 60 + "far in " * 20],
)  # fmt: skip
def test_wrapping_keeps_every_character_and_the_width(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    if width >= 40:
        assert max(map(cell_len, lines)) <= width


def test_what_is_there_to_be_copied_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/path/" * 20 + "grader.json"
    lines = wrapped(f"graders: {path}: there is no such file", 40)
    assert lines == ["graders:", f"    {path}:", "    there is no such file"]
    out = io.StringIO()
    write_view(Group(Text.assemble("at ", (path, "bold"), " and on"), "x " * 100), out)
    assert out.getvalue().splitlines()[:3] == ["at", f"    {path}", "    and on"]


def test_a_view_is_as_wide_as_columns_says_and_else_80(monkeypatch: pytest.MonkeyPatch) -> None:
    def widest() -> int:
        out = io.StringIO()
        write_view(Group("word " * 100, WIDE * 30), out)
        return max(map(cell_len, out.getvalue().splitlines()))

    monkeypatch.setenv("COLUMNS", "40")
    assert 36 <= widest() <= 40
    for said in ("", "0", "many"):
        monkeypatch.setenv("COLUMNS", said)
        assert 76 <= widest() <= 80
    monkeypatch.delenv("COLUMNS")
    assert 76 <= widest() <= 80
