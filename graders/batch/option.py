"""How files of rows are scored, as callers say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graders.batch.parallelism import Engine
from graders.batch.run import MaxFailures
from graders.batch.score import OnError
from graders.errors import OptionError
from graders.option import check, option
from graders.rows import Layout, RowRange

__all__ = ["ScoreOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """How files of rows are scored.

    Attributes:
        item_path: where in a row the item stands; `.` for the whole row.
        sample_path: the same for the sample.
        by: where in a row a category stands, such as `item.topic`, that figures are given by; None for
            none. At most 1,000 of them.
        cells: of a table that knows only text (CSV, TSV): `text`, or `typed` for what each cell looks
            like: numbers, true and false, null, lists, objects.
        workers: worker processes; None for as many as cores where the input is not small, 0 for
            none. Models are always asked from this process.
        engine: `local` for processes of this machine, `ray` for Ray actors (extra `ray`).
        ray_address: of the Ray cluster; None for this machine.
        ray_wait: seconds that a run may be without any worker on the cluster, before the first, or where all
            are lost, until it ends.
        resume: go on where an earlier run was interrupted; it must have been of the same grader,
            rows and options.
        restart: drop what an interrupted run has finished.
        shards: into how many parts the results are divided, which stand in a folder, the output; None for
            one file, or, where the output is a folder, a part for each 256 MB.
        shard: `I/N`: score part I of N only, counted from 0, into a folder that several workers share.
        where: the rows to score, by index; None for all.
        allow_empty: let an input without rows be a success, and not an error.
        limit: score at most so many rows.
        only_failed: results of an earlier run: its failed rows are scored again, the others kept.
        keep_judgements: write what judges said, with steps and raw replies, to a file of its own beside
            the results, `<output>.judgements.jsonl`, for its owner alone.
        prices: a JSON file of what tokens cost, by model: `{"gpt-4o": {"prompt": 2.5, "cached": 1.25,
            "completion": 10}}`, dollars for a million. The cost stands in summary and manifest.
        budget: dollars that the run and those it goes on with may pay; None for any number. It stops
            before it pays more, as well as that can be known, and can be gone on with. It is of all shards:
            with `shard`, the part may pay its share by rows.
        budget_tokens: the same in tokens.
        trace: send spans of the run, of rows and of judge calls by OpenTelemetry (extra `otel`), though
            no variable of the environment such as OTEL_EXPORTER_OTLP_ENDPOINT says where to.
        trace_rows: every one of the first so many rows has a span, of the next nine times as many each tenth,
            and so on, and as many of the failed ones; 0 for none.
        trace_texts: tell texts of rows, messages and replies in spans, too.
        on_error: what a failed row's reward is in its result line: `null`, or `zero` for 0.0 (its
            failures are named either way); `raise` stops the run at the first one.
        max_failures: stop when more rows than this have failed.
    """

    item_path: str = option(
        "item",
        "Where in a row the item stands; . is the whole row.",
        metavar="PATH",
        group="Rows and samples",
    )
    sample_path: str = option(
        "sample", "Where in a row the sample stands, such as choices[0].message.content.",
        metavar="PATH", group="Rows and samples",
    )  # fmt: skip
    by: str | None = option(
        None,
        "Give figures by what stands there in a row, such as item.topic.",
        metavar="PATH",
        group="Results",
    )
    cells: Literal["text", "typed"] = option(
        "text",
        "Whether cells of CSV are text, or read as the numbers and such they look like.",
        group="Rows and samples",
    )
    workers: int | None = option(
        None, "Worker processes; 0 for none.  [default: the cores, 0 where there is little to do]",
        metavar="N", least=0, group="Speed and resuming",
    )  # fmt: skip
    engine: Engine = option(
        "local",
        "Where workers run: processes of this machine, or Ray actors.",
        group="Speed and resuming",
    )
    ray_address: str | None = option(
        None, "Ray cluster.  [default: this machine]", metavar="ADDRESS", group="Speed and resuming"
    )
    ray_wait: float = option(
        60.0, "How long a run may be without any worker on the Ray cluster.", metavar="SECONDS",
        unit="seconds", above=0, group="Speed and resuming",
    )  # fmt: skip
    resume: bool = option(
        False, "Go on where an interrupted run of the same was stopped.", group="Speed and resuming"
    )
    restart: bool = option(
        False, "Drop what an interrupted run has finished.", group="Speed and resuming"
    )
    shards: int | None = option(
        None, "Divide the results into N parts, each resumable, in the folder OUT.",
        metavar="N", least=1, most=99_999, group="Speed and resuming",
    )  # fmt: skip
    shard: str | None = option(
        None, "Score part I of N only, I from 0, as one of several workers that share OUT; each has a --concurrency of its own.",
        metavar="I/N", group="Speed and resuming",
    )  # fmt: skip
    where: RowRange | None = option(
        None, "Score the rows with these indexes only.", group="Rows and samples"
    )
    allow_empty: bool = option(False, "Let an input without rows be a success.", group="Checks")
    limit: int | None = option(
        None, "Score the first N rows only.", metavar="N", least=0, group="Rows and samples"
    )
    only_failed: Path | None = option(  # An address becomes a Remote.
        None,
        "Score the failed rows of these results again; keep the others.",
        metavar="EARLIER",
        exists=True,
        elsewhere=True,
        group="Rows and samples",
    )
    keep_judgements: bool = option(
        False, "Write judges' steps and replies to OUT.judgements.jsonl, too.", group="Results"
    )
    prices: Path | None = option(
        None, "What tokens cost: JSON, by model dollars for a million.", metavar="FILE",
        exists=True, elsewhere=True, group="Models",
    )  # fmt: skip
    budget: float | None = option(
        None, "Stop, and exit with 5, before more than this is paid for models.",
        metavar="DOLLARS", above=0, group="Models",
    )  # fmt: skip
    budget_tokens: int | None = option(
        None, "Stop, and exit with 5, before models use more tokens than this.",
        metavar="N", least=1, group="Models",
    )  # fmt: skip
    max_failures: MaxFailures | None = option(
        None, "Stop, and exit with 1, when more rows than this fail.", group="Checks"
    )
    on_error: OnError = option(
        "null",
        "A failed row's reward: null, or zero for 0.0; raise stops at the first.",
        group="Results",
    )

    trace: bool = option(
        False,
        "Send spans by OpenTelemetry, though no OTEL_ variable asks for it.",
        group="Traces and trackers",
    )
    trace_rows: int = option(
        1000, "Spans of the first N rows, then rarer; 0 for none.", metavar="N", least=0,
        most=1_000_000, group="Traces and trackers",
    )  # fmt: skip
    trace_texts: bool = option(
        False, "Tell texts of rows and judges in spans, too.", group="Traces and trackers"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.shard is not None and self.shards is not None:
            raise OptionError("shards scores all parts and shard one of them; give one of the two")
        if self.budget is not None and math.isinf(self.budget):
            raise OptionError("budget is a number of dollars, got inf; leave it out for no limit")
        if self.budget is not None and self.prices is None:
            raise OptionError(
                "budget is in dollars and needs prices, the file of what tokens cost; "
                "budget_tokens needs none"
            )

    @property
    def layout(self) -> Layout:
        """Where in a row item and sample stand; OptionError for what is no path."""
        return Layout.parse(self.item_path, self.sample_path, self.cells, self.by)

    @property
    def rows(self) -> RowRange:
        """Which rows are scored."""
        return (self.where or RowRange()).first(self.limit)
