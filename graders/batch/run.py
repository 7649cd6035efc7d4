"""A run: every row of a source scored to an output, in order, by one executor or many."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from graders.batch.cost import Cost, peak_memory
from graders.batch.earlier import Earlier
from graders.batch.executor import Executor
from graders.batch.flow import in_order, read_ahead
from graders.batch.output import FileOutput, StreamOutput
from graders.batch.parallelism import Parallelism
from graders.batch.score import Scored
from graders.batch.tally import CROWDED, Tally
from graders.errors import BudgetError, RowsError, StoppedError, UnavailableError
from graders.htmltext import card, shortened
from graders.rows import Block, ChangedError, RowRange, Source, count_rows, cut_small, window
from graders.sandbox import Stats, total

if TYPE_CHECKING:
    from graders.models.ledger import Ledger

__all__ = ["Limit", "MaxFailures", "Progress", "Run", "run"]

_NOTE_SECONDS: Final = 2.0
_SHOWN_GROUPS: Final = 12


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

    def exceeded(self, tally: Tally, rows: int | None) -> bool:
        """Whether too many rows have failed.

        Args:
            tally: what was counted so far.
            rows: how many rows there are at most in all; None where nobody knows yet.
        """
        if self.count is not None:
            return tally.failed > self.count
        # 29 of 100 rows are 29%, though 0.29 * 100 is a hair less than 29 in floats.
        return rows is not None and tally.failed > self.share * rows + 1e-6


@dataclass(frozen=True, slots=True)
class Limit:
    """When a run has failed so often that it stops.

    Attributes:
        failures: how many rows may fail.
        rows: how many rows there are at most in all; None where nobody knows.
        none: whether it stops at the first that fails.
        least: how many rows there have to be at least.
    """

    failures: MaxFailures = MaxFailures()
    rows: int | None = None
    none: bool = False
    least: int = 0

    def check_whole(self, result: Run) -> None:
        """Return where a run of all rows had enough of them.

        Raises:
            RowsError: there were none, and a run of nothing is no success.
        """
        if result.tally.rows < self.least:
            raise RowsError(
                "there are no rows in the input; --allow-empty if that is as it should be"
            )

    def check(self, result: Run) -> None:
        """Return where the run may go on.

        Raises:
            StoppedError: too many rows have failed.
        """
        tally = result.tally
        if self.none and tally.failed:
            index, code, message = min(
                (index, code, message)
                for code, found in tally.first.items()
                for index, message in found
            )
            raise StoppedError(f"row {index} failed: {code}: {message}", run=result)
        if self.failures.exceeded(tally, self.rows):
            raise StoppedError(
                f"stopped after {tally.rows:,} rows: {tally.failed:,} failed, more than the "
                f"{self.failures} allowed",
                run=result,
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        tally: what was counted so far, the rows of an earlier run that it goes on with included.
        scored_now: rows scored by this run.
        done: bytes of the input done.
        size: bytes of the input; None where nobody knows.
        paid: what was paid for models so far, as in `Run`.
        spans: what is told in a trace of rows scored since it was last said.
    """

    tally: Tally
    scored_now: int
    done: int
    size: int | None
    paid: Mapping[str, Any] | None = None
    spans: Sequence[Any] = ()


@dataclass(slots=True)
class Run:
    """What a run gave.

    Attributes:
        tally: what its rows add up to, those of an earlier run that it went on with included.
        cost: what this run took.
        resumed: rows that an earlier run had finished.
        complete: whether every row is done.
        paid: what was paid for models, by this run and those it went on with, as `Paid.to_dict`
            gives it; None where nobody asks.
        peaks: bytes of memory at the most, by worker process.
        sandboxes: what the workers' sandboxes did, by worker process.
        traced: what became of its spans: `trace_id`, `spans`, `lost` and, where some were, `reason`; None
            where no trace is wanted, and `trace_id` None where there could be none.
    """

    tally: Tally = field(default_factory=Tally)
    cost: Cost = field(default_factory=Cost)
    resumed: int = 0
    complete: bool = False
    paid: Mapping[str, Any] | None = None
    peaks: dict[int, int] = field(default_factory=dict)
    sandboxes: dict[int, Stats] = field(default_factory=dict)
    traced: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        tally = self.tally
        whole = "" if self.complete else ", not complete"
        mean = _shown(tally.rewards.mean)
        return f"<Run of {tally.rows:,} rows: mean reward {mean}, {tally.failed:,} failed{whole}>"

    @property
    def python(self) -> Stats | None:
        """What the workers' sandboxes did; None where none did anything."""
        return total(self.sandboxes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON; what follows `complete` depends on the machine and the day."""
        return {
            **self.tally.to_dict(),
            "resumed_rows": self.resumed,
            "complete": self.complete,
            **({} if self.paid is None else {"cost": self.paid}),
            "time_shares": self.cost.shares,
            "slowest": [
                {"index": one.index, "sub_grader": one.where, "seconds": one.seconds}
                for one in self.cost.slowest
            ],
            "peak_memory": self.peak,
            **({} if self.traced is None else {"trace": self.traced}),
        }

    def _repr_html_(self) -> str:
        """Return the run as a small table, for notebooks."""
        tally = self.tally
        figures = tally.rewards
        found = figures.interval()
        ends = "" if found is None else f"{found.low:.4g} … {found.high:.4g} ({found.method})"
        sure = f"; 95% interval {ends}" if ends else ""
        facts = [
            ("mean reward", _shown(figures.mean), f"over the {tally.scored:,} scored{sure}"),
            ("", _shown(tally.mean_of_all), f"over all {tally.rows:,}, a failed one as 0"),
            ("spread", _shown(figures.spread), "standard deviation"),
            ("failed", f"{tally.failed:,}", f"of {tally.rows:,}: no reward"),
        ]
        facts += [
            (shortened(key, 300), _shown(one.mean), f"{tally.sub_failures[key]:,} failed")
            for key, one in tally.sub_rewards.items()
        ]
        facts += [(code, f"{count:,}", "failed so") for code, count in tally.codes.most_common()]
        facts += [
            (
                shortened(key or "(none)", 300),
                _shown(one.mean),
                f"mean of {one.rows:,} rows, {one.failed:,} failed",
            )
            for key, one in islice(tally.categories.items(), _SHOWN_GROUPS)
        ]
        facts += [("categories", "–", CROWDED)] if tally.crowded else []
        whole = "" if self.complete else ", not complete"
        bars = figures.bars() if figures.count else ()
        return card(f"{tally.rows:,} rows{whole}", facts, bars=bars)

    @property
    def peak(self) -> int | None:
        """Bytes of memory at the most, of this process and its workers; None where unknown."""
        own = peak_memory()
        return None if own is None else own + sum(self.peaks.values())


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def run(
    source: Source,
    output: FileOutput | StreamOutput,
    parallelism: Parallelism,
    executors: Callable[[], Sequence[Executor]],
    *,
    rows: RowRange,
    earlier: Earlier | None = None,
    limit: Limit | None = None,
    check: Callable[[], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    ledger: Ledger | None = None,
) -> Run:
    """Score rows to an output and put it in its place.

    Args:
        source: the rows.
        output: where results go; may hold what an earlier run finished.
        parallelism: says how large blocks are.
        executors: gives what scores them; not called before there is something to score.
        rows: which rows.
        earlier: results of which only the failed are scored again.
        limit: says when too many rows have failed; None for never.
        check: sees at the end whether what was read is what the run began with.
        on_progress: told how far the run is, after each block.
        ledger: where what is paid for models is written down; None where nobody asks.

    Raises:
        StoppedError: too many rows have failed; carries the Run.
        BudgetError: the ledger's budget is used up; carries the Run.
        RowsError: the rows cannot be read, changed meanwhile, or the results cannot be written.
    """
    done = output.finished
    notes = _StreamNotes(output) if isinstance(output, FileOutput) and source.is_stream else None
    if done.complete:
        if notes is not None:  # Of a stream; a file was compared.
            whole = source.blocks(parallelism.block_bytes)
            notes.check_whole(whole, bounded=rows.stop is not None)
        return _whole(output)
    result = Run(tally=done.tally, resumed=done.rows)
    start = rows.start if done.next_index is None else done.next_index
    feed = _feed(source, parallelism, RowRange(start, rows.stop), earlier, notes, done.rows)
    limit = limit or Limit()
    limit.check(result)
    now, size = 0, source.size
    noted = _noted(output, notes, result, ledger)
    with noted, closing(_lazily(feed, executors)) as flow:
        for block, scored in flow:
            _write(output, result, _with_kept(scored, earlier), scored.judgements)
            now += scored.tally.rows
            _add(result, scored)
            if notes is not None:
                notes.note(block)
            if on_progress is not None:
                on_progress(_progress(result.tally, now, block, size, ledger, scored))
            limit.check(result)
        _write(output, result, () if earlier is None else earlier.rest())
        limit.check_whole(result)
        _check_input(output, check)
    return _finished(output, result)


def _progress(  # noqa: PLR0917
    tally: Tally, now: int, block: Block, size: int | None, ledger: Ledger | None, scored: Scored
) -> Progress:  # fmt: skip
    return Progress(tally, now, block.end, size, _so_far(ledger), scored.spans)


def _finished(output: FileOutput | StreamOutput, result: Run) -> Run:
    output.finish(result.tally.rows, cost=result.paid)
    result.complete = True
    return result


def _with_kept(scored: Scored, earlier: Earlier | None) -> Iterable[tuple[bytes, Tally]]:
    """Return new result lines with those of an earlier run that come before them."""
    return [(scored.lines, Tally())] if earlier is None else earlier.merged(scored.lines)


def _whole(output: FileOutput | StreamOutput) -> Run:
    """Return what a run gave that an earlier one had finished."""
    done = output.finished
    paid = output.manifest.get("cost") if isinstance(output, FileOutput) else None
    return Run(tally=done.tally, resumed=done.rows, complete=True, paid=paid)


def _so_far(ledger: Ledger | None) -> dict[str, Any] | None:
    """Return what was paid so far; None where nobody asks."""
    return None if ledger is None or not ledger.is_asked else ledger.paid.to_dict()


def _write(
    output: FileOutput | StreamOutput,
    result: Run,
    parts: Iterable[tuple[bytes, Tally]],
    judgements: bytes = b"",
) -> None:
    for lines, kept in parts:
        output.write(lines, judgements)
        judgements = b""
        result.tally.merge(kept)


def _check_input(output: FileOutput | StreamOutput, check: Callable[[], None] | None) -> None:
    try:
        if check is not None:
            check()
    except ChangedError:
        # Rows may have been scored as they are now: nothing is to go on with these results.
        inputs = output.manifest.get("inputs", ()) if isinstance(output, FileOutput) else ()
        told = [(one, "version" if "version" in one else "sha256") for one in inputs]
        output.sync(inputs=[{**one, name: "changed"} for one, name in told])
        raise


def _add(result: Run, scored: Scored) -> None:
    """Add a block's results to what a run gave."""
    result.tally.merge(scored.tally)
    result.cost.merge(scored.cost)
    if scored.python is not None:
        result.sandboxes[scored.python[0]] = scored.python[1]
    if scored.peak is not None:
        result.peaks[scored.peak[0]] = scored.peak[1]


@contextmanager
def _noted(
    output: FileOutput | StreamOutput,
    notes: _StreamNotes | None,
    result: Run,
    ledger: Ledger | None,
) -> Iterator[None]:
    """Write down, however it ends, how far a stream was read and what was paid; say what is kept."""
    try:
        yield
    except (RowsError, UnavailableError) as error:
        raise type(error)(f"{error}{output.kept}") from None
    except BudgetError as error:
        output.sync(cost=_so_far(ledger))
        raise BudgetError(str(error), run=result) from None
    finally:
        result.paid = _so_far(ledger)
        if notes is not None:
            with suppress(RowsError):
                notes.write()


def _feed(  # noqa: PLR0917
    source: Source,
    parallelism: Parallelism,
    rows: RowRange,
    earlier: Earlier | None,
    notes: _StreamNotes | None,
    done: int,
) -> Iterable[Block | None]:
    """Return the blocks to be scored; None now and then while a stream gives nothing."""
    blocks: Iterable[Block] = source.blocks(parallelism.block_bytes, rows.start)
    if notes is not None:
        blocks = notes.watch(blocks)
    blocks = window(blocks, rows.start, rows.stop)
    if earlier is not None:
        earlier.skip(done)
        blocks = earlier.only_failed(blocks)
    if parallelism.block_rows is not None:
        blocks = cut_small(blocks, parallelism.block_rows)
    return read_ahead(blocks) if source.is_stream else blocks


def _lazily(
    blocks: Iterable[Block | None], executors: Callable[[], Sequence[Executor]]
) -> Generator[tuple[Block, Scored], None, None]:
    """Yield blocks and their results, in order; without a block no executor is made."""
    waiting = iter(blocks)
    for first in waiting:
        if first is not None:
            yield from in_order(chain([first], waiting), executors())
            return


class _StreamNotes:
    """Notes how far a stream was read and scored, to know it again when it comes once more.

    Args:
        output: has the notes of an earlier run in its manifest, and takes new ones.
    """

    def __init__(self, output: FileOutput) -> None:
        self._output = output
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._marks: deque[tuple[int, int, str]] = deque()
        self._latest: tuple[int, int, str] | None = None
        self._written = 0.0

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks.

        Raises:
            RowsError: what comes is not what was read before.
        """
        expected: Mapping[str, Any] | None = self._output.manifest.get("stream")
        for block in blocks:
            if expected is not None and self._bytes + len(block.data) >= expected["bytes"]:
                begun = self._digest.copy()
                begun.update(block.data[: max(expected["bytes"] - self._bytes, 0)])
                if begun.hexdigest() != expected["sha256"]:
                    break
                expected = None
            self._digest.update(block.data)
            self._bytes += len(block.data)
            after = block.index + count_rows(block)
            self._marks.append((after, self._bytes, self._digest.hexdigest()))
            yield block
        if expected is not None:
            raise self._others()

    def check_whole(self, blocks: Iterable[Block], *, bounded: bool) -> None:
        """See whether a stream is the one that a complete output was made from.

        Raises:
            RowsError: it is not.
        """
        expected = self._output.manifest.get("stream")
        for _ in self.watch(blocks):
            if bounded and expected is not None and self._bytes >= expected["bytes"]:
                return
        if expected is not None and self._bytes != expected["bytes"]:
            raise self._others()

    def _others(self) -> RowsError:
        return RowsError(
            f"{self._output.name} cannot be resumed: the rows that come are not those the run "
            "began with; --restart starts anew and drops what was finished"
        )

    def note(self, block: Block) -> None:
        """Note what was read up to a block that is scored and written; write it now and then."""
        after = block.index + count_rows(block) if block.indexes is None else block.indexes[-1] + 1
        while self._marks and self._marks[0][0] <= after:
            self._latest = self._marks.popleft()
        if time.monotonic() - self._written > _NOTE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write down what is noted."""
        if self._latest is None:
            return
        rows, size, digest = self._latest
        self._latest = None
        self._written = time.monotonic()
        self._output.sync(stream={"rows": rows, "bytes": size, "sha256": digest})
