"""The sample's export, written otherwise: any layout holds the same, and its rules give the old scores."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders import cli, jsontext
from graders.evals.brought import Brought
from graders.evals.compare import Comparison, compare
from graders.evals.incoming import bring
from graders.evals.look import criteria_of_run, items_of
from graders.evals.match import bare_name
from graders.evals.parcel import Parcel
from graders.evals.result import result_line, row_line
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.jobs import RunOptions
from graders.models import JudgeOptions
from tests.evals.conftest import EXACT
from tests.models.server import ScriptedServer, completion

SAMPLE = Path(__file__).parents[2] / "samples" / "evals-move" / "exported"
EVAL = "eval_67abd54d9b0081909a86353f6fb9317a"
RUN = "evalrun_67e579652b548190aaa83ada4b125f47"


def objects() -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return the sample's eval, run and items, to be written otherwise."""
    one, run = (json.loads((SAMPLE / f"{name}.json").read_text()) for name in ("eval", "run"))
    return one, run, json.loads((SAMPLE / "output_items.json").read_text())["data"]


def brought(evals: EvalStore, *paths: Path) -> Brought:
    with Parcel.open(paths) as parcel:
        return bring(evals.store, parcel)


def compared(evals: EvalStore, **more: Any) -> Comparison:
    options = more.pop("options", RunOptions())
    return compare(items_of(evals, EVAL, RUN), criteria_of_run(evals, RUN), options, **more)


def write(folder: Path, name: str, value: Any) -> Path:
    (folder / name).write_text(json.dumps(value))
    return folder / name


def test_ids_dates_and_results_stay_as_they_were(evals: EvalStore) -> None:
    done = brought(evals, SAMPLE)
    assert (done.evals.new, done.runs.new, done.items.new, done.files.new) == (1, 1, 8, 1)
    one, run, items = objects()
    shown, found = evals.get(EVAL), evals.get_run(EVAL, RUN)
    for name in ("id", "name", "created_at", "metadata", "data_source_config", "testing_criteria"):
        assert shown[name] == one[name]
    for name in (
        "status",
        "model",
        "name",
        "created_at",
        "data_source",
        "per_model_usage",
        "result_counts",
    ):
        assert found[name] == run[name]
    listed, _ = evals.list_items(EVAL, RUN, limit=100)
    same = (
        "id", "created_at", "status", "datasource_item", "datasource_item_id", "sample",
        "_datasource_item_content_hash",
    )  # fmt: skip
    for item, old in zip(listed, items, strict=True):
        assert {name: item[name] for name in same} == {name: old[name] for name in same}
        for mine, given in zip(item["results"], old["results"], strict=True):
            assert {name: mine[name] for name in given} == given
            assert mine["status"] == ("pass" if given["passed"] else "fail")
    # The run's file has the id by which the run names it.
    assert evals.store.files.get(run["data_source"]["source"]["id"])["purpose"] == "evals"
    assert any("shared_with_openai" in note for note in done.notes)


def test_a_run_that_was_brought_in_is_never_run(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    before = evals.list_items(EVAL, RUN, limit=100)
    assert brought(evals, SAMPLE).nothing_new
    assert evals.list_items(EVAL, RUN, limit=100) == before
    assert evals.runnable() == []
    assert run_eval(evals, RUN)["result_counts"]["total"] == 8


def _mixed() -> list[dict[str, Any]]:
    one, run, items = objects()
    return [*items[4:], run, *items[:4], one]  # Nothing has to come before what it belongs to.


def _pages() -> list[dict[str, Any]]:
    mixed = _mixed()
    return [{"object": "list", "data": part} for part in (mixed[:3], mixed[3:8], mixed[8:])]


def _zipped(to: Path) -> None:
    with zipfile.ZipFile(to / "export.zip", "w") as archive:
        for file in SAMPLE.iterdir():
            archive.write(file, f"export/{file.name}")


LAYOUTS: dict[str, Callable[[Path], Any]] = {
    "one file of lines": lambda to: (to / "all.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in _mixed())
    ),
    "one array, with a BOM": lambda to: (to / "x").write_text("\ufeff" + json.dumps(_mixed())),
    "pages of lists": lambda to: write(to, "pages.json", _pages()),
    "without their kinds": lambda to: write(
        to, "bare.json", [{k: v for k, v in one.items() if k != "object"} for one in _mixed()]
    ),
    "compressed": lambda to: (to / "all.jsonl.gz").write_bytes(
        gzip.compress("\n".join(map(json.dumps, _mixed())).encode())
    ),
    "an archive": _zipped,
    "folders in folders": lambda to: shutil.copytree(SAMPLE, to / "a" / "b"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same(evals: EvalStore, tmp_path: Path, layout: str) -> None:
    (tmp_path / "in").mkdir()
    LAYOUTS[layout](tmp_path / "in")
    done = brought(evals, tmp_path / "in")
    assert (done.evals.new, done.runs.new, done.items.new) == (1, 1, 8)
    assert evals.get_run(EVAL, RUN)["result_counts"]["total"] == 8
    places = [one["datasource_item_id"] for one in evals.list_items(EVAL, RUN, limit=100)[0]]
    assert places == list(range(8))


def test_odd_fields_are_read_or_named(evals: EvalStore, tmp_path: Path) -> None:
    one, run, items = objects()
    run |= {"status": "in_progress", "result_counts": None, "per_testing_criteria_results": None,
            "metadata": None, "per_model_usage": [5], "error": "x", "data_source": None}  # fmt: skip
    items[0] |= {
        "status": "passed", "datasource_item": {"item": {"a": 1}},
        "sample": json.dumps(items[0]["sample"]),
    }  # fmt: skip
    items[1] |= {
        "status": None, "datasource_item_id": 0,
        "results": [{"name": "x", "passed": None, "score": None}],
    }  # fmt: skip
    items[2] |= {"datasource_item": "text", "sample": None, "datasource_item_id": "x"}
    items[3]["results"][0]["sample"] = '{"input": []}'
    twice = {**items[4], "status": "error"}
    odd = [5, {"what": "ever"}, {"object": "file", "id": "file-1"}]
    write(tmp_path, "x.json", [one, run, *items, twice, *odd])
    (tmp_path / "lines.jsonl").write_text('{"item": {"a": 1}}\n{"item": \n')
    done = brought(evals, tmp_path)
    said = "\n".join((*done.notes, *done.problems))
    for says in (
        "was in_progress when it was exported", "come twice and differ", "its keys are what",
        "a number is no object of the API", "lines.jsonl: line 2 is not JSON",
    ):  # fmt: skip
        assert says in said, said
    listed, _ = evals.list_items(EVAL, RUN, limit=100)
    assert len(listed) == 8
    by_id = {one["id"]: one for one in listed}
    assert by_id[items[0]["id"]]["datasource_item"] == {"a": 1}
    assert by_id[items[0]["id"]]["sample"]["output"][0]["content"] == "Hardware"
    assert by_id[items[1]["id"]]["status"] == "error"
    assert by_id[items[2]["id"]]["datasource_item"] == {"value": "text"}
    assert by_id[items[3]["id"]]["results"][0]["sample"] == {"input": []}
    assert by_id[items[4]["id"]]["status"] == items[4]["status"]
    # A run that tells no figures has those of its items.
    assert evals.get_run(EVAL, RUN)["result_counts"]["total"] == 8
    assert done.files.new == 1


PROMPTFOO = {
    "evalId": "eval-abc-2026-11-20T10:00:00", "config": {"description": "capitals"},
    "results": {"version": 3, "results": [
        {"provider": {"id": "openai:gpt-4o-mini"}, "vars": {"country": "France", "capital": "Paris"},
         "response": {"output": said}, "success": said == "Paris", "score": float(said == "Paris"),
         "gradingResult": {"pass": said == "Paris", "componentResults": [
             {"pass": said == "Paris", "score": float(said == "Paris"), "reason": "r",
              "assertion": {"type": "equals", "value": "{{capital}}"}},
             {"pass": True, "score": 1, "reason": "r",
              "assertion": {"type": "llm-rubric", "value": "polite"}}]}}
        for said in ("Paris", "Lyon")
    ]},
}  # fmt: skip


def test_what_promptfoo_asserted_is_compared_too(evals: EvalStore, tmp_path: Path) -> None:
    done = brought(evals, write(tmp_path, "results.json", PROMPTFOO))
    assert any("llm-rubric" in note for note in done.notes)
    [one] = evals.list()[0]
    [criterion] = one["testing_criteria"]
    assert (criterion["operation"], criterion["reference"]) == ("eq", "{{ item.capital }}")
    [run] = evals.list_runs(one["id"])[0]
    assert run["model"] == "openai:gpt-4o-mini"
    items, _ = evals.list_items(one["id"], run["id"])
    assert [item["status"] for item in items] == ["pass", "fail"]
    assert items[1]["results"][1]["name"] == "llm-rubric 2"
    found = compare(items, [criterion], RunOptions())
    assert (found.figures[0].equal, found.faulty) == (2, False)


def test_what_was_brought_in_can_be_run_again_over_its_file(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    made = evals.create(
        {"data_source_config": {"type": "custom", "item_schema": {}},
         "testing_criteria": [{**EXACT, "input": "{{item.category}}", "reference": "{{item.category}}"}]}
    )  # fmt: skip
    source = {"type": "jsonl", "source": {"type": "file_id", "id": "file-Q9wUd2nVfTqWq4kqj4mJkE"}}
    run = evals.create_run(made["id"], {"data_source": source})
    assert run_eval(evals, run["id"])["result_counts"]["passed"] == 8


def test_rules_give_the_old_scores_and_judges_are_left_out(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    found = compared(evals)
    exact, close, helpful = found.figures
    assert (found.items, found.faulty, found.strangers) == (8, False, {})
    assert [(one.compared, one.equal, one.flipped) for one in (exact, close)] == [(8, 8, 0)] * 2
    assert (helpful.exact, helpful.compared) == (False, 0)
    assert "--judges asks again" in helpful.skipped


def test_judges_are_asked_where_they_are_wanted(
    evals: EvalStore, serve: Callable[..., ScriptedServer]
) -> None:
    brought(evals, SAMPLE)
    server = serve(lambda *_: completion('{"steps": [], "result": 1.0}'))
    options = RunOptions(judge=JudgeOptions(base_url=server.url, cache="none"))
    helpful = compared(evals, options=options, asks=True).figures[2]
    assert (helpful.compared, helpful.equal, helpful.flipped) == (8, 4, 2)
    assert not helpful.faulty  # A model may say another thing each time.
    assert len(server.asked) == 8


def test_what_was_not_graded_then_and_is_not_now_is_no_difference(
    evals: EvalStore, tmp_path: Path
) -> None:
    one, run, items = objects()
    items[0]["sample"]["output"] = []
    for result in items[0]["results"]:
        result |= {"passed": False, "score": 0.0, "status": "error"}
    brought(evals, write(tmp_path, "all.json", [one, run, *items]))
    found = compared(evals)
    assert not found.faulty
    assert [(told.equal, told.zero, told.flipped) for told in found.figures[:2]] == [(7, 1, 0)] * 2


def test_items_are_lines_of_results_and_rows(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    items, criteria = list(items_of(evals, EVAL, RUN)), criteria_of_run(evals, RUN)
    line = result_line(2, items[2], criteria)
    assert (line["index"], line["reward"], line["failures"]) == (2, 0.0, [])
    assert line["sub_rewards"] == {
        "Exact category": 0.0, "Close to the category": 0.875, "Helpful": 0.8,
    }  # fmt: skip
    assert row_line(items[2])["sample"]["output"][0]["content"] == "hardware"
    error = {"code": "rollout_error", "message": "no answer"}
    gone = {**items[2], "status": "error", "results": [], "sample": {"error": error}}
    failed = result_line(2, gone, criteria)
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
    code, out, _ = command(capsys, "import", str(SAMPLE))
    assert code == 0
    assert f"next: graders evals compare {RUN}" in out
    assert "nothing is new" in command(capsys, "import", str(SAMPLE))[1]
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
    assert command(capsys, "import", str(objects_))[0] == 0
    assert "5 passed (62.5 %)" in command(capsys, "show", RUN)[1]


def test_the_command_runs_bodies_and_says_what_is_wrong_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADERS_DATA_DIR", str(tmp_path / "data"))
    bodies, output = SAMPLE.parent, tmp_path / "out.jsonl"
    words = ("run", str(bodies / "eval.json"), str(bodies / "run.json"), "-o", str(output))
    code, out, err = command(capsys, *words)
    assert code == 0, err
    assert "8 rows: 5 passed" in out
    lines = [jsontext.decode(line) for line in output.read_bytes().splitlines()]
    assert [one["index"] for one in lines] == list(range(8))
    (tmp_path / "run.json").write_text('{"data_source": {"type": "jsonlines"}, "nme": 1}')
    code, _, err = command(capsys, "run", str(bodies / "eval.json"), str(tmp_path / "run.json"))
    assert code == 2
    assert "did you mean jsonl?" in err
    assert "did you mean name?" in err
