"""`graders verify` and `score --verify-metrics`: our metrics against their libraries, on any rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders.errors import OptionError
from graders.inspection.sampling import SampledRow
from graders.inspection.verify import verify
from graders.metrics import METRICS, Scorer
from graders.plan import build
from tests.cli.conftest import NEAR, Command

ODD = [
    "",
    ".",
    "Wow!!! Dr. No said 3.5%.",
    "naïve café",
    "漢字、かな。 1,000円",
    "a\nb",
    "x" * 300,
    "😀 fine",
]


@pytest.fixture
def odd(folder: Path) -> Path:
    """Rows of odd texts, and a grader with every metric there is."""
    rows = [{"item": {"a": text}, "sample": ODD[at - 1]} for at, text in enumerate(ODD)]
    rows += [{"item": {"b": 1}, "sample": "x"}, {"item": {"a": "same text"}, "sample": "same text"}]
    (folder / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    graders = {
        name: {**NEAR, "name": name, "input": "{{ sample.output_text }}", "evaluation_metric": name}
        for name in METRICS
    }
    formula = " + ".join(METRICS)
    multi = {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}
    (folder / "all.json").write_text(json.dumps(multi))
    return folder


@pytest.mark.parametrize("options", [(), ("--rouge-stemmer",), ("--rouge-measure", "recall")])
def test_every_metric_is_what_its_library_gives(odd: Path, command: Command, options: Any) -> None:
    done = command("verify", "all.json", "odd.jsonl", "--json", *options)
    assert done.code == 0
    found = done.json["verified"]
    assert [one["sub_grader"] for one in found] == list(METRICS)
    assert {one["library"] for one in found} == {"rapidfuzz", "nltk", "rouge-score"}
    assert all((one["rows"], one["skipped"], one["differing"]) == (9, 1, 0) for one in found)


def test_what_is_found_is_said_in_a_line_each(odd: Path, command: Command) -> None:
    done = command("verify", "all.json", "odd.jsonl", "--limit", "4")
    lines = done.out.splitlines()
    assert len(lines) == len(METRICS)
    assert lines[0].startswith("fuzzy_match: fuzzy_match as rapidfuzz ")
    assert all("rows equal bit for bit" in line for line in lines)


def test_a_float_that_is_another_is_shown_and_exits_with_1(
    odd: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Scorer.attempt

    def wrong(self: Scorer, requests: Any, *times: Any) -> Any:
        columns = right(self, requests, *times)
        return [[float(score) + 2.0**-52 for score in column] for column in columns]  # type: ignore[arg-type]

    monkeypatch.setattr("graders.inspection.verify.Scorer.attempt", wrong)
    done = command("verify", "all.json", "odd.jsonl")
    assert done.code == 1
    assert "0 of 9 rows equal, 9 not; 1 without both texts" in done.out or " not; 1 w" in done.out
    assert "here, " in done.out
    done = command("score", "all.json", "odd.jsonl", "-o", "out.jsonl", "--verify-metrics", "5")
    assert done.code == 1
    assert "a metric is not what its library gives" in done.err
    assert len(Path("out.jsonl").read_text().splitlines()) == 10  # The results are kept.


def test_a_run_says_so_of_a_part_of_its_rows(odd: Path, command: Command) -> None:
    done = command(
        "score", "all.json", "odd.jsonl", "-o", "out.jsonl", "--verify-metrics", "6", "--json"
    )
    assert done.code == 0
    assert {one["rows"] + one["skipped"] for one in done.json["verified"]} == {6}
    assert (
        "verified" not in command("score", "all.json", "odd.jsonl", "-o", "o2.jsonl", "--json").json
    )


def test_where_there_is_nothing_to_verify_that_is_said_first(
    folder: Path, command: Command
) -> None:
    done = command("verify", "check.json", "rows.jsonl")
    assert (done.code, done.out) == (2, "")
    assert "there is nothing to verify" in done.err
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl", "--verify-metrics", "5")
    assert done.code == 2
    assert not Path("out.jsonl").exists()
    done = command(
        "score", "check.json", "-", "-o", "out.jsonl", "--verify-metrics", "5", stdin=b""
    )
    assert (done.code, "reads the rows again" in done.err) == (2, True)


def test_cosine_has_no_library() -> None:
    from graders.config import load

    plan = build(load({**NEAR, "evaluation_metric": "cosine"}))
    with pytest.raises(OptionError, match="cosine has none"):
        verify(plan, [SampledRow(0, None, {"a": "x"}, "x")])


@pytest.mark.parametrize("content", ["", "[1, 2]\n", '{"item": {}, "sample": "x"}\n'])
def test_where_no_row_could_be_compared_nothing_is_called_equal(
    odd: Path, command: Command, content: str
) -> None:
    (odd / "none.jsonl").write_text(content)
    done = command("verify", "all.json", "none.jsonl")
    assert done.code == 1
    assert "fuzzy_match: no row has both texts, so nothing was compared" in done.err
