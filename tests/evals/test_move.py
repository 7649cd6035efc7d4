"""What people hold of the hosted Evals, brought in as it was: any layout, odd fields, twice as once."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.errors import OptionError
from graders.evals.exported import read_exports
from graders.evals.move import Brought, bring
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from tests.evals.conftest import EXACT

SAMPLE = Path(__file__).parents[2] / "samples" / "evals-move" / "exported"
EVAL = "eval_67abd54d9b0081909a86353f6fb9317a"
RUN = "evalrun_67e579652b548190aaa83ada4b125f47"


def objects() -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return the sample's eval, run and items, to be written otherwise."""
    one, run = (json.loads((SAMPLE / f"{name}.json").read_text()) for name in ("eval", "run"))
    return one, run, json.loads((SAMPLE / "output_items.json").read_text())["data"]


def brought(evals: EvalStore, *paths: Path) -> Brought:
    return bring(evals, read_exports(paths))


def write(folder: Path, name: str, value: Any) -> Path:
    (folder / name).write_text(json.dumps(value))
    return folder / name


def test_ids_dates_and_results_stay_as_they_were(evals: EvalStore) -> None:
    done = brought(evals, SAMPLE)
    assert done.new == {"evals": 1, "runs": 1, "output items": 8, "files": 1}
    one, run, items = objects()
    shown = evals.get(EVAL)
    for name in ("id", "name", "created_at", "metadata", "data_source_config", "testing_criteria"):
        assert shown[name] == one[name]
    found = evals.get_run(EVAL, RUN)
    for name in ("status", "model", "name", "created_at", "data_source", "per_model_usage"):
        assert found[name] == run[name]
    assert found["result_counts"] == run["result_counts"]
    listed, _ = evals.list_items(EVAL, RUN, limit=100)
    for item, old in zip(listed, items, strict=True):
        for name in (
            "id",
            "created_at",
            "status",
            "datasource_item",
            "datasource_item_id",
            "sample",
        ):
            assert item[name] == old[name]
        assert item["_datasource_item_content_hash"] == old["_datasource_item_content_hash"]
        assert [one["score"] for one in item["results"]] == [one["score"] for one in old["results"]]
        assert [one["status"] for one in item["results"]] == [
            "pass" if one["passed"] else "fail" for one in old["results"]
        ]
    # The run's file has the id by which the run names it.
    assert evals.store.files.get(run["data_source"]["source"]["id"])["purpose"] == "evals"
    assert any("shared_with_openai" in note for note in done.notes)


def test_twice_is_as_once_and_a_run_that_was_brought_in_is_never_run(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    before = evals.list_items(EVAL, RUN, limit=100)
    again = brought(evals, SAMPLE)
    assert not +again.new
    assert again.known == {"evals": 1, "runs": 1, "output items": 8, "files": 1}
    assert evals.list_items(EVAL, RUN, limit=100) == before
    assert evals.runnable() == []
    assert run_eval(evals, RUN)["result_counts"]["total"] == 8


def _mixed() -> list[dict[str, Any]]:
    one, run, items = objects()
    return [*items[4:], run, *items[:4], one]  # Nothing has to come before what it belongs to.


def _pages() -> list[list[dict[str, Any]]]:
    mixed = _mixed()
    return [mixed[:3], mixed[3:8], mixed[8:]]


def _zipped(to: Path) -> None:
    with zipfile.ZipFile(to / "export.zip", "w") as archive:
        for file in SAMPLE.iterdir():
            archive.write(file, f"export/{file.name}")


LAYOUTS: dict[str, Callable[[Path], Any]] = {
    "one file of lines": lambda to: (to / "all.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in _mixed())
    ),
    "one array, with a BOM": lambda to: (to / "x").write_text("\ufeff" + json.dumps(_mixed())),
    "pages of lists": lambda to: write(
        to, "pages.json", [{"object": "list", "data": part} for part in _pages()]
    ),
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
    assert {kind: done.new[kind] for kind in ("evals", "runs", "output items")} == {
        "evals": 1, "runs": 1, "output items": 8,
    }  # fmt: skip
    assert evals.get_run(EVAL, RUN)["result_counts"]["total"] == 8
    places = [one["datasource_item_id"] for one in evals.list_items(EVAL, RUN, limit=100)[0]]
    assert places == list(range(8))


def test_odd_fields_are_read_or_named(evals: EvalStore, tmp_path: Path) -> None:
    one, run, items = objects()
    run |= {"status": "in_progress", "result_counts": None, "per_testing_criteria_results": None,
            "metadata": None, "per_model_usage": [5], "error": "x", "data_source": None}  # fmt: skip
    items[0] |= {
        "status": "passed",
        "datasource_item": {"item": {"a": 1}},
        "sample": json.dumps(items[0]["sample"]),
    }
    items[1] |= {
        "status": None,
        "datasource_item_id": 0,
        "results": [{"name": "x", "passed": None, "score": None}],
    }
    items[2] |= {"datasource_item": "text", "sample": None, "datasource_item_id": "x"}
    items[3]["results"][0]["sample"] = '{"input": []}'
    twice = {**items[4], "status": "fail", "created_at": 1}
    write(
        tmp_path,
        "x.json",
        [one, run, *items, twice, 5, {"what": "ever"}, {"object": "file", "id": "file-1"}],
    )
    (tmp_path / "note.txt").write_text("not JSON at all")
    (tmp_path / "empty.json").write_text(" ")
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe\x00x")
    (tmp_path / "lines.jsonl").write_text('{"item": {"a": 1}}\n{"item": \n')
    done = brought(evals, tmp_path)
    said = "\n".join(done.notes)
    for says in (
        "was in_progress when it was exported; here it is canceled", "stands there twice with different content",
        "5 is no object", "keys what is none of an eval's", "note.txt is neither JSON", "empty.json is empty",
        "bytes.bin is not UTF-8", "lines.jsonl, line 2: not JSON",
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
    assert done.new["files"] == 1


def test_what_is_missing_is_said_and_the_rest_comes_in(evals: EvalStore, tmp_path: Path) -> None:
    one, run, items = objects()
    write(tmp_path, "items.json", [*items[:3], {**items[3], "run_id": "evalrun_other"}])
    done = brought(evals, write(tmp_path, "run.json", run), tmp_path / "items.json")
    said = "\n".join(done.notes)
    assert f"{RUN} is of the eval {EVAL}, which is not there" in said
    assert "output items of the run evalrun_other, which is not there, are left out" in said
    assert f"{RUN} counts 8 output items, and 3 of them are here" in said
    assert evals.get(EVAL)["name"] == "(the eval itself was not exported)"
    later = brought(evals, write(tmp_path, "eval.json", one))
    assert any("other criteria; it is kept as it is" in note for note in later.notes)


def test_criteria_that_cannot_run_here_come_in_and_are_named(
    evals: EvalStore, tmp_path: Path
) -> None:
    one, _, _ = objects()
    one["testing_criteria"].append({"type": "vibes", "name": "v", "id": "v-1"})
    done = brought(evals, write(tmp_path, "eval.json", one))
    assert any("cannot be run again here: $.testing_criteria[3]" in note for note in done.notes)
    assert evals.get(EVAL)["testing_criteria"] == one["testing_criteria"]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "x"])
def test_nothing_to_bring_in_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(OptionError, match="nothing of an eval was found"):
        read_exports([tmp_path])


def test_what_cannot_be_unpacked_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"[]" * 100)[:20])
    with pytest.raises(OptionError, match="cannot be unpacked"):
        read_exports([tmp_path / "x.gz"])


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


def test_promptfoo_s_results_come_in_with_what_a_grader_can_say(
    evals: EvalStore, tmp_path: Path
) -> None:
    done = brought(evals, write(tmp_path, "results.json", PROMPTFOO))
    assert any("llm-rubric has no grader that means the same" in note for note in done.notes)
    [one] = evals.list()[0]
    [criterion] = one["testing_criteria"]
    assert (criterion["operation"], criterion["reference"]) == ("eq", "{{item.capital}}")
    [run] = evals.list_runs(one["id"])[0]
    assert run["model"] == "openai:gpt-4o-mini"
    items, _ = evals.list_items(one["id"], run["id"])
    assert [item["status"] for item in items] == ["pass", "fail"]
    assert items[1]["results"][1]["name"] == "promptfoo llm-rubric"


def test_what_was_brought_in_can_be_run_again_over_its_file(evals: EvalStore) -> None:
    brought(evals, SAMPLE)
    one, _, _ = objects()
    made = evals.create(
        {"data_source_config": {"type": "custom", "item_schema": {}},
         "testing_criteria": [{**EXACT, "input": "{{item.category}}", "reference": "{{item.category}}"}]}
    )  # fmt: skip
    source = {"type": "jsonl", "source": {"type": "file_id", "id": "file-Q9wUd2nVfTqWq4kqj4mJkE"}}
    run = evals.create_run(made["id"], {"data_source": source})
    assert run_eval(evals, run["id"])["result_counts"]["passed"] == 8
    assert one["name"] == evals.get(EVAL)["name"]
