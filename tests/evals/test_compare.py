"""Old against new: equal to the last bit where it has to be, and why not where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders import cli, jsontext
from graders.errors import OptionError
from graders.evals.compare import compare
from graders.evals.exported import read_exports
from graders.evals.move import bring
from graders.evals.result import bare_name, result_line, row_of
from graders.evals.store import EvalStore
from graders.jobs import RunOptions
from graders.models import JudgeOptions
from graders.reading import Reading
from tests.evals.test_move import EVAL, RUN, SAMPLE, objects, write
from tests.models.server import ScriptedServer, completion


def test_rules_give_the_old_scores_and_judges_are_left_out(evals: EvalStore) -> None:
    bring(evals, read_exports([SAMPLE]))
    found = compare(evals, RUN)
    exact, close, helpful = found.criteria
    assert (found.rows, found.differs, found.unknown) == (8, False, [])
    assert [(one.rows, one.equal, one.flipped) for one in (exact, close)] == [(8, 8, 0)] * 2
    assert (helpful.by, helpful.rows) == ("judge", 0)
    assert "--judges asks one" in helpful.skipped


def test_a_score_that_was_changed_is_found_with_its_row(evals: EvalStore, tmp_path: Path) -> None:
    one, run, items = objects()
    items[5]["results"][1] |= {"score": 0.1, "passed": False}  # It is 1.0 and passes.
    items[2]["results"][1]["score"] += 1e-12
    items[7]["results"].append({"name": "gone-1", "passed": True, "score": 1.0})
    for name, value in (("e", one), ("r", run), ("i", items)):
        write(tmp_path, f"{name}.json", value)
    bring(evals, read_exports([tmp_path]))
    found = compare(evals, RUN)
    close = found.criteria[1]
    assert found.differs
    assert (close.equal, close.flipped, close.widest) == (6, 1, 0.9)
    assert [(each.place, each.flipped) for each in close.first] == [(5, True), (2, False)]
    assert found.unknown == ["gone-1"]
    assert not found.criteria[0].differs


def test_another_reading_that_explains_everything_is_named(
    evals: EvalStore, tmp_path: Path
) -> None:
    import graders

    one, run, items = objects()
    rouge = {"type": "text_similarity", "name": "R", "id": "R-1", "input": "{{sample.output_text}}",
             "reference": "{{item.ticket}}", "evaluation_metric": "rouge_1", "pass_threshold": 0.1}  # fmt: skip
    one["testing_criteria"] = [rouge]
    grader = graders.load(
        [{k: v for k, v in rouge.items() if k != "id"}], reading=Reading(rouge_measure="recall")
    )
    for item, said in zip(
        items,
        ("laptop since", "payroll", "", "book a room", "x", "gate", "days", "VPN"),
        strict=True,
    ):
        item["sample"]["output"][0]["content"] = said
        score = grader.grade(item["datasource_item"], said).reward
        item["results"] = [{"name": "R-1", "passed": (score or 0) >= 0.1, "score": score}]
    for name, value in (("e", one), ("r", run), ("i", items)):
        write(tmp_path, f"{name}.json", value)
    bring(evals, read_exports([tmp_path]))
    [told] = compare(evals, RUN).criteria
    assert told.differs
    assert told.reading == "--rouge-measure recall"
    recall = RunOptions(reading=Reading(rouge_measure="recall"))
    assert not compare(evals, RUN, recall).differs


def test_judges_are_asked_where_they_are_wanted(
    evals: EvalStore, serve: Callable[..., ScriptedServer]
) -> None:
    bring(evals, read_exports([SAMPLE]))
    server = serve(lambda *_: completion('{"steps": [], "result": 1.0}'))
    options = RunOptions(judge=JudgeOptions(base_url=server.url, cache="none"))
    helpful = compare(evals, RUN, options, judges=True).criteria[2]
    assert (helpful.rows, helpful.equal, helpful.flipped) == (8, 4, 2)
    assert not helpful.differs  # A model may say another thing each time.
    assert len(server.asked) == 8


def test_what_was_not_graded_then_and_is_not_now_is_equal(evals: EvalStore, tmp_path: Path) -> None:
    one, run, items = objects()
    items[0]["sample"]["output"] = []
    for result in items[0]["results"]:
        result |= {"passed": False, "score": 0.0, "status": "error"}
    for name, value in (("e", one), ("r", run), ("i", items)):
        write(tmp_path, f"{name}.json", value)
    bring(evals, read_exports([tmp_path]))
    found = compare(evals, RUN)
    assert [(told.equal, told.flipped) for told in found.criteria[:2]] == [(8, 0)] * 2


def test_what_cannot_be_compared_is_said(evals: EvalStore, tmp_path: Path) -> None:
    one, run, _ = objects()
    bring(evals, read_exports([write(tmp_path, "e.json", one), write(tmp_path, "r.json", run)]))
    with pytest.raises(OptionError, match="has no output items"):
        compare(evals, RUN)
    (tmp_path / "e.json").unlink()
    run |= {"id": "evalrun_2", "eval_id": "eval_2"}
    bring(evals, read_exports([write(tmp_path, "r.json", run)]))
    with pytest.raises(OptionError, match="the criteria of eval_2 cannot be run here"):
        compare(evals, "evalrun_2")


def test_items_are_lines_of_results_and_rows(evals: EvalStore) -> None:
    bring(evals, read_exports([SAMPLE]))
    items, _ = evals.list_items(EVAL, RUN, limit=100)
    line = result_line(items[2])
    assert (line["index"], line["reward"], line["failures"]) == (2, 0.0, [])
    assert line["sub_rewards"] == {
        "Exact category": 0.0,
        "Close to the category": 0.875,
        "Helpful": 0.8,
    }
    assert row_of(items[2])["sample"]["output"][0]["content"] == "hardware"
    error = {"code": "rollout_error", "message": "no answer"}
    failed = result_line({**items[2], "status": "error", "results": [], "sample": {"error": error}})
    assert (failed["reward"], failed["failures"]) == (None, [{**error, "where": ""}])
    assert bare_name("x-7d0b9c5e-9a6c-4f1c-8f3e-3b0b8f6f9a11") == "x"
    assert bare_name("plain-name") == "plain-name"


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli._main(["evals", *words])
    done = capsys.readouterr()
    return code, done.out, done.err


def test_the_command_from_an_export_to_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADERS_DATA_DIR", str(tmp_path / "data"))
    code, out, err = command(capsys, "import", str(SAMPLE))
    assert code == 0
    assert "output items: 8 new" in out
    assert f"graders evals compare {RUN}" in err
    assert "8 there already" in command(capsys, "import", str(SAMPLE))[1]
    assert EVAL in command(capsys, "list")[1]
    assert "Helpful" in command(capsys, "show", EVAL)[1]
    shown = command(capsys, "show", RUN)[1]
    assert "5 passed (62.5 %)" in shown
    assert "rows to read first" in shown
    assert command(capsys, "compare", RUN)[0] == 0
    told = json.loads(command(capsys, "compare", RUN, "--json")[1])
    assert [one["equal"] for one in told["criteria"]] == [8, 8, 0]
    results, rows = tmp_path / "results.jsonl", tmp_path / "rows.jsonl"
    assert command(capsys, "export", RUN, "-o", str(results), "--as", "results")[0] == 0
    assert command(capsys, "export", RUN, "-o", str(rows), "--as", "rows")[0] == 0
    page = tmp_path / "page.html"
    assert cli._main(["report", str(results), "--rows", str(rows), "-o", str(page)]) == 0
    assert "Where do I book" in page.read_text()
    assert command(capsys, "report", RUN, "--with", RUN, "-o", str(page))[0] == 0
    assert "Where do I book" in page.read_text()
    objects_ = tmp_path / "objects.jsonl"
    assert command(capsys, "export", RUN, "-o", str(objects_))[0] == 0
    assert len(objects_.read_bytes().splitlines()) == 10
    code, _, err = command(capsys, "show", RUN[:-1] + "x")
    assert (code, f"did you mean {RUN}?" in err) == (2, True)
    assert command(capsys, "delete", EVAL, "--yes")[0] == 0
    assert "There are no evals" in command(capsys, "list")[1]
    # What was written out comes in again as it was.
    assert "output items: 8 new" in command(capsys, "import", str(objects_))[1]


def test_the_command_runs_bodies_and_says_what_is_wrong_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADERS_DATA_DIR", str(tmp_path / "data"))
    samples = SAMPLE.parent
    output = tmp_path / "out.jsonl"
    code, out, err = command(
        capsys, "run", str(samples / "eval.json"), str(samples / "run.json"), "-o", str(output)
    )
    assert code == 0, err
    assert "8 rows: 5 passed" in out
    lines = [jsontext.decode(line) for line in output.read_bytes().splitlines()]
    assert [one["index"] for one in lines] == list(range(8))
    (tmp_path / "rows.jsonl").write_text(
        '{"item": {"category": "a"}, "sample": {"output_text": "a"}}\n{"item": {}}\n'
    )
    body: dict[str, Any] = {
        "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "rows.jsonl"}}
    }
    (tmp_path / "run.json").write_text(json.dumps(body))
    code, out, err = command(
        capsys, "run", str(samples / "eval.json"), str(tmp_path / "run.json"), "--json"
    )
    assert code == 1  # A row has no verdict.
    assert json.loads(out)["result_counts"] == {"total": 2, "passed": 1, "failed": 0, "errored": 1}
    (tmp_path / "run.json").write_text('{"data_source": {"type": "jsonlines"}, "nme": 1}')
    code, _, err = command(capsys, "run", str(samples / "eval.json"), str(tmp_path / "run.json"))
    assert code == 2
    assert "did you mean jsonl?" in err
    assert "did you mean name?" in err
