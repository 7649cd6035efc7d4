"""Scoring a block: lines of rows in, lines of results out, and what they add up to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from graders import jsontext
from graders.batch.cost import Cost, SlowRow
from graders.batch.tally import Tally
from graders.grade import Failure
from graders.grading.runner import Graded, Runner
from graders.plan import Plan
from graders.rows import Block, Chunk, Layout, count_rows, decode_block
from graders.sandbox import Stats
from graders.tracing import Rule, Span, row_spans

__all__ = ["OnError", "Scored", "fail_block", "join", "score_block"]

OnError = Literal["null", "zero", "raise"]
"""What a failed row's reward is in its result line: null or 0.0; `raise` also ends the run."""


@dataclass(slots=True)
class Scored:
    """A block's results.

    Attributes:
        lines: the result lines.
        tally: what they add up to.
        judgements: a line for each row with what judges said, where they are kept.
        cost: what they took.
        python: what the sandbox that scored it did so far, and which process that was.
        spans: what is told of rows in a trace, where there is one.
    """

    lines: bytes
    tally: Tally
    cost: Cost = field(default_factory=Cost)
    python: tuple[int, Stats] | None = None
    peak: tuple[int, int] | None = None
    judgements: bytes = b""
    spans: Sequence[Span] = ()


def score_block(
    runner: Runner, block: Block, layout: Layout, on_error: OnError = "null", *,
    keep: bool = False, rule: Rule | None = None,
) -> Scored:  # fmt: skip
    """Return the result lines of a block of input lines, and what they add up to.

    Args:
        runner: grades.
        block: the lines.
        layout: where item and sample stand.
        on_error: what stands for a failed row's reward.
        keep: whether what judges said is kept.
        rule: which rows have a span in a trace; None for none.
    """
    chunk, began = decode_block(block, layout), time.time_ns()
    graded = runner.grade(chunk)
    spans = [] if rule is None else row_spans(chunk, graded, rule, began, time.time_ns())
    tally = Tally()
    tally.add(chunk.indexes, graded.rewards, graded.sub_rewards, graded.failures, graded.replaced)
    if chunk.groups:
        # What `on_error` writes in place of a failed row's reward is no reward.
        rewards = [
            None if row in graded.failures else one for row, one in enumerate(graded.rewards)
        ]
        tally.add_groups(chunk.groups, rewards)
    for leaf in runner.plan.leaves:
        judged = graded.judged.get(leaf.key)
        if judged is not None and judged.panels:
            asked = [one for one in judged.panels if one is not None]
            given = [(one.scores, one.disagreement) for one in asked]
            tally.add_panel(leaf.key, given, leaf.passes_at)
        elif judged is not None and runner.judging.repeats > 1:
            repeats = [judged.repeats(row) for row in range(len(judged.said))]
            tally.add_repeats(leaf.key, repeats, leaf.passes_at)
    for row in range(len(graded.rewards) if graded.judged else 0):
        tally.add_usage(graded.usage(row))
    judgements = _judgement_lines(chunk, graded) if keep else b""
    return Scored(
        _result_lines(chunk, graded, on_error), tally, _cost(chunk, graded),
        judgements=judgements, spans=spans,
    )  # fmt: skip


def fail_block(
    plan: Plan, block: Block, reason: str, on_error: OnError = "null", *,
    keep: bool = False, rule: Rule | None = None,
) -> Scored:  # fmt: skip
    """Return the results of a block whose rows could not be scored for a reason of the machine's.

    Nothing of the rows is looked at: whatever befell the process that did so is not to befall
    this one.
    """
    count = count_rows(block)
    indexes = block.indexes or range(block.index, block.index + count)
    keys = [leaf.key for leaf in plan.leaves if leaf.key]
    graded = Graded(
        plan.name, plan.type, [None] * count, {key: [None] * count for key in keys},
        {row: (Failure("other_error", reason),) for row in range(count)},
    )  # fmt: skip
    chunk = Chunk(ids=[None] * count, indexes=indexes)
    tally = Tally()
    tally.add(indexes, graded.rewards, graded.sub_rewards, graded.failures, {})
    judgements, now = _judgement_lines(chunk, graded) if keep else b"", time.time_ns()
    spans = [] if rule is None else row_spans(chunk, graded, rule, now, now)
    return Scored(_result_lines(chunk, graded, on_error), tally, judgements=judgements, spans=spans)


def join(first: Scored, second: Scored) -> Scored:
    """Return the results of two blocks, the second after the first, as those of one."""
    first.tally.merge(second.tally)
    first.cost.merge(second.cost)
    python, peak = second.python or first.python, second.peak or first.peak
    judgements = first.judgements + second.judgements
    spans = [*first.spans, *second.spans]
    return Scored(
        first.lines + second.lines, first.tally, first.cost, python, peak, judgements, spans
    )


def _cost(chunk: Chunk, graded: Graded) -> Cost:
    cost = Cost()
    cost.seconds.update(graded.seconds)
    for key, replies in graded.replies.items():
        cost.add_slow(
            SlowRow(reply.seconds, chunk.indexes[row], key)
            for row, reply in enumerate(replies)
            if reply is not None and reply.seconds
        )
    for key, judged in graded.judged.items():
        cost.add_slow(
            SlowRow(seconds, chunk.indexes[row], key)
            for row, seconds in enumerate(judged.seconds)
            if seconds
        )
    return cost


def _judgement_lines(chunk: Chunk, graded: Graded) -> bytes:
    lines = []
    for row, identity in enumerate(chunk.ids):
        line: dict[str, Any] = {"index": chunk.indexes[row]}
        if identity is not None:
            line["id"] = identity
        line["judgements"] = [one for said in graded.judgements(row).values() for one in said]
        lines.append(jsontext.encode(line) + b"\n")
    return b"".join(lines)


def _result_lines(chunk: Chunk, graded: Graded, on_error: OnError) -> bytes:
    rewards = list(graded.rewards)
    if on_error == "zero":
        rewards = [0.0 if reward is None else reward for reward in rewards]
    plain = _plain_lines(chunk, rewards, graded)
    lines = [
        _result_line(chunk, row, rewards[row], graded) if line is None else line
        for row, line in enumerate(plain)
    ]
    return b"\n".join(lines) + b"\n" if lines else b""


def _plain_lines(
    chunk: Chunk, rewards: list[float | None], graded: Graded
) -> Sequence[bytes | None]:
    """Return the lines of rows that have an index and numbers and no more; None for another row's.

    They are most of nearly all results, and numbers are written by the column.
    """
    nothing: list[bytes | None] = [None] * len(rewards)
    if chunk.groups or graded.judged:
        return nothing
    try:
        columns = [_written(column) for column in (rewards, *graded.sub_rewards.values())]
    except TypeError:
        return nothing
    names = (jsontext.encode(str(key)).replace(b"%", b"%%") for key in graded.sub_rewards)
    subs = b",".join(name + b":%b" for name in names)
    form = b'{"index":%d,"reward":%b,"sub_rewards":{' + subs + b'},"failures":[]}'
    found: list[bytes | None] = [form % one for one in zip(chunk.indexes, *columns, strict=True)]
    for row, identity in enumerate(chunk.ids):
        if identity is not None:
            found[row] = None
    for row in (*graded.failures, *graded.replaced):
        found[row] = None
    return found


def _written(column: Sequence[float | None]) -> list[bytes]:
    """Return numbers as JSON has them.

    Raises:
        TypeError: there is something else.
    """
    return orjson.dumps(list(column))[1:-1].split(b",") if column else []


def _result_line(chunk: Chunk, row: int, reward: float | None, graded: Graded) -> bytes:
    line: dict[str, Any] = {"index": chunk.indexes[row]}
    if (identity := chunk.ids[row]) is not None:
        line["id"] = identity
    line["reward"] = reward
    line["sub_rewards"] = {key: column[row] for key, column in graded.sub_rewards.items()}
    line["failures"] = [one.to_dict() for one in graded.failures.get(row, ())]
    if row in graded.replaced:
        line["replaced"] = [one.to_dict() for one in graded.replaced[row]]
    if chunk.groups:
        line["by"] = chunk.groups[row]
    if graded.judged:
        if usage := graded.usage(row):
            line["usage"] = {model: one.to_dict() for model, one in usage.items()}
        if repeats := graded.repeats(row):
            line["repeats"] = repeats
        if panels := graded.panels(row):
            line["panel"] = {key: one.to_dict() for key, one in panels.items()}
    return jsontext.encode(line)
