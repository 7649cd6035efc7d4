"""Rows to result lines: equal bytes for any cut, results that appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from graders import config, plan
from graders.engine.runner import Runner
from graders.engine.score import MaxFailures, open_output, open_rows, score_block, score_stream
from graders.engine.tally import Tally
from graders.errors import RowsError
from graders.rows import Block, Layout

GRADER = {
    "type": "multi",
    "name": "m",
    "graders": {
        "same": {
            "type": "string_check", "name": "s", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
        "near": {
            "type": "text_similarity", "name": "n", "evaluation_metric": "bleu",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
    },
    "calculate_output": "(same + near) / 2",
}  # fmt: skip


class Pieces:
    def __init__(self, data: bytes, size: int) -> None:
        self._stream = io.BytesIO(data)
        self._size = size

    def read1(self, size: int = -1, /) -> bytes:
        return self._stream.read(self._size)


class Full(io.BytesIO):
    def write(self, data: Any, /) -> int:
        raise OSError(28, "No space left on device")


def runner(body: Any = GRADER) -> Runner:
    return Runner(plan.build(config.load(body)))


def lines_of(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def results(data: bytes, layout: Layout | None = None) -> list[Any]:
    lines, _ = score_block(runner(), Block(data), layout or Layout())
    return [json.loads(line) for line in lines.splitlines()]


def row(
    text: str = "one two three four", reference: str = "one two three four", **more: Any
) -> Any:
    return {"item": {"a": reference}, "sample": text, **more}


MIXED = (
    lines_of([row(), row("two one"), row("x", "y"), {"item": {}, "sample": "x"}])
    + b"broken\n\n[1]\r\n"
    + lines_of([row("é ü 日本"), row(id={"a": [1]}), row(id="last")])
)


def test_a_result_line_holds_index_id_reward_sub_rewards_and_failures_in_this_order() -> None:
    lines, _ = score_block(runner(), Block(lines_of([row(id="r1")]), 5), Layout())
    assert lines.startswith(b'{"index":5,"id":"r1","reward":1.')
    assert list(json.loads(lines)) == ["index", "id", "reward", "sub_rewards", "failures"]


def test_a_row_without_id_has_none_in_its_result() -> None:
    assert "id" not in results(lines_of([row()]))[0]
    assert "id" not in results(lines_of([row(id=None)]))[0]
    assert results(lines_of([row(id=0)]))[0]["id"] == 0


@pytest.mark.parametrize(
    "identity",
    [
        "text", 3, 2.5, False, [1, {"a": None}], {"deep": [[[[]]]]}, 2**63, 2**64, -(2**63) - 1,
        10**40, "\ud800", {"k": "\udfff"}, "日本", "a\u2028b\n",
    ],
)  # fmt: skip
def test_an_id_comes_back_as_it_was(identity: Any) -> None:
    assert results(lines_of([row(id=identity)]))[0]["id"] == identity


def test_a_result_is_one_line_whatever_the_id() -> None:
    lines, _ = score_block(runner(), Block(lines_of([row(id="a\nb\u2028\x85")])), Layout())
    assert lines.count(b"\n") == 1


def test_a_failed_row_is_null_with_its_reason() -> None:
    found = results(lines_of([{"item": {}, "sample": "x"}]))[0]
    assert found["reward"] is None
    assert found["sub_rewards"] == {"same": None, "near": None}
    assert [one["where"] for one in found["failures"]] == ["same", "near"]
    assert found["failures"][0]["code"] == "invalid_variable_error"


def test_a_replaced_failure_stands_in_the_line() -> None:
    body = {**GRADER, "invalid_grade": 0.0}
    lines, tally = score_block(runner(body), Block(b'{"item":{},"sample":"x"}'), Layout())
    line = json.loads(lines)
    assert (line["reward"], line["failures"]) == (0.0, [])
    assert line["replaced"][0]["code"] == "invalid_variable_error"
    assert tally.replaced == 1


def test_a_block_of_blank_lines_has_no_results() -> None:
    lines, tally = score_block(runner(), Block(b"\n \n"), Layout())
    assert lines == b""
    assert tally.rows == 0


@pytest.mark.parametrize("size", [1, 3, 17, 64, 250, 1 << 18])
def test_results_are_equal_bytes_for_any_cut(size: int) -> None:
    whole = io.BytesIO()
    expected = score_stream(runner(), io.BytesIO(MIXED), whole, Layout())
    cut = io.BytesIO()
    tally = score_stream(runner(), Pieces(MIXED, size), cut, Layout())
    assert cut.getvalue() == whole.getvalue()
    assert tally.to_dict() == expected.to_dict()
    assert [json.loads(line)["index"] for line in whole.getvalue().splitlines()] == list(range(9))


def test_progress_is_told_rows_and_bytes_and_the_results_are_out_by_then() -> None:
    told: list[tuple[int, int, int]] = []
    sink = io.BytesIO()

    def on_block(tally: Tally, done: int) -> None:
        told.append((tally.rows, done, len(sink.getvalue().splitlines())))

    data = lines_of([row()] * 6)
    score_stream(runner(), Pieces(data, len(data) // 3), sink, Layout(), on_block=on_block)
    assert told[-1] == (6, len(data), 6)
    assert all(rows == written for rows, _, written in told)


@pytest.mark.parametrize(
    ("limit", "failed", "rows", "ended", "exceeded"),
    [
        (MaxFailures(count=0), 0, 10, True, False),
        (MaxFailures(count=0), 1, 10, False, True),
        (MaxFailures(count=3), 3, 10, True, False),
        (MaxFailures(share=0.05), 5, 100, True, False),
        (MaxFailures(share=0.05), 6, 100, True, True),
        (MaxFailures(share=0.05), 6, 100, False, False),
        (MaxFailures(share=0.29), 29, 100, True, False),
        (MaxFailures(share=0.29), 30, 100, True, True),
        (MaxFailures(share=0.07), 7, 100, True, False),
        (MaxFailures(share=0.0), 1, 10_000_000, True, True),
        (MaxFailures(share=0.0), 0, 0, True, False),
        (MaxFailures(), 10, 10, True, False),
    ],
)
def test_a_limit_is_exceeded_by_one_row_more_than_it_allows(
    limit: MaxFailures, failed: int, rows: int, ended: bool, exceeded: bool
) -> None:
    assert limit.exceeded(Tally(rows=rows, scored=rows - failed), ended=ended) is exceeded


@pytest.mark.parametrize("share", [n / 1000 for n in range(0, 1001, 7)])
def test_exactly_the_share_allowed_may_fail(share: float) -> None:
    failed = round(share * 1000)
    assert not MaxFailures(share=share).exceeded(Tally(rows=1000, scored=1000 - failed), ended=True)
    more = Tally(rows=1000, scored=1000 - failed - 1)
    assert MaxFailures(share=share).exceeded(more, ended=True)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (MaxFailures(count=1200), "1,200"),
        (MaxFailures(share=0.05), "5%"),
        (MaxFailures(share=0.125), "12.5%"),
    ],
)
def test_a_limit_reads_as_it_was_written(limit: MaxFailures, text: str) -> None:
    assert str(limit) == text


def test_results_appear_whole_under_their_name(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"before")
    with open_output(out) as stream:
        stream.write(b"half")
        stream.flush()
        assert out.read_bytes() == b"before"
        assert (tmp_path / "out.jsonl.partial").read_bytes() == b"half"
    assert out.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_keeps_what_was_there_and_what_is_finished(
    tmp_path: Path, error: type[BaseException]
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"before")

    def write_and_stop() -> None:
        with open_output(out) as stream:
            stream.write(b"finished")
            raise error

    with pytest.raises(error):
        write_and_stop()
    assert out.read_bytes() == b"before"
    assert (tmp_path / "out.jsonl.partial").read_bytes() == b"finished"


def test_results_go_through_a_link_to_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.jsonl"
    link = tmp_path / "link.jsonl"
    link.symlink_to(target)
    with open_output(link) as stream:
        stream.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"


def test_a_device_is_written_directly() -> None:
    with open_output(Path("/dev/null")) as stream:
        stream.write(b"x")
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null.partial").exists()


def test_a_full_disk_is_one_sentence() -> None:
    with (
        pytest.raises(RowsError, match="/dev/full: cannot be written: No space left on device"),
        open_output(Path("/dev/full")) as stream,
    ):
        score_stream(runner(), io.BytesIO(MIXED), stream, Layout())


def test_a_full_disk_behind_standard_output_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(Full(), write_through=True))
    with (
        pytest.raises(RowsError, match="standard output: cannot be written: No space left"),
        open_output(Path("-")) as stream,
    ):
        score_stream(runner(), io.BytesIO(MIXED), stream, Layout())


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no/such/out.jsonl", "No such file or directory"), (".", "Is a directory")],
)
def test_an_output_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    with (
        pytest.raises(RowsError, match=f"cannot be written: {reason}"),
        open_output(tmp_path / name),
    ):
        pass


def test_an_output_may_be_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with open_output(pipe) as stream:
        score_stream(runner(), io.BytesIO(MIXED), stream, Layout())
    reader.join(10)
    assert got[0].count(b"\n") == 9
    assert not (tmp_path / "pipe.partial").exists()


def test_rows_may_come_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(MIXED))
    writer.start()
    got, expected = io.BytesIO(), io.BytesIO()
    with open_rows(pipe) as stream:
        score_stream(runner(), stream, got, Layout())
    writer.join(10)
    score_stream(runner(), io.BytesIO(MIXED), expected, Layout())
    assert got.getvalue() == expected.getvalue()


def test_rows_added_while_the_file_is_read_are_scored_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines_of([row()] * 3))
    grown = False

    def grow(tally: Tally, done: int) -> None:
        nonlocal grown
        if not grown:
            grown = True
            with path.open("ab") as more:
                more.write(lines_of([row()] * 2))

    sink = io.BytesIO()
    with open_rows(path) as stream:
        tally = score_stream(runner(), stream, sink, Layout(), on_block=grow)
    assert tally.rows == sink.getvalue().count(b"\n") == 5


@pytest.mark.parametrize(
    ("name", "reason"), [("nothing.jsonl", "there is no such file"), (".", "Is a directory")]
)
def test_rows_that_cannot_be_opened_are_one_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(RowsError, match=reason), open_rows(tmp_path / name):
        pass


def test_rows_that_cannot_be_read_on_are_no_fault_of_the_output(tmp_path: Path) -> None:
    class Breaks:
        def read1(self, size: int = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    def score(output: BinaryIO) -> None:
        score_stream(runner(), Breaks(), output, Layout())

    with (
        pytest.raises(RowsError, match="the rows cannot be read: Input/output error"),
        open_output(tmp_path / "out.jsonl") as stream,
    ):
        score(stream)
    assert not (tmp_path / "out.jsonl").exists()
