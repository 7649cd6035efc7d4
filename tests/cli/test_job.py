"""`graders job`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.cli.face import Face
from graders.cli.job import _run_here
from graders.jobs import RunOptions, Store
from tests.jobs.conftest import CHECK, lines, row, rows
from tests.models.server import ScriptedServer, completion
from tests.waiting import PATIENCE, until

Command = Callable[..., Any]
RUN = ("--data-dir", "data")


def write_body(folder: Path, **more: Any) -> None:
    (folder / "train.jsonl").write_bytes(lines(rows(12)))
    (folder / "valid.jsonl").write_bytes(lines(rows(4, 100)))
    body = {
        "model": "o4-mini-2025-04-16", "training_file": "train.jsonl",
        "validation_file": "valid.jsonl",
        "method": {
            "type": "reinforcement",
            "reinforcement": {"grader": CHECK, "hyperparameters": {"batch_size": 4}},
        },
        **more,
    }  # fmt: skip
    (folder / "body.json").write_text(json.dumps(body))


@pytest.fixture(autouse=True)
def body(folder: Path) -> None:
    write_body(folder)


def job_of(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = command("job", "list", *RUN, "--json").json["data"][0]
    return found


def test_a_job_is_run_and_its_verdict_shown(command: Command) -> None:
    done = command("job", "run", "body.json", *RUN)
    assert done.code == 0, done.err
    assert "succeeded" in done.out
    assert "verdict: this job would run" in done.out
    assert done.out.index("verdict") < done.out.index("ftjob-")
    assert re.search(r"samples +24 +8", done.out)
    assert re.search(r"train +[▁▂▃▄▅▆▇█]{3} ", done.out)
    assert "no weights were trained" in done.out
    assert done.err.startswith("graders: job ftjob-")
    place = Path(re.search(r"results: (.+)", done.out)[1])  # type: ignore[index]
    assert place.read_bytes().startswith(b'{"kind":"job"')


def test_json_is_the_job_object(command: Command) -> None:
    done = command("job", "run", "body.json", *RUN, "--json")
    assert done.json["status"] == "succeeded"
    assert done.json == command("job", "show", done.json["id"], *RUN, "--json").json


def test_files_are_put_into_the_store_once(command: Command, folder: Path) -> None:
    for _ in range(2):
        command("job", "run", "body.json", *RUN)
    (folder / "again.jsonl").write_bytes((folder / "train.jsonl").read_bytes())
    done = command("job", "run", "body.json", *RUN, "--training", "again.jsonl")
    assert done.code == 0
    with Store(folder / "data") as store:
        assert len(store.files.list(purpose="fine-tune")[0]) == 2


def test_ids_of_the_store_are_taken_too(command: Command, folder: Path) -> None:
    first = command("job", "run", "body.json", *RUN, "--json").json
    write_body(
        folder, training_file=first["training_file"], validation_file=first["validation_file"]
    )
    assert command("job", "run", "body.json", *RUN).code == 0


def test_a_body_in_yaml_from_another_folder(command: Command, folder: Path) -> None:
    (folder / "dir" / "train.jsonl").write_bytes(lines(rows(3)))
    (folder / "dir" / "body.yaml").write_text(
        "model: o4-mini\ntraining_file: train.jsonl\nvalidation_file: valid.jsonl\n"
        f"method: {{type: reinforcement, reinforcement: {{grader: {json.dumps(CHECK)}}}}}\n"
    )
    done = command("job", "run", "dir/body.yaml", *RUN, "--json")
    assert done.json["dry_run"]["verdict"]["rows"] == {"training": 3, "validation": 4}


def test_a_job_that_would_be_refused_exits_with_1(command: Command, folder: Path) -> None:
    (folder / "train.jsonl").write_bytes(lines([row(sample="x")]) + b"{\n")
    done = command("job", "run", "body.json", *RUN)
    assert done.code == 1
    assert "invalid_training_file" in done.out
    assert "line 2: not JSON" in done.out
    assert "verdict: this job would be refused" in done.out


@pytest.mark.parametrize("more", [{"seed": "x", "suffix": 5}, {"trainingfile": "x"}])
def test_a_body_that_would_be_refused_says_so(command: Command, folder: Path, more: Any) -> None:
    write_body(folder, **more)
    done = command("job", "run", "body.json", *RUN)
    assert done.code == 1
    assert done.out.startswith("verdict: this job would be refused\n  error ")
    assert all(f"$.{name}: " in done.out for name in more)
    found = command("job", "run", "body.json", *RUN, "--json", "--target", "azure").json
    assert found["status"] == "failed"
    assert found["dry_run"]["verdict"]["outcome"] == "would_be_refused"
    assert found["dry_run"]["target"] == "azure"
    assert command("job", "list", *RUN).out == "no jobs\n"


def test_each_end_has_an_exit_code_of_its_own(command: Command, folder: Path) -> None:
    def code(*more: str, said: str) -> int:
        done = command("job", "run", "body.json", *RUN, *more)
        assert done.out.startswith(f"verdict: {said}"), done.out
        return int(done.code)

    assert code(said="this job would run, as far as") == 0
    openai = "this job would be refused (target openai)\n  error base_model_off: "
    assert code("--target", "openai", said=openai) == 1
    (folder / "train.jsonl").write_bytes(lines([row(samples=["3", "3"])]))
    nothing = (
        "this job would run but teach nothing\n  error constant_reward: all 2 training samples"
    )
    assert code(said=nothing) == 3
    (folder / "train.jsonl").write_bytes(lines([row()]))
    assert code(said="not known: we need something to tell") == 4
    outcomes = {one["dry_run"]["verdict"]["outcome"] for one in command(
        "job", "list", *RUN, "--json"
    ).json["data"]}  # fmt: skip
    assert len(outcomes) == 4
    shown = command("job", "list", *RUN).out
    assert all(one.replace("_", " ") in shown for one in outcomes)


def test_a_job_of_an_older_store_is_shown(command: Command, folder: Path) -> None:
    command("job", "run", "body.json", *RUN)
    with Store(folder / "data") as store, store.database.writing() as base:
        found = json.loads(base.execute("SELECT verdict FROM job").fetchone()["verdict"])
        del found["target"]
        found |= {"outcome": "would_succeed", "lint": [], "reasons": []}
        base.execute("UPDATE job SET verdict=?", (json.dumps(found),))
    assert (
        "verdict: this job would succeed" in command("job", "show", job_of(command)["id"], *RUN).out
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"training_file": "nothing.jsonl"}, "there is no file 'nothing.jsonl'"),
        ({"training_file": "a\0b"}, "there is no file"),
    ],
)
def test_a_body_that_names_no_file_is_bad_usage(
    command: Command, folder: Path, refused: Any, more: Any, says: str
) -> None:
    write_body(folder, **more)
    done = command("job", "run", "body.json", *RUN)
    refused(done)
    assert says in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nothing.json"], "there is no such file"),
        (["run", "train.jsonl"], "not JSON"),
        (["run", "body.json", "--training", "nothing.jsonl"], "does not exist"),
        (["rum"], "Did you mean run?"),
        (["list", "--metadata", "x"], "is not NAME=VALUE"),
        (["list", "--after", "ftjob-x"], "there is no"),
        (["show", "../../etc/passwd"], "Could not find fine tune"),
        (["resume", "ftjob-x"], "graders job list shows what there is"),
    ],
)
def test_bad_usage(command: Command, refused: Any, arguments: list[str], says: str) -> None:
    more = () if arguments[0] == "rum" else RUN
    done = command("job", *arguments, *more)
    refused(done)
    assert says in done.err


def test_the_nearest_job_is_named(command: Command, refused: Any) -> None:
    command("job", "run", "body.json", *RUN)
    name = job_of(command)["id"]
    for what in ("show", "events", "pause", "resume", "cancel"):
        done = command("job", what, name[:-1], *RUN)
        refused(done)
        assert f"did you mean {name}?" in done.err


def test_list_shows_whole_ids_and_filters(command: Command, folder: Path) -> None:
    assert command("job", "list", *RUN).out == "no jobs\n"
    write_body(folder, metadata={"team": "a"})
    command("job", "run", "body.json", *RUN)
    name = job_of(command)["id"]
    write_body(folder)
    command("job", "run", "body.json", *RUN)
    assert name in command("job", "list", *RUN).out
    found = command("job", "list", *RUN, "--metadata", "team=a", "--json").json
    assert [one["id"] for one in found["data"]] == [name]
    assert "there are more: --after" in command("job", "list", *RUN, "--limit", "1").out


def test_events_are_told_in_order(command: Command) -> None:
    command("job", "run", "body.json", *RUN)
    name = job_of(command)["id"]
    told = command("job", "events", name, *RUN).out
    assert told.index("Created fine-tuning job") < told.index("Step 1/3") < told.index("Step 3/3")
    assert "there are older ones" in command("job", "events", name, *RUN, "--limit", "2").out
    found = command("job", "events", name, *RUN, "--json").json
    assert found["data"][0]["message"].endswith("The job has successfully completed")


def test_a_model_names_cannot_steer_the_terminal(command: Command, folder: Path) -> None:
    training = [row("x\x1b[31m", "2", sample={"output_json": "\x1b]0;x\x07"})]
    (folder / "train.jsonl").write_bytes(lines(training))
    reads = {**CHECK, "input": "{{ sample.output_json.x }}"}
    method = {"type": "reinforcement", "reinforcement": {"grader": reads}}
    write_body(folder, method=method)
    (folder / "train.jsonl").write_bytes(lines(training))
    done = command("job", "run", "body.json", *RUN)
    assert done.code == 3
    assert not set("\x1b\x07") & set(done.out + done.err)


def test_pause_resume_and_cancel(command: Command, folder: Path) -> None:
    with Store(folder / "data") as store:
        files = [
            store.files.create([lines(rows(3, n))], filename="x", purpose="fine-tune")["id"]
            for n in (0, 50)
        ]
        method = {"type": "reinforcement", "reinforcement": {"grader": CHECK}}
        made = [
            store.jobs.create(
                {"model": "o4-mini", "training_file": files[0], "validation_file": files[1],
                 "method": method}
            )["id"]
            for _ in range(2)
        ]  # fmt: skip
    assert command("job", "pause", made[0], *RUN, "--json").json["status"] == "paused"
    assert "paused already" in command("job", "pause", made[0], *RUN).err
    done = command("job", "resume", made[0], *RUN)
    assert done.code == 0
    assert "succeeded" in done.out
    assert "is succeeded; only a paused job" in command("job", "resume", made[0], *RUN).err
    assert "cancelled" in command("job", "cancel", made[1], *RUN).out
    assert command("job", "resume", made[1], *RUN).code == 2
    with Store(folder / "data") as store:
        other = store.jobs.create(
            {"model": "o4-mini", "training_file": files[0], "validation_file": files[1],
             "method": method}
        )["id"]  # fmt: skip
        with store.jobs.claim(other):
            done = command("job", "resume", other, *RUN)
    assert done.code == 0
    assert "is run by another process, and goes on there" in done.err


def test_an_interrupted_job_is_gone_on_with(
    command: Command, folder: Path, program: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    waiting = True

    def script(asked: Any, count: int) -> Any:
        told = completion("2")
        told.held = lambda: waiting and count > 4
        return told

    server = ScriptedServer(script)
    try:
        (folder / "train.jsonl").write_bytes(lines([row("a"), row("b")]))
        write = json.loads((folder / "body.json").read_text())
        write["method"]["reinforcement"]["hyperparameters"] = {"batch_size": 1}
        (folder / "body.json").write_text(json.dumps(write))
        started = subprocess.Popen(
            [*program, "job", "run", "body.json", *RUN, "--rollout-url", server.url],
            cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            until(lambda: len(server.asked) == 8)
            started.send_signal(signal.SIGINT)
            out, err = started.communicate(timeout=PATIENCE)
        finally:
            started.kill()
            started.communicate()
        assert started.returncode == 130
        assert out == ""
        name = job_of(command)["id"]
        assert f"interrupted; graders job resume {name} goes on" in err
        assert job_of(command)["dry_run"]["step"] == 1
        waiting = False
        done = command("job", "resume", name, *RUN, "--rollout-url", server.url)
        assert done.code == 3, done.err  # It always answers the same.
        assert job_of(command)["status"] == "succeeded"
        assert len(server.asked) == 8 + 4
    finally:
        server.stop()


def test_a_job_that_another_process_took_is_followed_to_its_end(
    command: Command, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command("job", "run", "body.json", *RUN)
    capfd.readouterr()
    with Store(folder / "data") as store:
        done = store.jobs.get(store.jobs.list()[0][0]["id"])
        name = store.jobs.create(
            {name: done[name] for name in ("model", "training_file", "validation_file", "method")}
        )["id"]
        other = threading.Thread(target=lambda: store.jobs.cancel(name))
        with store.jobs.claim(name):
            other.start()
            code = _run_here(store, name, RunOptions(), face=Face("json"), follow=True)
        other.join()
    out, err = capfd.readouterr()
    assert code == 130
    assert json.loads(out)["status"] == "cancelled"
    assert "is run by another process; following it" in err
