"""Outputs: whole or not at all, one run at a time, taken up to the byte after any interruption."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.manifest import manifest_of, read_manifest
from graders.batch.output import FileOutput, StreamOutput, partial_of
from graders.batch.run import MaxFailures
from graders.cli import _main
from graders.errors import OptionError, RowsError, StoppedError
from graders.metrics import native_core
from tests.batch.conftest import GRADER, Score, lines
from tests.waiting import PATIENCE, until

MANIFEST: dict[str, Any] = {
    "format": 1, "versions": {"graders": "1"}, "grader": {"name": "g", "type": "multi", "sha256": "1"},
    "metrics": {}, "sandbox": None, "options": {"limit": None}, "inputs": [],
}  # fmt: skip
LINE = b'{"index":%d,"reward":1.0,"sub_rewards":{},"failures":[]}\n'


def test_results_appear_whole_under_their_name(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"before")
    with FileOutput(out, MANIFEST) as output:
        output.write(b"half")
        assert out.read_bytes() == b"before"
        assert partial_of(out).read_bytes() == b"half"
        output.finish(1)
    assert out.read_bytes() == b"half"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out.jsonl", "out.jsonl.manifest.json"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_keeps_what_was_there_and_what_is_finished(
    tmp_path: Path, error: type[BaseException]
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"before")

    def write_and_stop() -> None:
        with FileOutput(out, MANIFEST) as output:
            output.write(b"finished")
            raise error

    with pytest.raises(error):
        write_and_stop()
    assert out.read_bytes() == b"before"
    assert partial_of(out).read_bytes() == b"finished"


def test_a_run_that_finished_nothing_leaves_nothing_behind(tmp_path: Path) -> None:
    with FileOutput(tmp_path / "out.jsonl", MANIFEST):
        pass
    assert list(tmp_path.iterdir()) == []


def test_results_go_through_a_link_to_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.jsonl"
    link = tmp_path / "link.jsonl"
    link.symlink_to(target)
    with FileOutput(link, MANIFEST) as output:
        output.write(b"x")
        output.finish(1)
    assert link.is_symlink()
    assert target.read_bytes() == b"x"


def test_a_device_is_written_directly() -> None:
    with StreamOutput(Path("/dev/null")) as output:
        output.write(b"x")
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null.partial").exists()


def test_a_full_device_is_one_sentence() -> None:
    with (
        pytest.raises(RowsError, match="/dev/full: cannot be written: No space left on device"),
        StreamOutput(Path("/dev/full")) as output,
    ):
        output.write(b"x")


@pytest.mark.parametrize(("name", "reason"), [("no/such/out.jsonl", "No such file or directory")])
def test_an_output_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(RowsError, match=f"cannot be written: {reason}"):
        FileOutput(tmp_path / name, MANIFEST)


def test_an_output_may_be_a_pipe(score: Score, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    score(output="pipe")
    reader.join(PATIENCE)
    score()
    assert got[0] == (tmp_path / "out.jsonl").read_bytes()
    assert not (tmp_path / "pipe.partial").exists()


def test_a_second_run_on_one_output_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0)
        with pytest.raises(RowsError, match="another run is writing it"):
            FileOutput(out, MANIFEST)
        with pytest.raises(RowsError, match="another run is writing it"):
            FileOutput(out, MANIFEST, resume=True)
        output.finish(1)
    with FileOutput(out, MANIFEST):
        pass


@pytest.mark.parametrize(
    "tail",
    [
        b"", b"{", LINE % 2, (LINE % 2)[:-1], (LINE % 2)[:-2], b"\0" * 5000, b"\0" * 100 + LINE % 9,
        (LINE % 2)[:20] + b"\0" * 40 + b"\n", b'{"index":2}\n', b"\n", b"\xff\xfe\n" * 3, b"[]\n",
    ],
)  # fmt: skip
def test_whatever_the_tail_only_whole_results_are_taken_up(tmp_path: Path, tail: bytes) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0 + LINE % 1)
    with partial_of(out).open("ab") as more:
        more.write(tail)
    whole = 3 if tail == LINE % 2 else 2
    with FileOutput(out, MANIFEST, resume=True) as output:
        assert output.finished.rows == whole
        assert output.finished.next_index == whole
        assert output.finished.tally.rows == whole
        output.write(b"more\n")
    kept = LINE % 0 + LINE % 1 + (LINE % 2 if whole == 3 else b"")
    assert partial_of(out).read_bytes() == kept + b"more\n"


def test_an_interrupted_run_is_not_dropped_unless_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0)
    with pytest.raises(OptionError, match="--resume goes on with them, --restart drops them"):
        FileOutput(out, MANIFEST)
    with FileOutput(out, MANIFEST, restart=True) as output:
        assert output.finished.rows == 0
        output.write(LINE % 0)
    # Nor by another run, which could not go on with it.
    with pytest.raises(OptionError, match="--restart drops them"):
        FileOutput(out, {**MANIFEST, "grader": {"name": "g", "type": "multi", "sha256": "2"}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grader": {"name": "g", "type": "multi", "sha256": "2"}}, "the grader has changed"),
        (
            {"grader": {"name": "h", "type": "multi", "sha256": "2"}},
            'the grader has changed \\(it was "g"\\)',
        ),
        ({"options": {"limit": 3}}, "an option has changed: limit was null and is 3"),
        ({"versions": {"graders": "2"}}, "graders was 1 and is 2"),
        ({"metrics": {"g": "bleu|2"}}, "a metric is made otherwise: g was null and is bleu|2"),
        (
            {"extensions": {"acme": "1.0"}, "metrics": {"g": "bleu|2"}},
            "an extension has changed: acme was none and is 1.0;",
        ),
        ({"sandbox": "light"}, "the sandbox was None and is light"),
        ({"inputs": [{"path": "a"}]}, "the rows came from 0 files and now come from 1"),
        ({"format": 2}, "of another version of graders"),
    ],
)
def test_a_run_of_something_else_is_not_gone_on_with(
    tmp_path: Path, change: Any, says: str
) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0)
    with pytest.raises(RowsError, match=f"cannot be resumed: .*{says}.*--restart"):
        FileOutput(out, {**MANIFEST, **change}, resume=True)
    assert partial_of(out).read_bytes() == LINE % 0


def test_results_without_a_manifest_are_not_gone_on_with(tmp_path: Path) -> None:
    partial_of(tmp_path / "out.jsonl").write_bytes(LINE % 0)
    with pytest.raises(RowsError, match=r"out\.jsonl\.partial\.manifest\.json, .* is not there"):
        FileOutput(tmp_path / "out.jsonl", MANIFEST, resume=True)


def test_resuming_what_is_complete_does_nothing(score: Score, tmp_path: Path) -> None:
    first = score()
    before = (tmp_path / "out.jsonl").stat()
    again = score(resume=True)
    assert again.complete
    assert again.resumed == again.tally.rows == first.tally.rows
    assert again.tally.to_dict() == first.tally.to_dict()
    assert (tmp_path / "out.jsonl").stat().st_mtime_ns == before.st_mtime_ns
    assert not partial_of(tmp_path / "out.jsonl").exists()


def test_resuming_what_never_began_just_begins(score: Score) -> None:
    assert score(resume=True).resumed == 0


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_the_last_steps_may_be_interrupted_too(
    score: Score, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(output="expected.jsonl")
    real = Path.replace
    count = 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        if ".new" not in self.name:
            count += 1
            if count == {"before": 1, "between": 2, "after": 99}[moment]:
                raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with contextlib.suppress(KeyboardInterrupt):
        score()
    monkeypatch.undo()
    run = score(resume=True)
    assert run.complete
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith("out")}
    assert names == {"out.jsonl", "out.jsonl.manifest.json"}
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_bytes())
    assert manifest["complete"]["rows"] == 1515


def test_rows_that_changed_are_not_gone_on_with(score: Score, rows: Path) -> None:
    with pytest.raises(StoppedError):
        score(max_failures=MaxFailures(count=5))
    data = rows.read_bytes()
    rows.write_bytes(data + b"{}\n")
    with pytest.raises(RowsError, match=r"rows.jsonl had .* bytes and has"):
        score(resume=True)
    rows.write_bytes(data[:-5] + b"x" + data[-4:])
    with pytest.raises(RowsError, match="holds other rows of the same size"):
        score(resume=True)
    rows.write_bytes(data)
    os.utime(rows, (1, 1))  # When a file was touched does not matter.
    assert score(resume=True).complete


def test_the_manifest_says_what_the_results_are_made_from(score: Score, tmp_path: Path) -> None:
    score()
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_bytes())
    assert manifest["grader"]["name"] == "m"
    assert len(manifest["grader"]["sha256"]) == 64
    assert manifest["versions"]["graders"] == graders.__version__
    assert "rapidfuzz" in manifest["metrics"]["near"]
    assert manifest["inputs"][0]["lines"] == 1530
    assert manifest["options"]["rouge_measure"] == "fmeasure"
    assert manifest["sandbox"] is None
    assert manifest["native"]["used"] is (native_core().problem == "")


@pytest.mark.parametrize("wishes", [("0", ""), ("", "0")])
def test_a_run_goes_on_to_the_same_bytes_with_the_native_core_and_without(
    wishes: tuple[str, str], score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score(output="whole.jsonl")
    monkeypatch.setenv("GRADERS_NATIVE", wishes[0])
    score()
    results, manifest = tmp_path / "out.jsonl", tmp_path / "out.jsonl.manifest.json"
    data = results.read_bytes()
    results.unlink()
    (tmp_path / "out.jsonl.partial").write_bytes(data[: len(data) // 2])
    manifest.rename(tmp_path / "out.jsonl.partial.manifest.json")
    monkeypatch.setenv("GRADERS_NATIVE", wishes[1])
    assert score(resume=True).complete
    assert results.read_bytes() == (tmp_path / "whole.jsonl").read_bytes() == data
    assert whole.complete
    native = json.loads(manifest.read_bytes())["native"]
    assert ("turned off" in native.get("problem", "")) is (
        wishes[1] == "0" and native["version"] is not None
    )


PROGRAM = """
import os, signal, sys
from io import FileIO
from graders.batch import output, parallelism
parallelism._PURE_BLOCK = 1 << 13
place, number = map(int, os.environ.get("DIES", "-1 0").split())
class Mortal(FileIO):
    def write(self, data):
        left = place - self.tell()
        if 0 <= left < len(data):
            super().write(data[:left])
            os.kill(os.getpid(), number)
        return super().write(data)
output.FileIO = Mortal
from graders.cli import main
main()
"""


def start(folder: Path, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    if "--workers" not in arguments:
        arguments = (*arguments, "--workers", "0")
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "score", "grader.json", *arguments, "-o", "out.jsonl"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more,
    )  # fmt: skip


Here = Callable[..., tuple[int, str]]


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Here:
    """The same command in this process, its rows in a file or from a pipe; its exit code and what
    it said."""

    def command(rows: str, *more: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("graders.batch.parallelism._PURE_BLOCK", 1 << 13)
        code = _main(["score", "grader.json", rows, *more, "--workers", "0", "-o", "out.jsonl"])
        return code, capfd.readouterr().err

    def run(rows: bytes | str, *more: str) -> tuple[int, str]:
        if isinstance(rows, str):
            return command(rows, *more)
        reader, writer = os.pipe()

        def feed() -> None:
            # It may end before it has read all.
            with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as sink:
                sink.write(rows)

        feeder = threading.Thread(target=feed)
        feeder.start()
        with os.fdopen(reader, encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            done = command("-", *more)
        feeder.join(PATIENCE)
        return done

    return run


KILLS = (signal.SIGKILL, signal.SIGINT)


@pytest.mark.parametrize(
    ("workers", "seed", "kills"),
    [
        ("2", 0, KILLS),
        pytest.param("0", 0, [signal.SIGKILL], marks=pytest.mark.more),
        *(
            pytest.param(workers, n, (*KILLS, signal.SIGKILL), marks=pytest.mark.slow)
            for n in range(4)
            for workers in ("0", "2")
        ),
    ],
)
def test_killed_again_and_again_the_file_is_the_same_to_the_byte(
    score: Score,
    tmp_path: Path,
    here: Here,
    seed: int,
    kills: tuple[signal.Signals, ...],
    workers: str,
) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    score(output="expected.jsonl", workers=0)
    size = (tmp_path / "expected.jsonl").stat().st_size
    chance = random.Random(seed)
    partial = partial_of(tmp_path / "out.jsonl")
    for number in kills:
        there = partial.stat().st_size if partial.exists() else 0
        place = chance.randint(there, there + (size - there) // 2)
        killed = start(
            tmp_path, "rows.jsonl", "--workers", workers, "--resume",
            env={**os.environ, "DIES": f"{place} {int(number)}"},
        )  # fmt: skip
        killed.communicate(timeout=PATIENCE)
        assert killed.returncode == (130 if number == signal.SIGINT else -number)
        assert partial.stat().st_size >= place
    code, said = here("rows.jsonl", "--resume")
    assert code == 0, said
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert not partial.exists()


@pytest.mark.more
def test_standard_input_is_gone_on_with_when_the_same_rows_come(tmp_path: Path, here: Here) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    data = lines(1500)
    (tmp_path / "rows.jsonl").write_bytes(data)
    graders.score_file(graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "expected.jsonl")
    running = start(tmp_path, "-", stdin=subprocess.PIPE)
    assert running.stdin is not None
    running.stdin.write(data[: len(data) // 2])
    running.stdin.flush()
    notes = manifest_of(partial_of(tmp_path / "out.jsonl"))
    until(lambda: "stream" in (read_manifest(notes) or {}))  # It was noted what was read.
    running.kill()
    running.communicate()

    code, said = here(data.replace(b"fox", b"cat"), "--resume")
    assert code == 2
    assert "the rows that come are not those the run began with" in said
    assert here(data, "--resume")[0] == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_a_full_disk_costs_no_row(tmp_path: Path, here: Here) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    (tmp_path / "rows.jsonl").write_bytes(lines(1500))
    graders.score_file(
        graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "expected.jsonl", workers=0
    )
    size = (tmp_path / "expected.jsonl").stat().st_size

    def limit(to: int) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (to, to))

    running = start(tmp_path, "rows.jsonl", "--resume", preexec_fn=lambda: limit(int(size * 0.61)))
    _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 2
    assert b"out.jsonl: cannot be written: File too large" in said
    assert b"--resume goes on with them" in said
    assert here("rows.jsonl", "--resume")[0] == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


@pytest.mark.more
def test_two_commands_at_once_on_one_output_the_second_refuses(tmp_path: Path, here: Here) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    first = start(tmp_path, "-", stdin=subprocess.PIPE)
    assert first.stdin is not None
    first.stdin.write(lines(200))
    first.stdin.flush()
    until(partial_of(tmp_path / "out.jsonl").exists)
    code, said = here(lines(10))
    assert code == 2
    assert "out.jsonl: another run is writing it" in said
    first.communicate()
    assert first.returncode == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 202


@pytest.mark.parametrize(
    "manifest",
    [
        b"", b"{", b"[]", b"[" * 5000, b'{"grader":1,"format":1}',
        *(
            json.dumps({**MANIFEST, name: value}).encode()
            for name, value in (
                ("inputs", [5]), ("inputs", [{"path": "a", "size": "x"}]), ("complete", 5),
                ("options", []), ("versions", None), ("stream", {}), ("sandbox", 3),
                ("only_failed", 1),
            )
        ),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_told_not_read(tmp_path: Path, manifest: bytes) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0)
    (tmp_path / "out.jsonl.partial.manifest.json").write_bytes(manifest)
    with pytest.raises(RowsError, match="is not there or not readable"):
        FileOutput(out, MANIFEST, resume=True)
    with pytest.raises(OptionError, match="--restart"):
        FileOutput(out, MANIFEST)


@pytest.mark.parametrize(
    "change",
    [
        {"failures": [1]}, {"failures": [{"x": "1"}]}, {"usage": []}, {"usage": {"m": {"x": 1}}},
        {"usage": {"m": {"prompt_tokens": -1}}}, {"repeats": 5}, {"repeats": {"a": ["x"]}},
        {"replaced": 7}, {"sub_rewards": {"a": "x"}}, {"reward": "1"}, {"reward": True},
        {"index": -5}, {"index": 1.5}, {"index": 10**20}, {"index": 7}, {"index": 0},
    ],
)  # fmt: skip
def test_a_line_that_is_no_result_of_the_next_row_ends_what_is_finished(
    tmp_path: Path, change: Any
) -> None:
    out = tmp_path / "out.jsonl"
    bad = json.dumps({**json.loads(LINE % 1), **change}).encode() + b"\n"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 0 + bad + LINE % 2)
    with FileOutput(out, MANIFEST, resume=True, first=0) as output:
        assert output.finished.rows == 1
    infinite = (LINE % 1).replace(b"1.0", b"1e999")
    partial_of(out).write_bytes(LINE % 0 + infinite)
    with FileOutput(out, MANIFEST, resume=True, first=0) as output:
        assert output.finished.rows == 1


def test_results_that_begin_elsewhere_are_not_those_of_this_run(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with FileOutput(out, MANIFEST) as output:
        output.write(LINE % 5 + LINE % 6)
    with FileOutput(out, MANIFEST, resume=True, first=4) as output:
        assert output.finished.rows == 0


def test_results_that_somebody_changed_are_made_anew(score: Score, tmp_path: Path) -> None:
    score()
    out = tmp_path / "out.jsonl"
    good = out.read_bytes()
    out.write_bytes(good.replace(b'"reward":1.0', b'"reward":0.5'))
    run = score(resume=True)
    assert run.resumed == 0
    assert out.read_bytes() == good


def test_a_refused_run_does_not_touch_the_last_step_of_another(
    score: Score, tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name == "out.jsonl.partial.manifest.json":
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with contextlib.suppress(KeyboardInterrupt):
        score()
    monkeypatch.undo()
    assert (tmp_path / "out.jsonl.partial.manifest.json").exists()
    other = graders.load({**GRADER, "calculate_output": "same"})
    with pytest.raises(RowsError, match="the grader has changed"):
        graders.score_file(other, rows, tmp_path / "out.jsonl", resume=True)
    assert score(resume=True).resumed == 1515


def test_a_second_run_is_refused_until_the_very_last_step(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        found = real(self, target)
        if self.name == "out.jsonl.partial":
            with pytest.raises(RowsError) as error:
                FileOutput(tmp_path / "out.jsonl", MANIFEST)
            refused.append(str(error.value))
        return found

    monkeypatch.setattr(Path, "replace", replace)
    score()
    assert len(refused) == 1
    assert "another run is writing it" in refused[0]
    assert not (tmp_path / "out.jsonl.lock").exists()


def test_nothing_that_is_read_is_written_over(score: Score, tmp_path: Path, rows: Path) -> None:
    score()
    good = (tmp_path / "out.jsonl").read_bytes()
    for name in ("q.partial", "q.manifest.json", "q.partial.manifest.json", "q.lock"):
        (tmp_path / name).write_bytes(good)
        with pytest.raises(RowsError, match="is read; what this run writes would replace it"):
            score(output="q", only_failed=tmp_path / name)
        with pytest.raises(RowsError, match="is read; what this run writes would replace it"):
            score(output="q", source=tmp_path / name)
        assert (tmp_path / name).read_bytes() == good
        (tmp_path / name).unlink()


def test_a_loop_of_links_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(RowsError, match="cannot be written"):
        partial_of(tmp_path / "a")
    with pytest.raises(RowsError, match="cannot be written"):
        partial_of(Path("a\0b"))


def test_a_complete_stream_is_compared_too(tmp_path: Path, here: Here) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    data = lines(500)
    assert here(data)[0] == 0
    assert here(data, "--resume") == (0, "")
    for other in (data.replace(b"fox", b"cat"), data[:-5], data + b"{}\n", b""):
        code, said = here(other, "--resume")
        assert code == 2
        assert "are not those the run began with" in said


def test_a_stopped_stream_is_compared_as_far_as_it_was_scored(tmp_path: Path, here: Here) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    data = lines(2000)
    (tmp_path / "rows.jsonl").write_bytes(data)
    graders.score_file(
        graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "expected.jsonl", workers=0
    )
    assert here(data, "--max-failures", "50")[0] == 1
    kept = partial_of(tmp_path / "out.jsonl").read_bytes().count(b"\n")
    changed = data.splitlines(keepends=True)
    changed[kept - 50] = b'{"item": {"a": "new"}, "sample": "new"}\n'
    assert here(b"".join(changed), "--resume")[0] == 2
    assert here(data, "--resume")[0] == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
