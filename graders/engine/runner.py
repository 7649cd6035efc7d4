"""Grading a chunk: rows in columns in, rewards in columns out.

One way, no back and forth: prepare samples, render each distinct template once, score the pure
leaves, perform the asking leaves' calls, combine. A failed row leaves the columns of the leaves
after it untouched: a leaf only ever sees the rows it can score.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graders.calls import (
    ChatCall,
    ChatPerformer,
    ChatReply,
    EmbedPerformer,
    ManyChatPerformer,
    PythonPerformer,
    PythonReply,
)
from graders.config import LabelModel, Python, ScoreModel, StringCheck, TextSimilarity
from graders.errors import UnavailableError
from graders.grade import Failure, Grade, Usage
from graders.leaves import (
    cosine,
    label_model,
    python,
    score_model,
    string_check,
    text_similarity,
)
from graders.leaves.judge import Judged
from graders.metrics import Request, Scorer
from graders.plan import Leaf, Plan
from graders.rows import Chunk
from graders.sample import Absent, prepare
from graders.template import Rendered, render_column

__all__ = ["Column", "Graded", "Runner", "is_cosine"]


@dataclass(slots=True)
class Column:
    """What one leaf gave: a score a row, None exactly where the row failed."""

    scores: list[float | None]
    failures: dict[int, Failure] = field(default_factory=dict)


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

    def usage(self, row: int) -> dict[str, Usage]:
        """Return the tokens that judges used for one row, by model."""
        total: dict[str, Usage] = {}
        for one in self.judged.values():
            for model, usage in one.usage[row].items():
                total[model] = total.get(model, Usage()) + usage
        return total

    def repeats(self, row: int) -> dict[str, list[float | None]]:
        """Return the score of each repeat, by key of the judges asked more than once."""
        return {
            key: one.repeats[row] for key, one in self.judged.items() if len(one.repeats[row]) > 1
        }

    def said(self, row: int) -> dict[str, list[str]]:
        """Return what judges answered for one row, by key."""
        return {key: one.texts[row] for key, one in self.judged.items() if one.texts[row]}

    def grade(self, row: int, execution_time: float = 0.0) -> Grade:
        """Return one row's grade."""
        return Grade(
            reward=self.rewards[row],
            sub_rewards={key: column[row] for key, column in self.sub_rewards.items()},
            failures=self.failures.get(row, ()),
            replaced=self.replaced.get(row, ()),
            usage=self.usage(row),
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


@dataclass(frozen=True, slots=True)
class _Asking:
    """A judge's call over a chunk: of `rows`, the others being among `failures`."""

    leaf: Leaf
    config: ScoreModel | LabelModel
    call: ChatCall
    rows: Sequence[int]
    failures: Mapping[int, Failure]

    def settle(
        self, replies: Sequence[ChatReply], count: int, repeats: int
    ) -> tuple[Column, Judged]:
        if isinstance(self.config, ScoreModel):
            judged = score_model.settle(self.config, replies, repeats)
        else:
            judged = label_model.settle(self.config, replies, repeats)
        full = judged.spread(self.rows, count)
        found = _placed({**self.failures, **full.failures}, self.leaf.key)
        return Column(full.scores, dict(sorted(found.items()))), full


class _Watch:
    """Adds up how long each leaf takes, one or several at a time."""

    def __init__(self) -> None:
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
        python: performs python graders; None where there are none.
        chat: performs model graders; None where there are none.
        embed: performs cosine; None where there is none.
        repeats: how often a judge is asked for each row.

    Raises:
        UnavailableError: the plan needs a performer that is not given, or a metric that cannot
            be computed here.
    """

    def __init__(
        self,
        plan: Plan,
        python: PythonPerformer | None = None,
        *,
        chat: ChatPerformer | None = None,
        embed: EmbedPerformer | None = None,
        repeats: int = 1,
    ) -> None:
        self.plan = plan
        self._python = python
        self._chat = chat
        self._embed = embed
        self.repeats = repeats
        self._scorer = Scorer(plan.choices.metric_options)
        # No rows: only to learn before the first row whether every metric can be computed.
        self._scorer.score(
            [
                Request(leaf.config.evaluation_metric, [], [])
                for leaf in plan.leaves
                if isinstance(leaf.config, TextSimilarity) and not is_cosine(leaf)
            ]
        )
        for leaf in plan.leaves:
            where = f"{leaf.key}: " if leaf.key else ""
            if isinstance(leaf.config, Python) and python is None:
                raise UnavailableError(f"{where}python graders need a sandbox, and none was given")
            if isinstance(leaf.config, ScoreModel | LabelModel) and chat is None:
                raise UnavailableError(f"{where}model graders need a chat client; none was given")
            if is_cosine(leaf) and embed is None:
                raise UnavailableError(f"{where}cosine needs an embedder, and none was given")

    def grade(self, chunk: Chunk) -> Graded:
        """Return the grades of a chunk, in columns."""
        failures: dict[int, tuple[Failure, ...]] = {
            row: (failure,) for row, failure in chunk.failures.items()
        }
        samples: list[Any] = []
        for row, raw in enumerate(chunk.samples):
            try:
                samples.append(prepare(raw, want_json=self.plan.want_json))
            except ValueError as error:
                samples.append(Absent(str(error)))
                failures.setdefault(row, (Failure("sample_parse_error", str(error)),))
        if not failures:
            return self._grade_rows(chunk.items, samples)
        rows = [row for row in range(len(samples)) if row not in failures]
        part = self._grade_rows([chunk.items[r] for r in rows], [samples[r] for r in rows])
        return _spread(part, rows, len(samples), failures)

    def _grade_rows(self, items: Sequence[Any], samples: Sequence[Any]) -> Graded:
        plan = self.plan
        rendered = [self._render(index, items, samples) for index in range(len(plan.templates))]
        columns: dict[str, Column] = {}
        replies: dict[str, Sequence[PythonReply | None]] = {}
        judged: dict[str, Judged] = {}
        asked: list[tuple[Leaf, Request, dict[int, Failure], Sequence[int]]] = []
        judges: list[_Asking] = []
        watch = _Watch()
        for leaf in plan.leaves:
            watch.turn_to(leaf.key)
            if isinstance(leaf.config, Python):
                columns[leaf.key], replies[leaf.key] = self._perform_python(leaf, items, samples)
                continue
            if isinstance(leaf.config, ScoreModel | LabelModel):
                columns[leaf.key] = Column([])  # Keeps the config's order; filled below.
                judges.append(self._asking(leaf, leaf.config, rendered, len(items)))
                continue
            inputs, references, failures, rows = _inputs(leaf, rendered)
            if isinstance(leaf.config, StringCheck):
                scores = string_check.score(leaf.config, inputs, references)
                columns[leaf.key] = _column(scores, failures, rows, len(items))
            elif is_cosine(leaf):
                columns[leaf.key] = self._perform_embed(leaf, inputs, references, failures, rows)
            elif isinstance(leaf.config, TextSimilarity):
                columns[leaf.key] = Column([])  # Keeps the config's order; filled below.
                request = text_similarity.request(leaf.config, inputs, references)
                asked.append((leaf, request, failures, rows))
        watch.turn_to(None)
        # All metrics of a chunk at once: they share the tokens of equal texts.
        times: list[float] = []
        found = self._scorer.score([one[1] for one in asked], times) if asked else []
        for (leaf, _, failures, rows), scores, took in zip(asked, found, times, strict=True):
            columns[leaf.key] = _column(scores, failures, rows, len(items))
            watch.seconds[leaf.key] += took
        # All judges of a chunk at once: none waits for another's slowest row.
        watch.turn_to(*[judge.leaf.key for judge in judges])
        for asking, answers in zip(judges, self._perform_chat(judges), strict=True):
            key = asking.leaf.key
            columns[key], judged[key] = asking.settle(answers, len(items), self.repeats)
        watch.turn_to(None)
        graded = _combine(plan, columns, len(items))
        graded.replies = replies
        graded.judged = judged
        graded.seconds = dict(watch.seconds)
        return graded

    def _render(self, index: int, items: Sequence[Any], samples: Sequence[Any]) -> Rendered:
        return render_column(
            self.plan.templates[index],
            items,
            samples,
            rendering=self.plan.choices.rendering,
            tool_arguments=self.plan.choices.tool_arguments,
        )

    def _perform_python(
        self, leaf: Leaf, items: Sequence[Any], samples: Sequence[Any]
    ) -> tuple[Column, Sequence[PythonReply]]:
        if self._python is None or not isinstance(leaf.config, Python):
            raise UnavailableError("python graders need a sandbox, and none was given")
        replies = self._python.perform(python.ask(leaf.config, samples, items))
        scores, failures = python.settle(replies)
        return Column(scores, _placed(failures, leaf.key)), replies

    def _asking(
        self,
        leaf: Leaf,
        config: ScoreModel | LabelModel,
        rendered: Sequence[Rendered],
        count: int,
    ) -> _Asking:
        texts = {path: rendered[index].texts for path, index in leaf.fields.items()}
        failures: dict[int, Failure] = {}
        for index in leaf.fields.values():
            failures = {**rendered[index].failures, **failures}
        rows = [row for row in range(count) if row not in failures]
        if isinstance(config, ScoreModel):
            call = score_model.ask(config, texts, rows, self.repeats)
        else:
            call = label_model.ask(config, texts, rows, self.repeats)
        return _Asking(leaf, config, call, rows, failures)

    def _perform_chat(self, judges: Sequence[_Asking]) -> list[list[ChatReply]]:
        if not judges:
            return []
        if self._chat is None:
            raise UnavailableError("model graders need a chat client, and none was given")
        calls = [judge.call for judge in judges]
        if isinstance(self._chat, ManyChatPerformer):
            return self._chat.perform_many(calls)
        return [self._chat.perform(call) for call in calls]

    def _perform_embed(
        self,
        leaf: Leaf,
        inputs: Sequence[str],
        references: Sequence[str],
        failures: dict[int, Failure],
        rows: Sequence[int],
    ) -> Column:
        if self._embed is None:
            raise UnavailableError("cosine needs an embedder, and none was given")
        scores, lost = cosine.settle(self._embed.perform(cosine.ask(inputs, references)))
        moved = _placed({rows[row]: failure for row, failure in lost.items()}, leaf.key)
        return Column(_full(scores, rows, len(rows) + len(failures)), {**failures, **moved})


def is_cosine(leaf: Leaf) -> bool:
    """Whether a leaf compares embeddings."""
    config = leaf.config
    return isinstance(config, TextSimilarity) and config.evaluation_metric == "cosine"


def _inputs(
    leaf: Leaf, rendered: Sequence[Rendered]
) -> tuple[list[str], list[str], dict[int, Failure], Sequence[int]]:
    """Return a leaf's input and reference texts where both are there, failures, and the rows."""
    inputs, references = rendered[leaf.fields["input"]], rendered[leaf.fields["reference"]]
    failures = {**references.failures, **inputs.failures}
    if not failures:
        return inputs.texts, references.texts, failures, range(len(inputs.texts))
    rows = [row for row in range(len(inputs.texts)) if row not in failures]
    return (
        [inputs.texts[row] for row in rows],
        [references.texts[row] for row in rows],
        _placed(failures, leaf.key),
        rows,
    )


def _placed(failures: Mapping[int, Failure], key: str) -> dict[int, Failure]:
    if not key:
        return dict(failures)
    return {row: replace(failure, where=key) for row, failure in failures.items()}


def _column(
    scores: Sequence[float], failures: dict[int, Failure], rows: Sequence[int], count: int
) -> Column:
    """Return a column of `count` rows from the scores of the rows that could be scored."""
    if not failures:
        return Column(list(scores))
    return Column(_full(scores, rows, count), failures)


def _full(column: Sequence[Any], rows: Sequence[int], count: int) -> list[Any]:
    """Return a column of these rows in one of `count`, None in the others."""
    full: list[Any] = [None] * count
    for row, value in zip(rows, column, strict=True):
        full[row] = value
    return full


def _combine(plan: Plan, columns: Mapping[str, Column], count: int) -> Graded:
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
        {key: judged.spread(rows, count) for key, judged in part.judged.items()},
        part.seconds,
    )
