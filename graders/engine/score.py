"""Scoring rows to result lines: a block of lines in, a block of result lines and a tally out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from graders import jsontext
from graders.engine.portion import Portions
from graders.engine.runner import Graded, Runner
from graders.engine.tally import Tally
from graders.errors import RowsError, StoppedError
from graders.rows import Block, Chunk, Layout, Readable, decode_block, read_blocks

__all__ = ["MaxFailures", "open_output", "open_rows", "partial_of", "score_block", "score_stream"]


_PURE_BLOCK: Final = 1 << 20
_ASKING_BLOCK: Final = 1 << 16
"""Bytes of a block: a call may take seconds, so its rows are finished in smaller portions."""
_ROUNDS: Final = 8
"""Rows of a block for each call that judges take at once: at its end, places wait for the slowest."""


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many rows may fail: a number, or a share of all rows.

    Attributes:
        count: the most rows that may fail, None where a share is given.
        share: the largest share of rows that may fail, in [0, 1].
    """

    count: int | None = None
    share: float = 1.0

    def __str__(self) -> str:
        return f"{self.count:,}" if self.count is not None else f"{100 * self.share:.6g}%"

    def exceeded(self, tally: Tally, *, ended: bool) -> bool:
        """Whether too many rows have failed; a share is only known at the end."""
        if self.count is not None:
            return tally.failed > self.count
        # 29 of 100 rows are 29%, though 0.29 * 100 is a hair less than 29 in floats.
        return ended and tally.failed > self.share * tally.rows + 1e-6


def score_block(runner: Runner, block: Block, layout: Layout) -> tuple[bytes, Tally]:
    """Return the result lines of a block of input lines, and what they add up to."""
    chunk = decode_block(block, layout)
    graded = runner.grade(chunk)
    tally = Tally()
    tally.add(chunk.index, graded.rewards, graded.sub_rewards, graded.failures, graded.replaced)
    for leaf in runner.plan.leaves:
        if leaf.key in graded.judged and runner.repeats > 1:
            tally.add_repeats(leaf.key, graded.judged[leaf.key].repeats, leaf.passes_at)
    for row in range(len(graded.rewards) if graded.judged else 0):
        tally.add_usage(graded.usage(row))
    return _result_lines(chunk, graded), tally


def _result_lines(chunk: Chunk, graded: Graded) -> bytes:
    keys = list(graded.sub_rewards)
    columns = list(graded.sub_rewards.values())
    subs: Iterator[tuple[Any, ...]] = (
        zip(*columns, strict=True) if columns else iter([()] * len(graded.rewards))
    )
    lines = []
    rows = zip(chunk.ids, graded.rewards, subs, strict=True)
    for row, (identity, reward, scores) in enumerate(rows):
        line: dict[str, Any] = {"index": chunk.index + row}
        if identity is not None:
            line["id"] = identity
        line["reward"] = reward
        line["sub_rewards"] = dict(zip(keys, scores, strict=True))
        line["failures"] = [one.to_dict() for one in graded.failures.get(row, ())]
        if row in graded.replaced:
            line["replaced"] = [one.to_dict() for one in graded.replaced[row]]
        if graded.judged:
            if usage := graded.usage(row):
                line["usage"] = {model: one.to_dict() for model, one in usage.items()}
            if repeats := graded.repeats(row):
                line["repeats"] = repeats
        lines.append(jsontext.encode(line))
    return b"\n".join(lines) + b"\n" if lines else b""


def score_stream(
    runner: Runner,
    stream: Readable,
    output: BinaryIO,
    layout: Layout,
    *,
    max_failures: MaxFailures | None = None,
    on_block: Callable[[Tally, int], None] | None = None,
) -> Tally:
    """Score every row of a stream, writing each block's results before the next is read.

    Args:
        runner: grades.
        stream: a binary stream of JSON Lines with `read1`.
        output: where result lines go.
        layout: where item and sample stand in a row.
        max_failures: stop when more rows than this have failed.
        on_block: told the tally so far and the bytes of input done, after each block.

    Raises:
        StoppedError: more rows failed than a number in `max_failures` allows. A share is only
            known at the end, and left to the caller.
    """
    limit = max_failures or MaxFailures()
    tally, done = Tally(), 0
    if runner.width:
        stream = Portions(stream, _ROUNDS * runner.width)
    for block in read_blocks(stream, _ASKING_BLOCK if runner.plan.asks else _PURE_BLOCK):
        lines, part = score_block(runner, block, layout)
        output.write(lines)
        output.flush()  # What is finished is out, whatever happens next.
        tally.merge(part)
        done += len(block.data)
        if on_block is not None:
            on_block(tally, done)
        if limit.exceeded(tally, ended=False):
            raise StoppedError(
                f"stopped after {tally.rows:,} rows: {tally.failed:,} failed, more than the "
                f"{limit} allowed",
                tally=tally,
            )
    return tally


@contextlib.contextmanager
def open_rows(path: Path) -> Iterator[Readable]:
    """Open a file of rows, or standard input for `-`.

    Raises:
        RowsError: it cannot be read.
    """
    if str(path) == "-":
        yield cast("Readable", sys.stdin.buffer)
        return
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise RowsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise RowsError(f"{path}: cannot be read: {error.strerror}") from None
    with stream:
        yield stream


def partial_of(path: Path) -> Path:
    """Return where the results for `path` stand while they are not complete."""
    target = path.resolve()
    return target.with_name(target.name + ".partial")


@contextlib.contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file for results that appears whole or not at all.

    Results are written beside it, to `<name>.partial`, which takes its place at the end; what was
    there before stays until then. After an interruption the finished rows are in the partial file.
    A device, a pipe or standard output (`-`) is written directly.

    Raises:
        RowsError: it cannot be written.
    """
    name = "standard output" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        target = path.resolve()
        direct = target.exists() and not target.is_file()
        place = target if direct else partial_of(target)
        with place.open("wb") as stream:
            yield stream
            stream.flush()
            if not direct:
                os.fsync(stream.fileno())
        if not direct:
            place.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RowsError(f"{name}: cannot be written: {error.strerror or error}") from None
