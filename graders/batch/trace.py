"""A run told as a trace, where OpenTelemetry is configured."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from graders.batch.file import score_parts, score_source
from graders.batch.manifest import grader_digest
from graders.batch.option import ScoreOptions
from graders.batch.output import check_lines
from graders.batch.run import Progress, Run
from graders.batch.shard import is_folder
from graders.errors import StoppedError
from graders.grading.performers import Performers, Setup
from graders.plan import Plan
from graders.remote import named
from graders.rows import Source
from graders.tracing import Rule, RunTrace, is_configured, missing, wants_texts

__all__ = ["score_traced"]


def score_traced(
    source: Source, output: str | os.PathLike[str], performers: Performers, setup: Setup | None,
    options: ScoreOptions, *, on_progress: Callable[[Progress], None] | None = None, **more: Any,
) -> Run:  # fmt: skip
    """Score to a file, or to the parts of a folder, and tell of it where that is configured.

    Raises:
        RowsError, OptionError, StoppedError: as `graders.score_file`.
        UnavailableError: a trace is wanted, and what it needs is not installed.
    """
    place = named(output)
    check_lines(place)
    in_parts = options.shards or options.shard is not None or is_folder(output, place)
    score: Callable[..., Run] = score_parts if in_parts else score_source
    told = (source, place, performers, setup, options)
    if not is_configured(asked=options.trace):
        return score(*told, on_progress=on_progress, **more)
    if why := missing(asked=options.trace):
        run = score(*told, on_progress=on_progress, **more)
        run.traced = {"trace_id": None, "spans": 0, "lost": 0, "reason": why}
        return run
    rule = Rule(
        options.trace_rows, wants_texts(asked=options.trace_texts), first=options.rows.start
    )
    trace = RunTrace(rule, _begun(performers.plan))

    def note(now: Progress) -> None:
        trace.add(now.spans)
        if on_progress is not None:
            on_progress(now)

    ended: Run | None = None
    try:
        with trace:
            try:
                wanted = rule if trace.is_recording and rule.rows else None
                ended = score(*told, on_progress=note, rule=wanted, **more)
            except StoppedError as stopped:
                ended = stopped.run
                raise
            finally:
                trace.finish({} if ended is None else _came_to(ended))
        return ended
    finally:
        if ended is not None:
            ended.traced = trace.traced.to_dict()


def _begun(plan: Plan) -> dict[str, Any]:
    return {
        "graders.grader.name": plan.name,
        "graders.grader.type": plan.type,
        "graders.grader.sha256": grader_digest(plan.config),
    }


def _came_to(run: Run) -> dict[str, Any]:
    tally = run.tally
    found = tally.rewards.interval()
    return {
        "graders.rows": tally.rows,
        "graders.rows.scored": tally.scored,
        "graders.rows.failed": tally.failed,
        "graders.rows.resumed": run.resumed,
        "graders.complete": run.complete,
        "graders.reward.mean": tally.rewards.mean,
        "graders.reward.low": None if found is None else found.low,
        "graders.reward.high": None if found is None else found.high,
        "gen_ai.usage.input_tokens": sum(one.prompt_tokens for one in tally.usage.values()) or None,
        "gen_ai.usage.output_tokens": sum(one.completion_tokens for one in tally.usage.values())
        or None,
    }
