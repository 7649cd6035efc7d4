"""Two runs side by side: the figures of `graders diff`, both answers, and the rows to read first."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.inspection.diff import Side, match
from graders.report.finding import read_finding
from graders.report.html import build
from graders.report.pair import pair, pick_pairs, results_at
from graders.rows import Layout, find_source


def write(path: Path, rewards: dict[int, float | None], **more: Any) -> Path:
    lines = []
    for index, reward in rewards.items():
        failures = (
            [] if reward is not None else [{"code": "other_error", "message": "m", "where": "a"}]
        )
        body = {"index": index, "id": f"r{index}", "reward": reward, "sub_rewards": {"a": reward},
                "failures": failures, "by": "x" if index % 2 else "y", **more}  # fmt: skip
        lines.append(json.dumps(body) + "\n")
    path.write_text("".join(lines))
    return path


def page_of(folder: Path, *, most: int = 2000, **more: Any) -> bytes:
    here, there = Side("a.jsonl", 0.5), Side("b.jsonl", 0.5)
    finding = read_finding(folder / "a.jsonl", watch=here.add_results)
    other = read_finding(folder / "b.jsonl", most=0, watch=there.add_results)
    beside = pair(
        (here, there), other, by="", most=most, layout=Layout(), source=more.pop("others", None)
    )
    return build(finding, beside=beside, **more)[0]


def data_of(page: bytes) -> Any:
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write(tmp_path / "a.jsonl", {0: 0.2, 1: 0.9, 2: 0.5, 3: None, 4: 0.7, 5: 0.1})
    write(tmp_path / "b.jsonl", {0: 0.8, 1: 0.85, 2: 0.5, 3: 0.6, 4: None, 6: 0.3})
    return tmp_path


def test_the_figures_of_both_runs_stand_beside_each_other(runs: Path) -> None:
    text = page_of(runs).decode()
    assert (
        "3 of the 5 rows of both runs have a reward in both. Rows of one run only: 1 of A, 1 of B."
        in text
    )
    for name in ("Mean reward in A", "Mean reward in B", "Mean of B − A", "Verdicts that differ"):
        assert f'<div class="name">{name}</div>' in text
    assert "1 now pass; 1 lost their reward; 1 have one now" in text
    assert "Rows by reward in A" in text
    assert "Rows by reward in B" in text
    assert '<table><caption class="unseen">Both runs by category</caption>' in text
    assert "How A was made" in text
    assert "How B was made" in text


def test_rows_to_read_first_stand_at_the_top_with_both_of_their_lines(runs: Path) -> None:
    data = data_of(page_of(runs))
    assert data["marks"] == [0.5, 0.5]
    assert [row[0] for row in data["rows"]] == [4, 0, 3, 1, 2]
    assert [(row[2], row[11][2]) for row in data["rows"]] == [
        (0.7, None), (0.2, 0.8), (None, 0.6), (0.9, 0.85), (0.5, 0.5),
    ]  # fmt: skip


def test_each_run_has_its_own_answers_and_what_is_the_same_stands_once(runs: Path) -> None:
    for name in "ab":
        rows = [{"id": f"r{n}", "item": {"q": n}, "sample": f"{name} says {n}"} for n in range(7)]
        (runs / f"{name}.rows").write_text("".join(json.dumps(one) + "\n" for one in rows))
    sources = [find_source([runs / f"{name}.rows"]) for name in "ab"]
    row = data_of(page_of(runs, source=sources[0], others=sources[1]))["rows"][1]
    assert (row[7], row[11][7]) == ("a says 0", "b says 0")
    assert [text[0] for text in row[6]] == ["item", "sample"]
    assert [text[0] for text in row[11][6]] == ["sample"]
    alone = data_of(page_of(runs, source=sources[0]))["rows"][1]
    assert (alone[7], alone[11][7], alone[11][6]) == ("a says 0", "a says 0", [])


def test_of_many_pairs_those_to_read_first_and_every_rank_are_picked(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {n: n / 1000 for n in range(1000)})
    write(tmp_path / "b.jsonl", {n: (n + (3 if n % 100 == 7 else 0)) / 1000 for n in range(1000)})
    sides = [Side(name, 0.5) for name in ("a", "b")]
    for side, name in zip(sides, "ab", strict=True):
        read_finding(tmp_path / f"{name}.jsonl", watch=side.add_results)
    picked, said = pick_pairs(match(*sides), 100, frozenset({444}))
    assert len(picked) == len({*picked}) == 100
    assert picked[0] == 444
    assert {*picked[1:11]} == {n for n in range(1000) if n % 100 == 7}
    assert said.startswith("This is a sample of 100 of the 1,000 rows that both runs have")


def test_lines_are_found_by_index_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"index":3,"reward":1}\n{"reward": 2, "index": 1}\n{"index": 12}\n')
    assert results_at(path, frozenset({1, 3})) == {
        3: {"index": 3, "reward": 1},
        1: {"index": 1, "reward": 2},
    }


def test_runs_of_different_rows_are_refused_in_a_sentence(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {0: 0.2})
    write(tmp_path / "b.jsonl", {1: 0.2})
    with pytest.raises(graders.GradersError, match=r"a\.jsonl and b\.jsonl have no row in common"):
        page_of(tmp_path)
