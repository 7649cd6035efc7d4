"""What a run may cost and hold: paid once, killed and run again, failing servers, huge replies."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graders.calls import ChatCall, ChatReply
from graders.models import JudgeOptions
from graders.models.client import ChatClient
from tests.models.server import Asked, Told, completion, error
from tests.waiting import PATIENCE, until

MAIN = "from graders.cli import main; main()"
PEAKS = """
import json, sys
from graders.cli import _main
peaks = []
for arguments in json.loads(sys.argv[1]):
    assert _main(arguments) == 0
    # What this process itself used at most; a child begins with its parent's figure elsewhere.
    lines = open("/proc/self/status").read().splitlines()
    peaks.append(int(next(one.split()[1] for one in lines if one.startswith("VmHWM"))))
print(json.dumps(peaks), file=sys.stderr)
"""
GRADER = {
    "type": "score_model", "name": "j", "model": "judge",
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    "sampling_params": {"temperature": 0},
}  # fmt: skip
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def calls(rows: int, **sampling: Any) -> ChatCall:
    messages = [[{"role": "user", "content": f"row {n}"}] for n in range(rows)]
    return ChatCall("m", messages, "v", {"type": "object"}, {"temperature": 0, **sampling})


def row_of(asked: Asked) -> str:
    return str(asked.body["messages"][-1]["content"])


def answered(server: Any) -> Counter[str]:
    """Return how often each row was answered whole."""
    return Counter(server.answered_rows)


def ask(url: str, call: ChatCall, **options: Any) -> list[ChatReply]:
    with ChatClient(JudgeOptions(base_url=url, **{"cache": "none", **options})) as client:
        return client.perform(call)


def write(folder: Path, rows: int, filler: str = "", name: str = "rows.jsonl") -> None:
    (folder / "g.json").write_text(json.dumps(GRADER))
    with (folder / name).open("w") as stream:
        for n in range(rows):
            stream.write(json.dumps({"item": {}, "sample": f"row {n}{filler}"}) + "\n")


def scoring(url: str, *more: str, rows: str = "rows.jsonl", output: str = "out.jsonl") -> list[str]:
    return ["score", "g.json", rows, "-o", output, "--json", "--base-url", url, *more]


def score(folder: Path, url: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *scoring(url, *more)], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def peaks_of(folder: Path, *runs: list[str]) -> list[int]:
    """Return how many kilobytes a process had used at most after each run of the command in it."""
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, json.dumps(runs)], cwd=folder, text=True,
        capture_output=True, timeout=3 * PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    peaks: list[int] = json.loads(done.stderr.splitlines()[-1])
    return peaks


def results(folder: Path, name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


# Paid once.


def test_a_mix_of_every_fault_ends_right_and_no_answer_is_asked_for_again(serve):
    dice = random.Random(3)

    def script(_: Asked, __: int) -> Told:
        roll = dice.random()
        if roll < 0.1:
            return error(500)
        if roll < 0.2:
            return Told(cut_at=-1)
        if roll < 0.25:
            return error(429, retry_after="0.01")
        told: Told = completion()
        if roll < 0.3:
            told.cut_at = 30
        return told

    server = serve(script)
    call = calls(100)
    with ChatClient(JudgeOptions(base_url=server.url, cache="none", attempts=12)) as client:
        replies = client.perform(call)
        stats = client.stats
    broken = [one for one in replies if one.error is not None]
    assert {one.error.kind for one in broken if one.error} == {"server"}
    assert all("in the middle of the answer" in one.error.message for one in broken if one.error)
    assert set(answered(server).values()) == {1}
    assert stats.answered == 100
    assert stats.requests == len(server.asked) == 100 + stats.retries
    assert 0 < stats.lost < stats.retries


def test_with_pay_once_a_request_that_was_sent_is_never_sent_again(serve):
    dice = random.Random(3)
    server = serve(lambda *_: Told(cut_at=-1) if dice.random() < 0.3 else completion())
    replies = ask(server.url, calls(100), pay_once=True)
    assert set(Counter(map(row_of, server.asked)).values()) == {1}
    lost = [one.error for one in replies if one.error is not None]
    assert {one.kind for one in lost} == {"unreachable"}
    assert "the server may bill it, so it is not asked again" in lost[0].message
    assert sum(answered(server).values()) == 100 - len(lost)


def test_equal_rows_are_refreshed_once(serve, tmp_path):
    server = serve(lambda *_: completion())
    same = ChatCall("m", [[{"role": "user", "content": "same"}]] * 40, "v", {}, {"temperature": 0})
    ask(server.url, same, cache="refresh", cache_file=tmp_path / "c", concurrency=4)
    assert len(server.asked) == 1
    ask(server.url, same, cache="refresh", cache_file=tmp_path / "c", concurrency=4)
    assert len(server.asked) == 2


@pytest.mark.more
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_run_killed_in_a_block_pays_again_only_for_the_calls_in_flight(serve, command, tmp_path):
    killed = False
    server = serve(lambda _, n: Told(body=completion().body, held=lambda: n > 48 and not killed))
    write(tmp_path, 80)
    more = ("--cache-file", "c.sqlite", "--concurrency", "8")
    process = score(tmp_path, server.url, *more)
    until(lambda: server.answered == 48)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    killed = True
    done = command(tmp_path, *scoring(server.url, *more, "--resume"))
    assert [one["reward"] for one in results(tmp_path)] == [0.5] * 80, done.err
    twice = [row for row, count in answered(server).items() if count > 1]
    assert len(twice) <= 8
    summary = json.loads(done.out)
    assert summary["resumed_rows"] + summary["judge"][0]["cache_hits"] >= 48 - 8


@pytest.mark.more
def test_a_server_killed_in_a_run_and_back_for_the_next_is_asked_for_the_rest_only(
    serve, command, tmp_path
):
    server = serve(lambda _, n: Told(body=completion().body, held=lambda: n > 20))
    write(tmp_path, 60)
    more = ("--cache-file", "c.sqlite", "--concurrency", "8", "--attempts", "2")

    def stop() -> None:
        until(lambda: server.answered == 20)
        server.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    command(tmp_path, *scoring(server.url, *more))
    stopper.join()
    failed = [one for one in results(tmp_path) if one["reward"] is None]
    assert 0 < len(failed) <= 40
    assert {one["failures"][0]["code"] for one in failed} == {"model_grader_server_error"}
    again = serve(lambda *_: completion(), server.port)
    done = command(tmp_path, *scoring(again.url, *more))
    assert [one["reward"] for one in results(tmp_path)] == [0.5] * 60, done.err
    assert len(again.asked) == len(failed)


# A server that is not there.


def test_rows_need_not_each_wait_for_a_server_that_never_answers(serve):
    server = serve(lambda *_: Told(held=lambda: True))
    replies = ask(server.url, calls(5000), concurrency=4, deadline=0.4)
    assert {one.error.kind for one in replies if one.error} == {"deadline"}
    assert len(replies) == 5000
    assert len(server.asked) < 30
    assert "not asked" in replies[-1].error.message  # type: ignore[union-attr]


@pytest.mark.more
def test_a_server_that_comes_back_is_asked_again(serve):
    server = serve(lambda *_: completion())
    port = server.port
    server.stop()
    with ChatClient(JudgeOptions(base_url=server.url, cache="none", attempts=2)) as client:
        assert {one.error is None for one in client.perform(calls(50))} == {False}
        serve(lambda *_: completion(), port)
        until(lambda: client.perform(calls(1))[0].error is None)
        assert {one.error for one in client.perform(calls(50))} == {None}


@pytest.mark.more
def test_a_restart_of_the_server_within_the_tries_costs_no_row(serve):
    server = serve(lambda _, n: Told(body=completion().body, held=lambda: n > 40))
    port = server.port
    back: list[Any] = []

    def restart() -> None:
        until(lambda: server.answered == 40)
        server.stop()
        back.append(serve(lambda *_: completion(), port))

    restarter = threading.Thread(target=restart)
    restarter.start()
    replies = ask(server.url, calls(200), concurrency=8)
    restarter.join()
    assert {
        one.error for one in replies if one.error and "middle" not in one.error.message
    } == set()
    assert back[0].asked


@pytest.mark.more
def test_rows_of_any_length_keep_the_judges_busy(serve, command, tmp_path):
    server = serve(lambda *_: Told(body=completion().body, held=lambda: server.most < 100))
    write(tmp_path, 140, " word" * 3000)
    done = command(tmp_path, *scoring(server.url, "--concurrency", "128", "--no-cache"))
    assert done.code == 0, done.err
    assert server.most >= 100  # A block of bytes held four such rows.
    assert {one["reward"] for one in results(tmp_path)} == {0.5}


# Memory.


def huge(kind: str) -> Told:
    if kind == "plain":
        return Told(length=50_000_000)
    if kind == "chunked":
        return Told(body=b"x" * 50_000_000, chunked=1 << 16)
    # 1 GB of blanks in 1 MB, in members that each would do.
    member = gzip.compress(b" " * (16 << 20))
    return Told(body=member * 64, headers={"content-encoding": "gzip"})


@LINUX
@pytest.mark.parametrize("side_by_side", [8, pytest.param(64, marks=pytest.mark.slow)])
def test_replies_of_50_mb_and_bombs_take_little_memory(serve, tmp_path, side_by_side):
    kinds = ("plain", "chunked", "bomb")
    rows = side_by_side + 6
    write(tmp_path, 2, name="two.jsonl")
    write(tmp_path, rows)
    more = ("--no-cache", "--concurrency", str(side_by_side))
    servers: list[Any] = []
    runs: list[list[str]] = []
    for kind in kinds:
        told = huge(kind)
        server = serve(
            lambda asked, _, told=told: (
                completion() if row_of(asked) in ("row 0", "row 1") else told
            )
        )
        if not runs:
            runs.append(scoring(server.url, *more, rows="two.jsonl", output="small.jsonl"))
        servers.append(server)
        runs.append(scoring(server.url, *more, output=kind))
    small, *large = peaks_of(tmp_path, *runs)
    assert sum(len(server.asked) for server in servers) == 2 + 3 * rows
    for kind, peak in zip(kinds, large, strict=True):
        found = results(tmp_path, kind)
        assert [one["reward"] for one in found[:2]] == [0.5, 0.5]
        assert all(
            "longer than the 1,048,576 bytes" in one["failures"][0]["message"] for one in found[2:]
        )
        assert peak - small < 2_500 * side_by_side, kind  # Kilobytes: all would be 50,000 a reply.


@LINUX
@pytest.mark.parametrize(
    ("side_by_side", "few", "many"),
    [
        pytest.param(64, 70, 250, marks=pytest.mark.more),
        pytest.param(256, 2000, 20_000, marks=pytest.mark.slow),
    ],
)
def test_rows_are_scored_side_by_side_in_flat_memory(serve, tmp_path, side_by_side, few, many):
    server = serve(lambda *_: completion())
    server.forgets = True
    runs = []
    for rows in (few, many):
        write(tmp_path, rows, " " + "word " * 40, f"{rows}.jsonl")
        more = ("--concurrency", str(side_by_side), "--cache", "--cache-file", f"{rows}.sqlite")
        runs.append(scoring(server.url, *more, rows=f"{rows}.jsonl", output=f"out{rows}.jsonl"))
    peaks = [peaks_of(tmp_path, run)[0] for run in runs]
    assert [len(results(tmp_path, f"out{rows}.jsonl")) for rows in (few, many)] == [few, many]
    assert peaks[1] - peaks[0] < 12_000
