"""`graders evals`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done
from tests.evals.conftest import EXACT, JUDGE, eval_body, jsonl
from tests.evals.test_move import a_run, an_eval, an_item, page
from tests.models.server import ScriptedServer, completion

Command = Callable[..., Done]
DATA = ("--data-dir", "data")


@pytest.fixture(autouse=True)
def export(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export of an eval, and the bodies of another."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    place = folder / "export"
    place.mkdir()
    (place / "all.json").write_text(json.dumps([an_eval(), a_run()]))
    (place / "items.json").write_text(json.dumps(page(an_item(0), an_item(1, "Rome"))))
    (place / "file-rows.jsonl").write_text('{"item": {"answer": "Paris"}}\n' * 2)
    (folder / "eval.json").write_text(json.dumps(eval_body(EXACT)))
    source = jsonl(("Paris", "Paris"), ("Paris", "Rome"))
    (folder / "run.json").write_text(json.dumps({"name": "mine", "data_source": source}))
    return place


def test_an_export_is_imported_compared_and_written_out_again(
    command: Command, folder: Path
) -> None:
    done = command("evals", "import", "export", *DATA)
    assert done.code == 0, done.err
    assert "eval_a: evalrun_a" in done.out
    assert "nothing is new" in command("evals", "import", "export", *DATA).out
    listed = command("evals", "list", *DATA)
    assert "eval_a  2023-11-14" in listed.out
    assert "evalrun_a" in command("evals", "list", "eval_a", *DATA).out
    compared = command("evals", "compare", "evalrun_a", *DATA)
    assert compared.code == 0, compared.err
    assert "the one criterion without a model: equal to the last bit" in compared.out
    assert command("evals", "export", "eval_a", "-o", "out", "--as", "folder", *DATA).code == 0
    names = sorted(one.name for one in (folder / "out").iterdir())
    assert names == [
        "eval.json",
        "evalrun_a.json",
        "evalrun_a.output_items.jsonl",
        "file-rows.jsonl",
    ]
    assert "nothing is new" in command("evals", "import", "out", *DATA).out
    assert command("evals", "import", "out", "--data-dir", "other").code == 0
    for what in (("show", "eval_a"), ("show", "evalrun_a"), ("items", "evalrun_a")):
        here = command("evals", *what, *DATA, "--json").json
        assert here == command("evals", *what, "--data-dir", "other", "--json").json


def test_files_are_compared_without_a_store(command: Command, folder: Path) -> None:
    told = command("evals", "compare", "export", "--json").json
    assert told["run_id"] == "evalrun_a"
    assert [one["equal"] for one in told["criteria"]] == [2, 0]
    items = page(an_item(0), an_item(1, "Rome"))
    items["data"][1]["results"][0].update(score=0.5)
    (folder / "export" / "items.json").write_text(json.dumps(items))
    done = command("evals", "compare", "export")
    assert done.code == 1
    assert "differ though no model has a say in them: exact" in done.out
    assert "row 1  outputitem_evalrun_a_1  exact  0.5 → 0.0" in done.out


def test_a_judge_is_compared_where_a_server_is_named(command: Command, folder: Path) -> None:
    judge = {**JUDGE, "id": "judge-1", "input": [{"role": "user", "content": "{{item.answer}}"}]}
    (folder / "export" / "all.json").write_text(
        json.dumps([an_eval(testing_criteria=[judge]), a_run()])
    )
    items = page(an_item(0, results=[{"name": "judge-1", "score": 0.5, "passed": True}]))
    (folder / "export" / "items.json").write_text(json.dumps(items))
    alone = command("evals", "compare", "export")
    assert "--judges asks again" in alone.out
    assert (alone.code, "not compared:" in alone.out) == (0, True)
    assert "no criterion was compared that must be equal" in alone.out
    server = ScriptedServer(lambda *_: completion('{"steps": [], "result": 0.25}'))
    try:
        done = command("evals", "compare", "export", "--base-url", server.url, "--no-cache")
    finally:
        server.stop()
    assert done.code == 0, done.err
    assert "0.5 → 0.25  pass → fail" in done.out


def test_a_run_without_a_server_and_its_results(command: Command, folder: Path) -> None:
    done = command("evals", "run", "eval.json", "run.json", *DATA, "-o", "results.jsonl")
    assert done.code == 0, done.err
    assert "2 rows: 1 passed (50.0 %), 1 failed, 0 without a verdict" in done.out
    first = json.loads((folder / "results.jsonl").read_text().splitlines()[0])
    assert (first["index"], first["reward"], first["failures"]) == (0, 1.0, [])
    assert "2 rows" in command("report", "results.jsonl").out
    page_ = command("report", "results.jsonl", "-o", "r.html", "--rows", "results.rows.jsonl")
    assert page_.code == 0, page_.err
    run = command("evals", "list", *DATA, "--json").json["data"][0]["id"]
    for name, form in (("again.jsonl", "results"), ("again.rows.jsonl", "rows")):
        exported = command("evals", "export", run, "-o", name, "--as", form, *DATA)
        assert exported.code == 0, exported.err
    assert command("evals", "report", run, "--with", run, "-o", "page.html", *DATA).code == 0
    assert "Rome" in (folder / "page.html").read_text()
    assert command("diff", "results.jsonl", "again.jsonl", "--fail-on-flip").code == 0
    rows = command("evals", "run", run, "--data", "again.rows.jsonl", *DATA, "-o", "third.jsonl")
    assert rows.code == 0, rows.err
    assert command("diff", "results.jsonl", "third.jsonl", "--fail-on-flip").code == 0
    labels = ("--label", "item.answer", "--passing", "Paris")
    assert command("agree", "third.jsonl", "again.rows.jsonl", *labels).code == 0


def test_the_lines_are_those_of_score(command: Command, folder: Path) -> None:
    (folder / "eval.json").write_text(json.dumps(eval_body()))
    command("evals", "run", "eval.json", "run.json", *DATA, "-o", "results.jsonl")
    done = command("score", "eval.json", "results.rows.jsonl", "-o", "scored.jsonl")
    assert done.code == 0, done.err
    both = [
        [json.loads(one) for one in (folder / name).read_text().splitlines()]
        for name in ("results.jsonl", "scored.jsonl")
    ]
    for mine, other in zip(*both, strict=True):
        assert {**mine, "output_item": 0} == {**other, "output_item": 0}


def test_an_item_without_a_verdict_is_exit_1_and_says_why(command: Command, folder: Path) -> None:
    source = jsonl(("Paris", None))
    (folder / "run.json").write_text(json.dumps({"data_source": source}))
    done = command("evals", "run", "eval.json", "run.json", *DATA, "-o", "results.jsonl")
    assert done.code == 1
    line = json.loads((folder / "results.jsonl").read_text())
    assert (line["reward"], line["failures"][0]["where"]) == (None, "")
    run = command("evals", "list", *DATA, "--json").json["data"][0]["id"]
    assert "no sample" in command("evals", "items", run, "--status", "error", *DATA).out


def test_rows_of_a_run_may_stand_in_a_file_beside_its_body(command: Command, folder: Path) -> None:
    shutil.copy(folder / "export" / "file-rows.jsonl", folder / "dir" / "mine.jsonl")
    body = {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "mine.jsonl"}}}
    (folder / "dir" / "run.yaml").write_text(json.dumps(body))
    check = {**EXACT, "input": "{{ item.answer }}", "reference": "Paris"}
    (folder / "eval.json").write_text(json.dumps(eval_body(check)))
    done = command("evals", "run", "eval.json", "dir/run.yaml", *DATA)
    assert done.code == 0, done.err
    assert "2 rows: 2 passed" in done.out


def test_the_object_of_an_eval_keeps_its_id_and_a_run_of_the_store_runs_again(
    command: Command, folder: Path
) -> None:
    command("evals", "import", "export", *DATA)
    (folder / "one.json").write_text(json.dumps(an_eval()))
    done = command("evals", "run", "one.json", "evalrun_a", *DATA, "--json")
    assert done.json["eval_id"] == "eval_a"
    assert done.json["data_source"] == a_run()["data_source"]


def test_canceled_and_deleted(command: Command) -> None:
    command("evals", "import", "export", *DATA)
    assert "cannot be canceled any more" in command("evals", "cancel", "evalrun_a", *DATA).err
    assert "nothing to go on with" in command("evals", "resume", "evalrun_a", *DATA).err
    assert command("evals", "delete", "evalrun_a", "--yes", *DATA).out == "deleted evalrun_a\n"
    assert command("evals", "delete", "eval_a", "--yes", *DATA, "--json").json["deleted"] is True
    assert command("evals", "list", *DATA).out == "There are no evals here.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "evalrun_b"), "no such eval or run: evalrun_b; did you mean evalrun_a?"),
        (("show", "zzz"), "graders evals list shows what there is"),
        (("run", "eval_b", "run.json"), "did you mean eval_a?"),
        (("run", "evl.json", "run.json"), "did you mean eval.json?"),
        (("run", "eval.json", "evalrun_b"), "did you mean evalrun_a?"),
        (("run", "eval.json", "eval_a"), "eval_a is an eval; RUN is a run of it"),
        (("run", "evalrun_a", "run.json"), "evalrun_a is a run"),
        (("run", "eval.json"), "RUN says what is run over"),
        (("run", "run.json", "run.json"), "testing_criteria is required"),
        (("import", "exprt"), "did you mean export?"),
        (("import", "dir"), "no eval, run, output item or row is in there"),
        (("compare", "evalrun_b"), "did you mean evalrun_a?"),
        (("compare", "export", "evalrun_a"), "compared apart"),
        (("compare", "exprt/items.json"), "did you mean export/items.json?"),
        (("export", "eval_a", "-o", "export", "--as", "folder"), "export is there already"),
        (("export", "eval_a", "-o", "export"), "export cannot be written"),
        (("report", "evalrun_b", "-o", "x.html"), "did you mean evalrun_a?"),
        (("resume", "eval_a"), "eval_a is an eval"),
        (("list", "--after", "nope"), "after is the id"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(
    command: Command, refused: Any, words: tuple[str, ...], says: str
) -> None:
    command("evals", "import", "export", *DATA)
    done = command("evals", *words, *(() if words[0] == "x" else DATA))
    refused(done)
    assert says in done.err


def test_what_could_not_be_read_is_exit_1(command: Command, folder: Path) -> None:
    (folder / "export" / "cut.json").write_text('[{"object": "eval"}, {"a"')
    done = command("evals", "import", "export", *DATA)
    assert done.code == 1
    assert "not imported: export/cut.json" in done.out


def test_criteria_that_are_not_here_cannot_be_compared(
    command: Command, folder: Path, refused: Any
) -> None:
    (folder / "export" / "all.json").unlink()
    done = command("evals", "compare", "export")
    refused(done)
    assert "import the object of its eval eval_a too" in done.err


def test_runs_that_cannot_be_compared_keep_none_from_it(command: Command, folder: Path) -> None:
    other = page(an_item(0, run="evalrun_x", of="eval_x"))
    (folder / "export" / "more.json").write_text(json.dumps(other))
    done = command("evals", "compare", "export")
    assert done.code == 0
    assert "evalrun_a of eval_a" in done.out
    assert "the criteria of evalrun_x are not here" in done.err


def test_a_run_that_asked_a_model_runs_again_with_another(command: Command, folder: Path) -> None:
    source = {
        "type": "completions", "model": "gpt-4.1-nano", "source": {"type": "file_id", "id": "file-rows"},
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.answer}}?"}]},
        "sampling_params": {"seed": 42, "temperature": 1.0, "max_completions_tokens": 2048},
    }  # fmt: skip
    (folder / "export" / "all.json").write_text(json.dumps([an_eval(), a_run(data_source=source)]))
    command("evals", "import", "export", *DATA)
    server = ScriptedServer(lambda *_: completion("Paris"))
    try:
        done = command(
            "evals", "run", "eval_a", "evalrun_a", *DATA, "--rollout-url", server.url,
            "--model-map", "gpt-4.1-nano=small", "-o", "new.jsonl",
        )  # fmt: skip
    finally:
        server.stop()
    assert done.code == 0, done.err
    assert "2 rows: 2 passed" in done.out
    assert server.asked[0].body["model"] == "small"
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Paris?"}]


def test_a_run_whose_model_is_nowhere_fails_and_is_gone_on_with(
    command: Command, folder: Path
) -> None:
    judge = {**JUDGE, "input": [{"role": "user", "content": "{{item.answer}}"}]}
    (folder / "eval.json").write_text(json.dumps(eval_body(judge)))
    source = {
        "type": "completions", "model": "small", "source": jsonl(("Paris", None))["source"],
        "input_messages": {"type": "item_reference", "item_reference": "item.question"},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps({"data_source": source}))
    gone = ("--base-url", "http://127.0.0.1:9/v1", "--attempts", "1", "--no-cache")
    done = command("evals", "run", "eval.json", "run.json", *DATA, *gone)
    assert (done.code, "failed" in done.out) == (1, True)
    run = command("evals", "list", *DATA, "--json").json["data"][0]["id"]
    server = ScriptedServer(lambda *_: completion('{"steps": [], "result": 1.0}'))
    try:
        done = command(
            "evals", "resume", command("evals", "list", run, *DATA, "--json").json["data"][0]["id"],
            *DATA, "--base-url", server.url, "--no-cache",
        )  # fmt: skip
    finally:
        server.stop()
    assert done.code == 0, done.err
    assert "1 row: 1 passed" in done.out


def test_help_is_eighty_columns_wide(command: Command) -> None:
    names = (
        "import",
        "compare",
        "report",
        "run",
        "list",
        "show",
        "items",
        "export",
        "resume",
        "cancel",
        "delete",
    )
    for words in ((), *((one,) for one in names)):
        said = command("evals", *words, "--help").out
        assert max(map(len, said.splitlines())) <= 80, words
