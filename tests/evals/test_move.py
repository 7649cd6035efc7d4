"""Moving evals in: whatever a file is called and however it is wrapped, odd fields, again and again."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.evals.brought import Brought
from graders.evals.incoming import bring
from graders.evals.look import every_run, items_of
from graders.evals.match import place_of
from graders.evals.move import pieces
from graders.evals.parcel import Parcel
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.jobs import ApiError, Store

UUID = "11111111-2222-4333-8444-555555555555"
EXACT: dict[str, Any] = {
    "type": "string_check", "name": "exact", "id": f"exact-{UUID}", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
ALIKE: dict[str, Any] = {
    "type": "text_similarity", "name": "alike", "id": f"alike-{UUID}", "pass_threshold": 0.5,
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
    "evaluation_metric": "fuzzy_match",
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"item": {"type": "object", "properties": {"answer": {"type": "string"}}}},
}


def an_eval(id_: str = "eval_a", **more: Any) -> dict[str, Any]:
    return {
        "object": "eval", "id": id_, "name": "capitals", "created_at": 1_700_000_000,
        "metadata": {"team": "x"}, "testing_criteria": [EXACT, ALIKE],
        "data_source_config": {"type": "custom", "schema": SCHEMA}, **more,
    }  # fmt: skip


def a_run(name: str = "evalrun_a", of: str = "eval_a", **more: Any) -> dict[str, Any]:
    return {
        "object": "eval.run", "id": name, "eval_id": of, "status": "completed", "name": "first",
        "model": "gpt-4o-mini", "created_at": 1_700_000_100, "error": None, "metadata": {},
        "report_url": f"https://platform.openai.com/evaluations/{of}",
        "result_counts": {"total": 2, "passed": 1, "failed": 1, "errored": 0},
        "per_model_usage": [
            {"model_name": "gpt-4o-mini", "invocation_count": 2, "prompt_tokens": 9,
             "completion_tokens": 4, "total_tokens": 13, "cached_tokens": 0},
        ],
        "per_testing_criteria_results": [
            {"testing_criteria": f"exact-{UUID}", "passed": 1, "failed": 1},
        ],
        "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "file-rows"}}, **more,
    }  # fmt: skip


def an_item(
    place: int, output: str = "Paris", run: str = "evalrun_a", of: str = "eval_a", **more: Any
) -> dict[str, Any]:
    good = output == "Paris"
    return {
        "object": "eval.run.output_item", "id": f"outputitem_{run}_{place}", "run_id": run,
        "eval_id": of, "created_at": 1_700_000_200, "status": "pass" if good else "fail",
        "datasource_item_id": place, "datasource_item": {"answer": "Paris"},
        "results": [
            {"name": f"exact-{UUID}", "type": "string-check-grader", "passed": good,
             "score": float(good), "sample": None},
        ],
        "sample": {"input": [], "output": [{"role": "assistant", "content": output}]}, **more,
    }  # fmt: skip


def page(*data: Any, more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "has_more": more}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[EvalStore]:
    with Store(tmp_path / "data") as store:
        yield EvalStore(store)


class Box:
    """A folder of an export, brought in by a call."""

    def __init__(self, folder: Path, kept: EvalStore) -> None:
        self.folder = folder
        self.kept = kept
        folder.mkdir()

    def put(self, name: str, value: Any) -> None:
        text = value if isinstance(value, str | bytes) else json.dumps(value)
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def bring(self, **options: Any) -> Brought:
        with Parcel.open([self.folder]) as parcel:
            return bring(self.kept.store, parcel, **options)

    def items(self, run: str = "evalrun_a", of: str = "eval_a") -> list[dict[str, Any]]:
        return list(items_of(self.kept, of, run))


@pytest.fixture
def box(tmp_path: Path, kept: EvalStore) -> Box:
    return Box(tmp_path / "export", kept)


def whole(box: Box) -> None:
    box.put("eval.json", an_eval())
    box.put("runs.json", page(a_run()))
    box.put(
        "items.jsonl", "\n".join(json.dumps(an_item(k, o)) for k, o in enumerate(("Paris", "Rome")))
    )
    box.put("file-rows.jsonl", '{"item": {"answer": "Paris"}}\n' * 2)


def test_ids_dates_names_figures_and_files_stay(box: Box) -> None:
    whole(box)
    done = box.bring()
    assert done.problems == []
    assert (done.evals.new, done.runs.new, done.items.new, done.files.new) == (1, 1, 2, 1)
    found = box.kept.get("eval_a")
    assert {k: found[k] for k in an_eval()} == an_eval()
    run = box.kept.get_run("eval_a", "evalrun_a")
    same = {
        k: v for k, v in a_run().items() if k not in ("report_url", "per_testing_criteria_results")
    }
    assert {k: run[k] for k in same} == same
    assert run["per_testing_criteria_results"] == [
        {"testing_criteria": f"exact-{UUID}", "passed": 1, "failed": 1, "errored": 0}
    ]
    first, second = box.items()
    assert first["id"] == "outputitem_evalrun_a_0"
    assert (first["created_at"], first["status"], second["status"]) == (
        1_700_000_200,
        "pass",
        "fail",
    )
    assert first["datasource_item"] == {"answer": "Paris"}
    assert first["results"][0]["score"] == 1.0
    content = box.kept.store.files.path("file-rows").read_bytes()
    assert content == b'{"item": {"answer": "Paris"}}\n' * 2


def test_importing_again_changes_nothing_and_says_so(box: Box) -> None:
    whole(box)
    box.bring()
    before = box.items(), box.kept.get("eval_a"), box.kept.get_run("eval_a", "evalrun_a")
    again = box.bring()
    assert again.nothing_new
    assert (again.evals.same, again.runs.same, again.items.same, again.files.same) == (1, 1, 2, 1)
    assert (box.items(), box.kept.get("eval_a"), box.kept.get_run("eval_a", "evalrun_a")) == before


def test_what_differs_stays_unless_it_is_to_be_replaced(box: Box) -> None:
    whole(box)
    box.bring()
    box.put("eval.json", an_eval(name="other"))
    left = box.bring()
    assert (left.evals.kept, box.kept.get("eval_a")["name"]) == (1, "capitals")
    assert "differs (name)" in " ".join(left.notes)
    assert box.bring(replace=True).evals.changed == 1
    assert box.kept.get("eval_a")["name"] == "other"


def test_a_run_that_was_brought_along_never_runs(box: Box) -> None:
    whole(box)
    box.put("runs.json", page(a_run(status="in_progress")))
    done = box.bring()
    assert "was in_progress when it was exported" in " ".join(done.notes)
    run = box.kept.get_run("eval_a", "evalrun_a")
    assert (run["status"], run["error"]["code"]) == ("canceled", "exported_unfinished")
    assert box.kept.runnable() == []
    with pytest.raises(ApiError, match="nothing to go on with"):
        box.kept.resume_run("eval_a", "evalrun_a")
    assert run_eval(box.kept, "evalrun_a")["status"] == "canceled"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda e, r, i: page(e, r, *i),
        lambda e, r, i: [e, [r], i],
        lambda e, r, i: {"eval": e, "runs": [r], "output_items": i},
        lambda e, r, i: {"eval": e, "run": {**r, "output_items": page(*i)}},
        lambda e, r, i: {**e, "runs": [{**r, "output_items": i}]},
        lambda e, r, i: {"evals": page(e), "runs": {"data": [r]}, "items": {"data": i}},
    ],
)  # fmt: skip
def test_wrappings_are_looked_into(box: Box, wrap: Any) -> None:
    items = [an_item(0), an_item(1, "Rome")]
    box.put("all", wrap(an_eval(), a_run(), items))
    done = box.bring()
    assert (done.evals.new, done.runs.new, done.items.new) == (1, 1, 2)


def test_items_that_stand_in_a_run_need_not_name_it(box: Box) -> None:
    bare = {k: v for k, v in an_item(0).items() if k not in ("run_id", "eval_id")}
    box.put("one.json", {**an_eval(), "runs": [{**a_run(), "output_items": [bare]}]})
    box.bring()
    assert [one["id"] for one in box.items()] == [bare["id"]]


@pytest.mark.parametrize(
    "how", ["lines", "array", "pretty", "bom", "utf-16", "gzip", "zip", "pages"]
)
def test_every_way_of_writing_it_down(box: Box, how: str) -> None:
    box.put("eval.json", an_eval())
    items = [an_item(0), an_item(1, "Rome")]
    lines = "\n".join(map(json.dumps, items))
    match how:
        case "lines":
            box.put("x.txt", lines)
        case "array":
            box.put("x.json", json.dumps(items))
        case "pretty":
            box.put("x", json.dumps(page(*items), indent=4))
        case "bom":
            box.put("x.json", b"\xef\xbb\xbf" + json.dumps(page(*items)).encode())
        case "utf-16":
            box.put("x.jsonl", lines.encode("utf-16"))
        case "gzip":
            box.put("x.jsonl.gz", gzip.compress(lines.encode()))
        case "pages":
            box.put("x.jsonl", "\n".join(json.dumps(page(one, more=True)) for one in items))
        case "zip":
            with zipfile.ZipFile(box.folder / "x.zip", "w") as packed:
                packed.writestr("../../deep/x.jsonl", lines)
                packed.writestr("__MACOSX/._x", "junk")
    done = box.bring()
    assert (done.items.new, done.problems) == (2, [])
    assert len(box.items()) == 2


def test_odd_fields_are_read_or_named_and_nothing_is_lost(box: Box) -> None:
    box.put("eval.json", an_eval(shared_with_openai=False, created_at="2024-01-02T03:04:05Z"))
    odd = an_item(
        7, status="passed", datasource_item={"item": {"answer": "Paris"}}, created_at=1.7e12,
        sample=json.dumps({"output": [{"role": "assistant", "content": "Paris"}]}), flavour={"a": 1},
        results=[
            {"name": f"exact-{UUID}", "passed": None, "status": "PASSED", "score": "1.0", "sample": '{"a": 1}'},
            {"name": f"alike-{UUID}", "score": None, "reason": "timed out"},
        ],
    )  # fmt: skip
    box.put("items.json", page(odd))
    done = box.bring()
    assert "fields of evals that are not kept: shared_with_openai" in done.notes
    (item,) = box.items()
    assert (item["status"], item["flavour"], item["datasource_item_id"]) == ("pass", {"a": 1}, 7)
    assert item["datasource_item"] == {"answer": "Paris"}
    assert item["created_at"] == 1_700_000_000
    assert box.kept.get("eval_a")["created_at"] == 1_704_164_645
    assert item["sample"]["output"][0]["content"] == "Paris"
    exact, alike = item["results"]
    assert (exact["score"], exact["passed"], exact["status"], exact["sample"]) == (
        1.0,
        True,
        "pass",
        {"a": 1},
    )
    assert (alike["score"], alike["passed"], alike["status"]) == (None, False, "error")
    assert alike["reason"] == "timed out"


def test_an_item_whose_schema_has_a_field_item_stays_as_it_is(box: Box) -> None:
    fields = {"item": {"type": "object"}}
    schema = {"type": "object", "properties": {"item": {"type": "object", "properties": fields}}}
    box.put("eval.json", an_eval(data_source_config={"type": "custom", "schema": schema}))
    box.put("items.json", page(an_item(0, datasource_item={"item": {"answer": "Paris"}})))
    box.bring()
    assert box.items()[0]["datasource_item"] == {"item": {"answer": "Paris"}}


def test_ids_in_other_shapes_get_ones_that_fit_a_path(box: Box) -> None:
    box.put(
        "all.json",
        [an_eval("eval/ä 1"), a_run("run:1", "eval/ä 1"), an_item(0, run="run:1", of="eval/ä 1")],
    )
    done = box.bring()
    ((of, (run,)),) = done.runs_of.items()
    assert done.items.new == 1
    assert len(box.items(run, of)) == 1
    assert sum("cannot be one here" in one for one in done.notes) == 2
    assert box.bring().nothing_new


def test_items_of_several_runs_in_one_file_and_ids_that_repeat(box: Box) -> None:
    runs = [a_run("evalrun_a"), a_run("evalrun_b")]
    mixed = [an_item(k, run=run, id=str(k)) for k in range(2) for run in ("evalrun_a", "evalrun_b")]
    box.put("all.json", [an_eval(), *runs, *mixed])
    done = box.bring()
    assert done.items.new == 4
    assert "ids of items of evalrun_b are those of another run's items" in " ".join(done.notes)
    assert [len(box.items(name)) for name in ("evalrun_a", "evalrun_b")] == [2, 2]
    assert box.bring().nothing_new


def test_an_item_twice_is_said_equal_or_different(box: Box) -> None:
    box.put("all.json", [an_eval(), a_run(), an_item(0), an_item(0)])
    done = box.bring()
    assert (done.items.new, done.items.same) == (1, 1)
    box.put("more.json", [an_item(0, "Rome")])
    other = box.bring()
    assert (other.items.same, other.items.kept) == (2, 1)
    assert "come twice and differ" in " ".join(other.notes)
    assert box.items()[0]["status"] == "pass"


def test_a_run_twice_is_the_finished_one(box: Box) -> None:
    box.put("a.json", [an_eval(), a_run()])
    box.put("b.json", [a_run(status="in_progress")])
    done = box.bring()
    assert "the run evalrun_a comes twice and differs" in " ".join(done.notes)
    assert box.kept.get_run("eval_a", "evalrun_a")["status"] == "completed"


def test_items_without_their_run_and_runs_without_their_eval_have_stand_ins(box: Box) -> None:
    box.put("items.json", page(an_item(0), an_item(1, "Rome")))
    done = box.bring()
    said = " ".join(done.notes)
    assert "the run evalrun_a is not among the files" in said
    assert "the eval eval_a, which the run evalrun_a is of, is not among the files" in said
    run = box.kept.get_run("eval_a", "evalrun_a")
    assert run["result_counts"] == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert box.bring().nothing_new
    # Once they come, they take the place of what stood for them.
    box.put("rest.json", [an_eval(), a_run()])
    later = box.bring()
    assert (later.evals.new, later.runs.new, later.items.same) == (1, 1, 2)
    assert box.kept.get("eval_a")["name"] == "capitals"
    assert box.kept.get_run("eval_a", "evalrun_a")["model"] == "gpt-4o-mini"


def test_the_dashboards_file_of_a_runs_results(box: Box) -> None:
    rows = [
        {
            "run_id": "evalrun_d", "data_source_idx": k, "item": {"answer": "Paris"},
            "sample": {"outputs": [{"role": "assistant", "content": output}], "finish_reason": "stop",
                       "token_usage": {"total_tokens": 3}},
            "grades": {f"exact-{UUID}": float(output == "Paris"), f"alike-{UUID}": 0.75},
            "passes": {f"exact-{UUID}": output == "Paris", f"alike-{UUID}": True},
            "grader_samples": {},
        }
        for k, output in enumerate(("Paris", "Pari"))
    ]  # fmt: skip
    box.put("eval.json", an_eval())
    box.put("download.jsonl", "\n".join(map(json.dumps, rows)))
    done = box.bring()
    assert "by the names of their results, of eval_a" in " ".join(done.notes)
    first, second = box.items("evalrun_d")
    assert [first["status"], second["status"]] == ["pass", "fail"]
    assert second["results"][1]["score"] == 0.75
    assert second["sample"]["output"][0]["content"] == "Pari"
    assert second["sample"]["usage"] == {"total_tokens": 3}


def test_a_page_that_is_not_the_last_is_noticed(box: Box) -> None:
    counts = {"total": 250, "passed": 250, "failed": 0, "errored": 0}
    box.put("all.json", [an_eval(), a_run(result_counts=counts), page(an_item(0), more=True)])
    done = box.bring()
    assert "evalrun_a says it has 250 output items, and 1 are here" in " ".join(done.notes)


@pytest.mark.parametrize(
    "called", ["file-rows.jsonl", "file-rows", "capitals.jsonl", "2025-file-rows (1).jsonl"]
)
def test_a_run_finds_its_file_by_id_or_by_name(box: Box, called: str) -> None:
    box.put("all.json", [an_eval(), a_run()])
    box.put("files.json", page({"object": "file", "id": "file-rows", "filename": "capitals.jsonl"}))
    box.put(called, '{"item": {"answer": "Paris"}}\n')
    done = box.bring()
    assert list(done.file_ids.values()) == ["file-rows"]
    assert not [one for one in done.notes if "not among the files" in one]


def test_a_file_that_nobody_names_is_there_under_a_new_id_and_one_that_is_missing_is_said(
    box: Box,
) -> None:
    box.put("all.json", [an_eval(), a_run()])
    box.put("rows.json", [{"item": {"answer": "Paris"}}, {"item": {"answer": "Rome"}}])
    done = box.bring()
    (name,) = done.file_ids.values()
    assert box.kept.store.files.path(name).read_bytes().count(b"\n") == 2
    assert "the file file-rows, which holds the rows of a run, is not among the files" in " ".join(
        done.notes
    )


def test_what_is_no_export_is_named_and_broken_files_are_problems(box: Box) -> None:
    box.put("README.md", "# hello")
    box.put("empty", "")
    box.put("error.json", {"error": {"message": "Incorrect API key provided"}})
    box.put("body.json", {"name": "r", "data_source": {"type": "jsonl"}})
    box.put("other.json", {"hello": 1})
    box.put("cut.jsonl", json.dumps(an_item(0)) + '\n{"object": "eval.run.outp')
    box.put("cut.json", '[{"object": "eval", "id": "eval_z", "testing_criteria": []}, {"a"')
    box.put("broken.zip", b"PK\x03\x04junk")
    done = box.bring()
    said = "\n".join(done.notes)
    assert "README.md: no JSON; passed over" in said
    assert "an error of the API and no object: Incorrect API key provided" in said
    assert "the body of evals.runs.create" in said
    assert "its keys are hello" in said
    assert any("cut.jsonl" in one for one in done.problems)
    assert any("cut.json:" in one for one in done.problems)
    assert done.items.new == 1


def test_a_deleted_eval_comes_back(box: Box) -> None:
    whole(box)
    box.bring()
    box.kept.delete("eval_a")
    done = box.bring()
    assert "the eval eval_a was deleted here, and is back" in done.notes
    assert len(box.items()) == 2


def test_a_criterion_that_cannot_be_graded_here_is_said_and_kept(box: Box) -> None:
    foreign = {
        "type": "azure_ai_evaluator",
        "name": "violence",
        "evaluator_name": "builtin.violence",
    }
    box.put("eval.json", an_eval(testing_criteria=[{**EXACT, "flavour": 1}, foreign]))
    done = box.bring()
    assert "fields of the criterion exact that are not kept: flavour" in done.notes
    assert any("the criterion violence cannot be graded here" in one for one in done.notes)
    assert box.kept.get("eval_a")["testing_criteria"][1] == foreign


def test_an_eval_without_an_id_gets_one_that_stays(box: Box) -> None:
    box.put("eval.json", {k: v for k, v in an_eval().items() if k != "id"})
    (name,) = box.bring().runs_of
    assert box.bring().nothing_new
    assert box.kept.get(name)["name"] == "capitals"


def test_promptfoos_import_of_a_dashboards_file_gives_the_lines_back(box: Box) -> None:
    row = {"run_id": "evalrun_d", "data_source_idx": 0, "item": {"answer": "Paris"},
           "sample": {"outputs": [{"content": "Paris"}]}, "grades": {"exact": 1.0}, "passes": {"exact": True}}  # fmt: skip
    result = {
        "promptIdx": 0,
        "testIdx": 0,
        "gradingResult": {},
        "metadata": {"openai": {"outputItem": row}},
    }
    box.put(
        "promptfoo.json",
        {
            "evalId": "openai-evals-evalrun_d",
            "config": {},
            "results": {"version": 3, "results": [result]},
        },
    )
    box.put("eval.json", an_eval())
    box.bring()
    (item,) = box.items("evalrun_d")
    assert (item["status"], item["datasource_item"]) == ("pass", {"answer": "Paris"})


def test_promptfoos_tests_that_compare_with_texts_of_their_own_are_rows(box: Box) -> None:
    tests = [
        {"vars": {"q": q}, "assert": [{"type": "starts-with", "value": a}, {"type": "python", "value": "1"}]}
        for q, a in (("France?", "Paris"), ("Italy?", "Rome"))
    ]  # fmt: skip
    box.put("config.yaml", json.dumps({"prompts": ["{{q}}"], "tests": tests}))
    done = box.bring()
    (name,) = done.runs_of
    (criterion,) = box.kept.get(name)["testing_criteria"]
    assert (criterion["type"], criterion["name"]) == ("python", "starts-with 1")
    assert any("passes the same" in one for one in done.notes)
    (file,) = done.file_ids.values()
    rows = box.kept.store.files.path(file).read_text().splitlines()
    assert [json.loads(one)["item"]["expected"] for one in rows] == ["Paris", "Rome"]


def test_promptfoos_own_results_and_config_are_read_as_far_as_they_mean_the_same(box: Box) -> None:
    config = {
        "description": "capitals", "prompts": ["{{question}}"], "providers": ["openai:gpt-4o-mini"],
        "defaultTest": {"assert": [
            {"type": "equals", "value": "{{ answer }}", "metric": "exact"},
            {"type": "contains", "value": "{{ answer | upper }}"},
            {"type": "similar", "value": "{{answer}}", "threshold": 0.8},
            {"type": "llm-rubric", "value": "polite"},
        ]},
        "tests": [{"vars": {"answer": "Paris"}}, {"vars": {"item": {"answer": "Rome"}}}],
    }  # fmt: skip
    box.put("config.yaml", json.dumps(config))
    done = box.bring()
    (name,) = done.runs_of
    (criterion,) = box.kept.get(name)["testing_criteria"]
    assert criterion["reference"] == "{{ item.answer }}"
    assert sum("left out of what promptfoo asserts" in one for one in done.notes) == 3
    (file,) = done.file_ids.values()
    rows = box.kept.store.files.path(file).read_text().splitlines()
    assert [json.loads(one) for one in rows] == [
        {"item": {"answer": "Paris"}},
        {"item": {"answer": "Rome"}},
    ]
    result = {
        "promptIdx": 0, "testIdx": 1, "vars": {"answer": "Paris"}, "success": False, "score": 0,
        "provider": {"id": "openai:gpt-4o-mini"}, "prompt": {"raw": "Q", "label": "q"},
        "response": {"output": "Rome"},
        "gradingResult": {"componentResults": [
            {"pass": False, "score": 0, "reason": "no", "assertion": {"type": "equals", "metric": "exact"}},
        ]},
    }  # fmt: skip
    body = {
        "evalId": "eval-x",
        "results": {"version": 3, "timestamp": "2025-01-01T00:00:00Z", "results": [result]},
    }
    box.put("results.json", {**body, "config": config})
    box.bring()
    (item,) = box.items("eval-x-0", "eval-x")
    assert (item["datasource_item_id"], item["status"]) == (1, "fail")
    assert item["sample"]["output"][0]["content"] == "Rome"
    assert every_run(box.kept, "eval-x")[0]["created_at"] == 1_735_689_600


@pytest.mark.parametrize(
    "value", [1, "x", None, [1], {}, {"data": 3}, {"item": 3}, {"results": [1]}]
)
def test_nothing_that_is_json_is_too_odd_to_be_named(value: Any) -> None:
    assert {one.kind for one in pieces(value)} <= {"note"}


def test_a_list_in_a_list_without_end_is_given_up() -> None:
    value: Any = []
    for _ in range(50):
        value = [value]
    assert [one.kind for one in pieces(value)] == ["note"]


@pytest.mark.parametrize(
    ("result", "place"),
    [
        ({"name": f"alike-{UUID}"}, 1),
        ({"name": "alike"}, 1),
        ({"name": "alike-aaaaaaaa-2222-4333-8444-555555555555"}, 1),
        ({"name": "", "type": "string-check-grader"}, 0),
        ({"name": "nobody"}, None),
    ],
)
def test_a_result_finds_its_criterion(result: dict[str, Any], place: int | None) -> None:
    assert place_of([EXACT, ALIKE], result) == place
