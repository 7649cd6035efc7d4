"""Grading some rows of a job: which samples are wanted, what a model answers, what graders say.

Whatever was graded or answered before is taken from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

from graders.api import Grader
from graders.grade import Grade
from graders.jobs.dataset import Dataset, JobRow, messages_of
from graders.jobs.hyperparameter import Resolved
from graders.jobs.journal import RECORDED, TRAIN, VALID, Journal, SampleKey, StoredGrade
from graders.jobs.metric import Counts
from graders.models.rollout import Ask, Rollout, Sampler, prompt_of, seed_of

__all__ = ["Grading", "OutageError"]

_CHUNK: Final = 32
"""Samples that are graded together, and written down together unless judges are paid for them."""


class OutageError(Exception):
    """The server that answered prompts answers none any more."""


class Grading:
    """Grades rows of one job.

    Args:
        journal: where grades and answers are kept.
        grader: grades.
        data: the training and the validation rows.
        resolved: how many samples a row has.
        sampler: asks the model; None where all rows record rollouts.

    Attributes:
        done: how many samples this process has graded.
        sampling: seconds spent waiting for the model.
    """

    def __init__(
        self,
        journal: Journal,
        grader: Grader,
        data: tuple[Dataset, Dataset],
        resolved: Resolved,
        sampler: Sampler | None,
    ) -> None:
        self._journal = journal
        self._grader = grader
        self._data = data
        self._resolved = resolved
        self._sampler = sampler
        self._method = journal.request["method"]["reinforcement"]
        self._answered = journal.row()["step"] > 0
        self._recorded_valid: Counts | None = None
        self.done = 0
        self.sampling = 0.0

    def counts(self, split: int, draw: int, rows: range) -> Counts:
        """Grade what is not graded yet of some rows, and return the sums over all of them.

        Args:
            split: TRAIN or VALID.
            draw: the epoch of training rows, the step of validation rows.
            rows: the rows, by index.

        Raises:
            StoppedError: somebody has paused or cancelled the job.
            OutageError: the model is gone.
            ChangedError: a row is not what it was.
        """
        if split == VALID and self._recorded_valid is not None:
            return self._recorded_valid
        wanted, draws = self._wanted(split, draw, rows), (RECORDED, draw)
        known = self._journal.keys(split, draws, rows)
        missing = [key for key in wanted if key not in known]
        for at in range(0, len(missing), _CHUNK):
            self._journal.check()
            self._grade(missing[at : at + _CHUNK])
        counts = Counts.of(self._journal.graded(split, draws, rows))
        if split == VALID and all(key.draw == RECORDED for key in wanted):
            self._recorded_valid = counts  # Every evaluation gives the same.
        return counts

    def _wanted(self, split: int, draw: int, rows: range) -> list[SampleKey]:
        """Return the samples of some rows: those that are recorded, or so many of a model."""
        data = self._data[split]
        wanted = []
        for line in rows:
            recorded = data.recorded[line]
            if split == TRAIN:
                count = recorded or self._resolved.samples
            elif recorded:
                count = min(recorded, self._resolved.eval_samples or recorded)
            else:
                count = self._resolved.asked_of_a_validation_row
            of = RECORDED if recorded else draw
            wanted += [SampleKey(split, of, line, sample) for sample in range(count)]
        return wanted

    def _grade(self, keys: Sequence[SampleKey]) -> None:
        """Grade a few samples and write the grades down."""
        data = self._data[keys[0].split]
        rows = {line: data.row(line) for line in {key.line for key in keys}}
        answers = self._answers(keys, rows)
        ready: list[tuple[SampleKey, Any]] = []
        grades: list[StoredGrade] = []
        for key in keys:
            row = rows[key.line]
            if key.draw == RECORDED:
                ready.append((key, row.samples[key.sample]))
            elif answers[key].sample is not None:
                ready.append((key, answers[key].sample))
            else:
                grades.append(StoredGrade(key, None, _unanswered(row, answers[key]), 0.0))
        self._keep(grades)
        if self._grader.plan.asks_servers:
            self._grade_each(ready, rows, answers)
        elif ready:
            self._grade_together(ready, rows, answers)

    def _grade_each(
        self,
        ready: Sequence[tuple[SampleKey, Any]],
        rows: Mapping[int, JobRow],
        answers: Mapping[SampleKey, Rollout],
    ) -> None:
        """Grade side by side, and write each grade down as it comes: judges are paid for."""

        def grade(key: SampleKey, sample: Any) -> StoredGrade:
            row = rows[key.line]
            with self._journal.trace.rows(lambda: [_named(key)]):
                found = self._grader.grade(row.item, sample)
            body = _body(row, found, answers.get(key))
            return StoredGrade(key, found.reward, body, found.execution_time)

        with ThreadPoolExecutor(_CHUNK, "graders-job") as threads:
            waiting = [threads.submit(grade, *one) for one in ready]
            try:
                for done in as_completed(waiting):
                    self._keep([done.result()])
            except BaseException:
                for one in waiting:
                    one.cancel()
                self._grader.close()  # Else its threads would wait for their judges.
                raise

    def _grade_together(
        self,
        ready: Sequence[tuple[SampleKey, Any]],
        rows: Mapping[int, JobRow],
        answers: Mapping[SampleKey, Rollout],
    ) -> None:
        began = time.perf_counter()
        pairs = [{"item": rows[key.line].item, "sample": sample} for key, sample in ready]
        with self._journal.trace.rows(lambda: [_named(key) for key, _ in ready]):
            found = list(self._grader.grade_many(pairs, chunk=_CHUNK))
        each = (time.perf_counter() - began) / len(ready)
        self._keep(
            [
                StoredGrade(key, one.reward, _body(rows[key.line], one, answers.get(key)), each)
                for (key, _), one in zip(ready, found, strict=True)
            ]
        )

    def _keep(self, grades: Sequence[StoredGrade]) -> None:
        self._journal.keep_grades(grades)
        self.done += len(grades)

    def _answers(
        self, keys: Sequence[SampleKey], rows: Mapping[int, JobRow]
    ) -> dict[SampleKey, Rollout]:
        """Return a model's answers; those that are not there yet are asked for."""
        asked = [key for key in keys if key.draw != RECORDED]
        if not asked or self._sampler is None:
            return {}
        known = self._journal.rollouts(asked)
        began = time.monotonic()
        seed = self._journal.request["seed"]
        asks = [
            Ask(key, prompt_of(_prompted(rows[key.line].item), self._method, seed_of(seed, key)))
            for key in asked
            if key not in known
        ]
        lost: dict[SampleKey, Rollout] = {}

        def keep(key: tuple[int, ...], one: Rollout) -> None:
            if one.lost:
                lost[SampleKey(*key)] = one
            else:
                self._journal.keep_rollout(SampleKey(*key), one)

        self._sampler.sample(asks, keep)
        if lost and len(lost) == len(asks) and self._answered:
            # It did answer before: whoever brings it up again need not begin anew.
            raise OutageError(next(iter(lost.values())).message)
        for key, one in lost.items():
            self._journal.keep_rollout(key, one)
        self._answered = self._answered or len(lost) < len(asks)
        self.sampling += time.monotonic() - began
        return self._journal.rollouts(asked)


def _named(key: SampleKey) -> dict[str, Any]:
    """Return which sample a span is told to be."""
    return {
        "graders.row.index": key.line, "graders.sample": key.sample, "graders.sample.draw": key.draw,
        "graders.split": "train" if key.split == TRAIN else "valid",
    }  # fmt: skip


def _body(row: JobRow, grade: Grade, rollout: Rollout | None) -> dict[str, Any]:
    """Return what is kept of a grade beside its reward."""
    body = {name: value for name, value in grade.to_dict().items() if name != "reward"}
    body["line"] = row.line
    if rollout is not None and rollout.usage:
        body["rollout_usage"] = dict(rollout.usage)
    return body


def _prompted(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "messages": messages_of(item)}


def _unanswered(row: JobRow, rollout: Rollout) -> dict[str, Any]:
    """Return what is kept of a prompt that got no answer."""
    failure = {"code": rollout.code, "message": rollout.message, "where": ""}
    body: dict[str, Any] = {
        "sub_rewards": {}, "failures": [failure], "line": row.line, "unanswered": True,
    }  # fmt: skip
    if rollout.usage:
        body["rollout_usage"] = dict(rollout.usage)
    return body
