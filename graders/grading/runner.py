"""Grading a chunk: rows in columns in, rewards in columns out.

One way, no back and forth: prepare samples, render each distinct template once, score the pure
leaves, perform the asking leaves' calls, combine. A failed row leaves the columns of the leaves
after it untouched: a leaf only ever sees the rows it can score.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

from graders.calls import (
    ChatCall,
    ChatReply,
    ChoosyPerformer,
    EmbedCall,
    EndpointCall,
    ManyChatPerformer,
    PythonCall,
    PythonReply,
    Stop,
)
from graders.errors import UnavailableError
from graders.grade import Failure, Grade, Usage, grade_of
from graders.grading.judging import Judging, ask_judges, settled_by
from graders.kinds import Asked, Judged, Panelled, Performer, Rows, Settled
from graders.metrics import Request, Scorer
from graders.plan import Leaf, Plan
from graders.rows import Chunk
from graders.sample import Absent, prepare
from graders.template import Rendered

__all__ = ["Graded", "Runner"]

_NEEDS: Final[Mapping[Performer, str]] = {
    "python": "python graders need a sandbox, and none was given",
    "chat": "model graders need a chat client; none was given",
    "embed": "cosine needs an embedder, and none was given",
    "endpoint": "endpoint graders need a client, and none was given",
}


@dataclass(slots=True)
class Graded:
    """A graded chunk, in columns.

    Attributes:
        name: the grader's name.
        type: the grader's type.
        rewards: a reward a row, None exactly where `failures` has the row.
        sub_rewards: a column for each sub-grader of a multi or criterion of an eval.
        failures: why rows have no reward.
        replaced: failures that `invalid_grade` stood in for.
        replies: what each python leaf's calls gave, by key; for a closer look at one row.
        judged: what each model grader's calls gave, by key, in the same rows.
        seconds: how long each leaf took, by key.
        asked: what judges were asked, and what they replied to each entry.
    """

    name: str
    type: str
    rewards: list[float | None]
    sub_rewards: dict[str, list[float | None]]
    failures: dict[int, tuple[Failure, ...]]
    replaced: dict[int, tuple[Failure, ...]] = field(default_factory=dict)
    replies: dict[str, Sequence[PythonReply | None]] = field(default_factory=dict)
    judged: dict[str, Judged] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    asked: Sequence[tuple[ChatCall, Sequence[ChatReply]]] = ()

    def usage(self, row: int) -> dict[str, Usage]:
        """Return the tokens that judges used for one row, by model."""
        total: dict[str, Usage] = {}
        for one in self.judged.values():
            for model, usage in one.usage(row).items():
                total[model] = total.get(model, Usage()) + usage
        return total

    def repeats(self, row: int) -> dict[str, list[float | None]]:
        """Return the score of each repeat, by key of the judges asked more than once."""
        return {
            key: scores for key, one in self.judged.items() if len(scores := one.repeats(row)) > 1
        }

    def said(self, row: int) -> dict[str, list[str]]:
        """Return what judges answered for one row, by key."""
        return {
            key: [each.text for each in one.said[row]]
            for key, one in self.judged.items()
            if one.said[row]
        }

    def judgements(self, row: int) -> dict[str, list[dict[str, Any]]]:
        """Return every judgement of one row as it stands in a file, by its sub-grader's key."""
        return {
            key: [{"grader": key, **each.to_dict()} for each in one.said[row]]
            for key, one in self.judged.items()
        }

    def panels(self, row: int) -> dict[str, Panelled]:
        """Return what panels gave for one row, by key."""
        return {
            key: found
            for key, one in self.judged.items()
            if one.panels and (found := one.panels[row]) is not None
        }

    def grade(self, row: int, execution_time: float = 0.0) -> Grade:
        """Return one row's grade."""
        return grade_of(
            reward=self.rewards[row],
            sub_rewards={key: column[row] for key, column in self.sub_rewards.items()},
            failures=self.failures.get(row, ()),
            replaced=self.replaced.get(row, ()),
            usage=self.usage(row) if self.judged else {},
            name=self.name,
            type=self.type,
            execution_time=execution_time,
        )

    def printed(self, row: int) -> dict[str, str]:
        """Return what python graders printed for one row, by leaf key."""
        return {
            key: reply.stdout + reply.stderr
            for key, column in self.replies.items()
            if (reply := column[row]) is not None and (reply.stdout or reply.stderr)
        }


class _Asking(NamedTuple):
    """What a leaf asks for a chunk: of `rows`, the others being among `failures`."""

    leaf: Leaf
    rows: Sequence[int]
    failures: Mapping[int, Failure]
    asked: Asked


class _Watch:
    """Adds up how long each leaf takes, one or several at a time; keeps what judges were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[ChatCall, Sequence[ChatReply]]] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._keys: tuple[str | None, ...] = ()
        self._since = time.perf_counter()

    def turn_to(self, *keys: str | None) -> None:
        """Count for these leaves from now on, for each an equal share; None is nobody."""
        now = time.perf_counter()
        for key in self._keys:
            if key is not None:
                self.seconds[key] += (now - self._since) / len(self._keys)
        self._keys, self._since = keys, now


class Runner:
    """Grades chunks by a plan. Keeps the metrics' caches; not for several threads at once.

    Args:
        plan: what to grade by.
        performers: who acts on what the plan's leaves ask.
        judging: how judges are asked; for a panel and several criteria at once, too.
        stoppable: those performers that can be told to stop.

    Raises:
        UnavailableError: the plan needs a performer that is not given, or a metric that cannot
            be computed here.
    """

    def __init__(
        self,
        plan: Plan,
        performers: Mapping[Performer, Any] | None = None,
        *,
        judging: Judging | None = None,
        stoppable: Collection[Performer] = (),
    ) -> None:
        self.plan = plan
        self._stoppable = stoppable
        self._performers = performers or {}
        self.judging = judging or Judging()
        self._scorer = Scorer(plan.reading.metric_options)
        # No rows: only to learn before the first row whether every metric can be computed.
        self._scorer.score(
            [Request(one.metric, [], []) for one in plan.leaves if one.metric is not None]
        )
        for leaf in plan.leaves:
            where = f"{leaf.key}: " if leaf.key else ""
            if leaf.performer in _NEEDS and leaf.performer not in self._performers:
                raise UnavailableError(f"{where}{_NEEDS[leaf.performer]}")
            performer = self._performers.get(leaf.performer)
            if isinstance(performer, ChoosyPerformer):
                empty = Rows(dict.fromkeys(leaf.fields, ()), (), ())
                try:
                    performer.agree(leaf.kind.ask(leaf.config, empty, self.judging.repeats))
                except UnavailableError as error:
                    raise type(error)(f"{where}{error}") from None

    def grade(self, chunk: Chunk, stop: Stop | None = None) -> Graded:
        """Return the grades of a chunk, in columns.

        Args:
            chunk: the rows.
            stop: set from another thread once nobody waits: what can be told to stop is.
        """
        failures: dict[int, tuple[Failure, ...]] = {
            row: (failure,) for row, failure in chunk.failures.items()
        }
        samples: list[Any] = []
        for row, raw in enumerate(chunk.samples):
            try:
                samples.append(prepare(raw, self.plan.wanted))
            except ValueError as error:
                samples.append(Absent(str(error)))
                failures.setdefault(row, (Failure("sample_parse_error", str(error)),))
        indexes: Sequence[int] = chunk.indexes or range(len(samples))
        if not failures:
            return self._grade_rows(chunk.items, samples, indexes, stop)
        rows = [row for row in range(len(samples)) if row not in failures]
        items = [chunk.items[row] for row in rows]
        indexes = [indexes[row] for row in rows]
        part = self._grade_rows(items, [samples[row] for row in rows], indexes, stop)
        return _spread(part, rows, len(samples), failures)

    def _grade_rows(
        self,
        items: Sequence[Any],
        samples: Sequence[Any],
        indexes: Sequence[int],
        stop: Stop | None,
    ) -> Graded:
        plan, repeats = self.plan, self.judging.repeats
        rendered = [plan.render(index, items, samples) for index in range(len(plan.templates))]
        watch = _Watch()
        asking = []
        for leaf in plan.leaves:
            watch.turn_to(leaf.key)
            asking.append(_ask(leaf, rendered, items, samples, repeats))
        watch.turn_to(None)
        replies = self._perform(asking, indexes, watch, stop)
        columns: dict[str, Settled] = {}
        for one in asking:
            watch.turn_to(one.leaf.key)
            columns[one.leaf.key] = _settle(
                one, replies.get(one.leaf.key, ()), self.judging, len(items)
            )
        watch.turn_to(None)
        graded = _combine(plan, columns, len(items))
        graded.replies = {
            one.leaf.key: replies[one.leaf.key]
            for one in asking
            if isinstance(one.asked, PythonCall)
        }
        graded.judged = {key: one for key, one in columns.items() if isinstance(one, Judged)}
        graded.seconds, graded.asked = dict(watch.seconds), watch.asked
        return graded

    def _perform(
        self, asking: Sequence[_Asking], indexes: Sequence[int], watch: _Watch, stop: Stop | None
    ) -> dict[str, Any]:
        """Return what performers reply to all that is asked for a chunk, by leaf key."""
        replies: dict[str, Any] = {}
        measured: list[tuple[str, Request]] = []
        judges: dict[str, ChatCall] = {}
        for one in asking:
            key = one.leaf.key
            match one.asked:
                case Settled():
                    pass
                case Request():
                    measured.append((key, one.asked))
                case ChatCall():
                    rows = [indexes[row] for row in one.rows for _ in range(self.judging.repeats)]
                    judges[key] = replace(one.asked, rows=rows)
                case PythonCall() | EmbedCall() | EndpointCall():
                    watch.turn_to(key)
                    name = one.leaf.performer
                    replies[key] = self._performers[name].perform(
                        one.asked, **self._until(name, stop)
                    )
                case _:
                    assert_never(one.asked)
        watch.turn_to(None)
        # All metrics of a chunk at once: they share the tokens of equal texts.
        times: list[float] = []
        found = self._scorer.attempt([one for _, one in measured], times) if measured else []
        for (key, _), scores, took in zip(measured, found, times, strict=True):
            replies[key] = scores
            watch.seconds[key] += took
        if judges:  # All of a chunk at once: none waits for another's slowest row.
            watch.turn_to(*judges)
            chat_all = partial(self._chat_all, watch=watch, stop=stop)
            replies |= ask_judges(judges, self.judging, chat_all)
            watch.turn_to(None)
        return replies

    def _chat_all(
        self, calls: Sequence[ChatCall], watch: _Watch, stop: Stop | None
    ) -> list[list[ChatReply]]:
        chat, until = self._performers["chat"], self._until("chat", stop)
        if isinstance(chat, ManyChatPerformer):
            replies = chat.perform_many(calls, **until)
        else:
            replies = [chat.perform(call, **until) for call in calls]
        watch.asked = [*zip(calls, replies, strict=True)]
        return replies

    def _until(self, name: Performer, stop: Stop | None) -> dict[str, Any]:
        # Who is given by the caller need not know of stops.
        return {} if stop is None or name not in self._stoppable else {"stop": stop}


def _ask(
    leaf: Leaf, rendered: Sequence[Rendered], items: Sequence[Any], samples: Sequence[Any],
    repeats: int,
) -> _Asking:  # fmt: skip
    """Return what a leaf asks for the rows of a chunk whose templates could be rendered."""
    failures: dict[int, Failure] = {}
    for index in leaf.fields.values():
        if missing := rendered[index].failures:
            failures = {**missing, **failures}  # The first text's comes first.
    columns = {path: rendered[index].texts for path, index in leaf.fields.items()}
    if not failures:
        asked = leaf.kind.ask(leaf.config, Rows(columns, items, samples), repeats)
        return _Asking(leaf, range(len(items)), failures, asked)
    rows = [row for row in range(len(items)) if row not in failures]
    part = Rows(
        {path: [column[row] for row in rows] for path, column in columns.items()},
        [items[row] for row in rows],
        [samples[row] for row in rows],
    )
    return _Asking(leaf, rows, failures, leaf.kind.ask(leaf.config, part, repeats))


def _settle(one: _Asking, replies: Any, judging: Judging, count: int) -> Settled:
    """Return a leaf's column of a chunk of `count` rows."""
    leaf = one.leaf
    settled = one.asked
    if isinstance(settled, ChatCall):
        settled = settled_by(leaf.kind, leaf.config, replies, judging)
    elif not isinstance(settled, Settled):
        settled = leaf.kind.settle(leaf.config, replies, judging.repeats)
    column = settled.among(one.rows, count, one.failures)
    if leaf.key and column.failures:
        column.failures = {
            row: replace(failure, where=leaf.key) for row, failure in column.failures.items()
        }
    return column


def _full(column: Sequence[Any], rows: Sequence[int], count: int) -> list[Any]:
    """Return a column of these rows in one of `count`, None in the others."""
    full: list[Any] = [None] * count
    for row, value in zip(rows, column, strict=True):
        full[row] = value
    return full


def _combine(plan: Plan, columns: Mapping[str, Settled], count: int) -> Graded:
    """Return the rewards of a chunk from its leaves' columns."""
    failures: dict[int, tuple[Failure, ...]] = {}
    for column in columns.values():
        for row, failure in column.failures.items():
            failures[row] = (*failures.get(row, ()), failure)
    if plan.kind == "leaf":
        return Graded(plan.name, plan.type, columns[""].scores, {}, failures)
    rows = [row for row in range(count) if row not in failures]
    scored: dict[str, Sequence[float]] = {
        key: column.scores if not failures else [column.scores[row] for row in rows]  # type: ignore[misc]
        for key, column in columns.items()
    }
    combine = _verdicts if plan.kind == "criteria" else _by_formula
    values, problems = combine(plan, scored, len(rows))
    for row, failure in problems.items():
        failures[rows[row]] = (failure,)
    rewards: list[float | None] = values
    if len(rows) < count:
        rewards = _full(values, rows, count)
    sub_rewards = {key: column.scores for key, column in columns.items()}
    graded = Graded(plan.name, plan.type, rewards, sub_rewards, failures)
    if plan.invalid_grade is not None:
        for row in failures:
            graded.rewards[row] = plan.invalid_grade
        graded.failures, graded.replaced = {}, failures
    return graded


def _by_formula(
    plan: Plan, scored: Mapping[str, Sequence[float]], count: int
) -> tuple[list[float | None], dict[int, Failure]]:
    formula = plan.formula
    if formula is None:
        raise TypeError("a multi's plan has a formula")
    values, reasons = formula.evaluate_columns(scored, count)
    return values, {row: Failure("formula_runtime_error", text) for row, text in reasons.items()}


def _verdicts(
    plan: Plan, scored: Mapping[str, Sequence[float]], count: int
) -> tuple[list[float | None], dict[int, Failure]]:
    passed = [1.0] * count
    for leaf in plan.leaves:
        threshold = leaf.passes_at
        for row, score in enumerate(scored[leaf.key]):
            if threshold is not None and score < threshold:
                passed[row] = 0.0
    return [*passed], {}


def _spread(
    part: Graded, rows: Sequence[int], count: int, failures: dict[int, tuple[Failure, ...]]
) -> Graded:
    """Return a graded part of a chunk in the chunk's own rows, with the failures of the others."""

    def moved(by_row: Mapping[int, Any]) -> dict[int, Any]:
        return {rows[row]: value for row, value in by_row.items()}

    return Graded(
        part.name,
        part.type,
        _full(part.rewards, rows, count),
        {key: _full(column, rows, count) for key, column in part.sub_rewards.items()},
        {**failures, **moved(part.failures)},
        moved(part.replaced),
        {key: _full(column, rows, count) for key, column in part.replies.items()},
        {key: judged.among(rows, count, {}) for key, judged in part.judged.items()},
        part.seconds,
        part.asked,
    )
