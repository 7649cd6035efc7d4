"""Figures by category: the same whoever scores, in one go or interrupted, and read back from results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import cli
from graders.errors import OptionError, RowsError
from graders.report.finding import read_finding

GRADER = {
    "type": "text_similarity", "name": "near", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "evaluation_metric": "fuzzy_match",
}  # fmt: skip
TOPICS: list[Any] = ["x", "y", 5, None, {"a": 1}, "x"]


def write(path: Path, count: int = 600) -> Path:
    """Write rows of several topics, a ninth of which fail."""
    with path.open("w") as file:
        for at in range(count):
            item = {"topic": TOPICS[at % 6], **({} if at % 9 == 0 else {"answer": f"a{at % 7}"})}
            file.write(json.dumps({"item": item, "sample": f"a{at % 5}"}) + "\n")
        file.write("not JSON\n")
    return path


def wanted(path: Path) -> dict[str, tuple[int, int, float]]:
    """Return rows, failures and the mean of each topic, one row at a time."""
    grader, found = graders.load(GRADER), dict[str, list[float | None]]()
    for line in path.read_text().splitlines()[:-1]:
        row = json.loads(line)
        topic = row["item"]["topic"]
        key = (
            topic
            if isinstance(topic, str)
            else ""
            if topic is None
            else json.dumps(topic, separators=(",", ":"))
        )
        found.setdefault(key, []).append(grader.grade(row["item"], row["sample"]).reward)
    found[""].append(None)  # The row that could not be read.
    return {
        key: (
            len(rewards),
            rewards.count(None),
            statistics.fmean([one for one in rewards if one is not None]),
        )
        for key, rewards in found.items()
    }


def told(groups: Any) -> dict[str, tuple[int, int, float]]:
    return {key: (one.rows, one.rows - one.scored, one.mean) for key, one in groups.items()}


@pytest.mark.parametrize("workers", [0, 2])
def test_each_category_has_its_rows_failures_and_mean(tmp_path: Path, workers: int) -> None:
    rows, out = write(tmp_path / "rows.jsonl"), tmp_path / "out.jsonl"
    run = graders.score_file(graders.load(GRADER), rows, out, by="item.topic", workers=workers)
    assert told(run.tally.groups) == wanted(rows)
    assert told(read_finding(out).tally.groups) == wanted(rows)
    body = run.to_dict()["by"]
    assert body["x"]["mean"] == wanted(rows)["x"][2]
    shown = run._repr_html_()
    assert "mean of 200 rows" in shown
    zero = graders.score_file(
        graders.load(GRADER), rows, tmp_path / "zero.jsonl", by="item.topic", on_error="zero"
    )
    assert told(zero.tally.groups) == wanted(rows)  # A 0 that stands for a failure is no reward.


def test_an_interrupted_run_ends_with_the_same(tmp_path: Path) -> None:
    rows, out = write(tmp_path / "rows.jsonl"), tmp_path / "out.jsonl"
    whole = tmp_path / "whole.jsonl"
    graders.score_file(graders.load(GRADER), rows, whole, by="item.topic")
    with pytest.raises(graders.StoppedError):
        graders.score_file(
            graders.load(GRADER), rows, out, by="item.topic", max_failures=graders.MaxFailures(3)
        )
    with pytest.raises(RowsError, match="by"):
        graders.score_file(graders.load(GRADER), rows, out, resume=True)
    run = graders.score_file(graders.load(GRADER), rows, out, by="item.topic", resume=True)
    assert told(run.tally.groups) == wanted(rows)
    assert out.read_bytes() == whole.read_bytes()


def test_without_it_nothing_is_said_of_categories(tmp_path: Path) -> None:
    rows, out = write(tmp_path / "rows.jsonl", 10), tmp_path / "out.jsonl"
    run = graders.score_file(graders.load(GRADER), rows, out)
    assert run.tally.groups == {}
    assert "by" not in run.to_dict()
    assert b'"by"' not in out.read_bytes()


def test_what_is_no_path_or_no_category_is_said(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"item": {"id": at}, "sample": "x"}) + "\n" for at in range(1100))
    )
    with pytest.raises(RowsError, match="--by gives more than 1,000 categories, such as"):
        graders.score_file(graders.load(GRADER), rows, tmp_path / "out.jsonl", by="item.id")
    with pytest.raises(OptionError, match=r"--by 'item\.\.x' is not a path"):
        graders.score_file(graders.load(GRADER), rows, tmp_path / "o.jsonl", by="item..x")


def test_the_command_and_the_report_show_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    rows, out = write(tmp_path / "rows.jsonl", 60), tmp_path / "out.jsonl"
    words = [
        "score",
        str(tmp_path / "grader.json"),
        str(rows),
        "-o",
        str(out),
        "--by",
        "item.topic",
    ]
    assert cli._main(words) == 0
    said = capsys.readouterr().out
    assert "category" in said
    assert "(none)" in said
    assert cli._main(["report", str(out)]) == 0
    assert "category" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert cli._main(["report", str(out), "-o", str(page)]) == 0
    assert 'id="categories"' in page.read_text()
