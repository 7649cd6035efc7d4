"""Figures by category: the same whoever scores, in one go or interrupted, and read back from results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

import graders
from graders import cli
from graders.batch.tally import Tally
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


def name_of(topic: Any) -> str:
    if isinstance(topic, str) or topic is None:
        return topic or ""
    return json.dumps(topic, separators=(",", ":"))


def wanted(path: Path) -> dict[str, tuple[int, int, float]]:
    """Return rows, failures and the mean of each topic, one row at a time."""
    grader, found = graders.load(GRADER), dict[str, list[float | None]]()
    for line in path.read_text().splitlines()[:-1]:
        row = json.loads(line)
        topic = row["item"]["topic"]
        found.setdefault(name_of(topic), []).append(grader.grade(row["item"], row["sample"]).reward)
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


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.more)])
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


def test_what_is_no_path_is_said(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", 6)
    with pytest.raises(OptionError, match=r"--by 'item\.\.x' is not a path"):
        graders.score_file(graders.load(GRADER), rows, tmp_path / "o.jsonl", by="item..x")


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.more)])
def test_too_many_categories_are_said_and_every_row_is_scored(
    tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text(
        "".join(json.dumps({"item": {"id": at}, "sample": "x"}) + "\n" for at in range(1100))
    )
    run = graders.score_file(graders.load(GRADER), rows, out, by="item.id", workers=workers)
    assert (run.tally.rows, run.tally.groups, run.tally.crowded) == (1100, {}, True)
    body = run.to_dict()
    assert body["by"] is None
    assert "--by finds more than 1,000 different values" in body["by_says"]
    assert "--by finds more than 1,000 different values" in run._repr_html_()
    assert len(out.read_text().splitlines()) == 1100
    page = tmp_path / "page.html"
    assert cli._main(["report", str(out)]) == 0
    assert cli._main(["report", str(out), "-o", str(page)]) == 0
    for said in (capsys.readouterr().out.replace("\n", " "), page.read_text()):
        assert "--by finds more than 1,000 different values" in said


def test_a_path_that_leads_nowhere_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = write(tmp_path / "rows.jsonl", 9), tmp_path / "out.jsonl"
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    words = ["score", str(tmp_path / "grader.json"), str(rows), "-o", str(out), "--by", "item.tpic"]
    assert cli._main(words) == 0
    assert "no row has a value at item.tpic: no figures by category" in capsys.readouterr().out


def test_rows_that_end_their_worker_are_rows_without_a_category() -> None:
    tally = Tally()
    tally.add_groups(["x", None], [1.0, 0.5])
    tally.rows = 4  # Two more, of which nothing is known.
    found = tally.categories
    assert {key: (one.rows, one.failed) for key, one in found.items()} == {"": (3, 2), "x": (1, 0)}
    assert found[""].mean == 0.5


OTHER = {
    "type": "string_check", "name": "same", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "operation": "eq",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("rows.jsonl"), 90)
    Path("near.json").write_text(json.dumps(GRADER))
    Path("same.json").write_text(json.dumps(OTHER))
    for name in ("near", "same"):
        graders.score_file(graders.load(f"{name}.json"), "rows.jsonl", f"{name}.jsonl")
    return tmp_path


def said_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert cli._main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def columns() -> dict[str, tuple[list[float | None], list[float | None]]]:
    """Return the rewards of both graders by topic."""
    found = dict[str, tuple[list[float | None], list[float | None]]]()
    lines = [
        Path(name).read_text().splitlines() for name in ("rows.jsonl", "near.jsonl", "same.jsonl")
    ]
    for row, *results in zip(*lines, strict=True):
        topic = json.loads(row)["item"].get("topic") if row != "not JSON" else None
        for column, line in zip(found.setdefault(name_of(topic), ([], [])), results, strict=True):
            column.append(json.loads(line)["reward"])
    return found


def test_a_report_reads_categories_from_the_rows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("report", "near.jsonl", "--by", "item.topic")
    body = said_json(capsys, *words, "--rows", "rows.jsonl")["by"]
    scored = graders.score_file(graders.load(GRADER), "rows.jsonl", "by.jsonl", by="item.topic")
    assert body == scored.to_dict()["by"]
    for key, (column, _) in columns().items():
        known = [one for one in column if one is not None]
        ends = stats.t.interval(0.95, len(known) - 1, np.mean(known), stats.sem(known))
        assert body[key]["failed"] == column.count(None)
        assert body[key]["mean_95"] == pytest.approx(list(ends))
        assert body[key]["mean_95_method"] == "Student's t"
    assert cli._main([*words]) == 2
    assert "--by reads the rows that were scored: give --rows too." in capsys.readouterr().err
    assert said_json(capsys, "report", "by.jsonl", "--by", "item.topic")["by"] == body
    assert cli._main([*words, "--rows", "rows.jsonl", "-o", "page.html"]) == 0
    assert 'id="categories"' in Path("page.html").read_text()
    Path("few.jsonl").write_text("".join(Path("rows.jsonl").read_text().splitlines(True)[:4]))
    assert cli._main([*words, "--rows", "few.jsonl"]) == 2
    assert "the results have row 4, and there are only 4 rows" in capsys.readouterr().err


def test_a_diff_has_figures_by_category(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graded = said_json(capsys, "diff", "near.json", "same.json", "rows.jsonl", "--by", "item.topic")
    read = said_json(capsys, "diff", "near.jsonl", "same.jsonl", "rows.jsonl", "--by", "item.topic")
    graders.score_file(graders.load(GRADER), "rows.jsonl", "by.jsonl", by="item.topic")
    known = said_json(capsys, "diff", "by.jsonl", "same.jsonl", "--by", "item.topic")
    assert read["by"] == known["by"]
    for key, (one, other) in columns().items():
        both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
        wanted = stats.ttest_rel([b for _, b in both], [a for a, _ in both]).confidence_interval()
        found = read["by"][key]
        assert found["mean_delta_95"] == pytest.approx([wanted.low, wanted.high])
        assert (found["rows"], found["failed_a"]) == (len(one), one.count(None))
        assert found["down"] == sum(a >= 0.5 > b for a, b in both)
        if key:  # A row that is no JSON is graded by neither.
            assert graded["by"][key] == found
    assert cli._main(["diff", "near.jsonl", "same.jsonl", "--by", "item.topic"]) == 2
    assert "--by reads the rows that were scored: give ROWS too." in capsys.readouterr().err
    assert cli._main(["diff", "by.jsonl", "same.jsonl"]) == 0
    assert "item.topic" in capsys.readouterr().out


def test_agreement_has_figures_by_category(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()[:-1]]
    for at, row in enumerate(rows):
        row["human"] = at % 7 in {0, 2, 3}
    Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("labels.jsonl", "--label", "human", "--by", "item.topic")
    graded = said_json(capsys, "agree", "same.json", *words)["by"]
    assert said_json(capsys, "agree", "same.jsonl", *words)["by"] == graded
    for key, (_, column) in columns().items():
        labels = [row["human"] for row in rows if name_of(row["item"]["topic"]) == key]
        pairs = [
            (one, label) for one, label in zip(column, labels, strict=False) if one is not None
        ]
        table = np.array(
            [
                [pairs.count((1.0, True)), pairs.count((1.0, False))],
                [pairs.count((0.0, True)), pairs.count((0.0, False))],
            ]
        )
        assert graded[key]["kappa"] == pytest.approx(cohens_kappa(table).kappa)
        assert graded[key]["passing"] == sum(label for _, label in pairs)
    graders.score_file(graders.load(OTHER), "rows.jsonl", "repeated.jsonl")
    assert cli._main(["agree", "repeated.jsonl", "--by", "item.topic"]) == 2
    assert "give --label too" in capsys.readouterr().err
    Path("agree.json").write_text(json.dumps({"by": graded}))
    assert cli._main(["report", "same.jsonl", "-o", "page.html", "--agree", "agree.json"]) == 0
    assert "Agreement with people" in Path("page.html").read_text()


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
    assert "item.topic" in said
    assert "(none)" in said
    assert cli._main(["report", str(out)]) == 0
    assert "item.topic" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert cli._main(["report", str(out), "-o", str(page)]) == 0
    assert 'id="categories"' in page.read_text()
