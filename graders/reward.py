"""A grader as a trainer's reward: goes anywhere, answers one or many, never holds training up.

Whoever trains calls a reward from threads, event loops, forked workers and actors, row by row or a batch
at a time. All of them end here: rows that come one at a time are gathered, for graders work on
columns, and a row that has no grade in its time fails by itself.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, Self, Unpack
from uuid import uuid4

from graders.api import Grader, JudgeOptions, PythonOptions, load
from graders.config import Source
from graders.errors import FailedError, OptionError, quoted
from graders.gather import Gatherer, Row
from graders.grade import Failure, Grade
from graders.keyword import LoadKeywords
from graders.rows import Layout
from graders.shaping import Shaping, text_of
from graders.template import without_nulls

__all__ = ["Counts", "Failed", "Reward", "said_of"]

Failed = float | Literal["raise"] | None
"""What a row without a reward gets: a number, an exception, or None."""

_WINDOW: Final = 0.002
_ASKED_AT_ONCE: Final = 256
_IN_TIME: Final = 0.8
"""The part of `within` that one judge or one python call may take, where nobody said."""
_HELD: Final = 64
_HERE: Final[dict[str, Reward]] = {}
"""The rewards that came to this process, by what marks each; the last that came."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a reward has answered in this process.

    Attributes:
        rows: rows that were graded.
        failed: those of them without a reward.
        codes: rows by failure code, also those that `invalid_grade` stands for; a row counts once for each.
        seconds: time that grading took, of all chunks together.
    """

    rows: int = 0
    failed: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Reward:
    """A grader to train with: `reward(item, sample)`, `reward.batch(rows)`, and the same awaited.

    A null that a template names is a value that the row lacks: tables fill what a row has not with null, and
    the row fails, where the text `null` would get a reward that nobody meant.

    It can be pickled (also by cloudpickle), copied, sent to spawned processes and Ray actors, and taken
    along into a fork; each process has sandboxes and clients of its own, started with their first
    use and gone with it. Threads and event loops share it.

    Args:
        source: the grader, as for `graders.load`; or a `Grader`.
        item: where in a row the item stands, as `--item-path` says it; `.` for the whole row.
        sample: the same for the sample.
        failed: what a row without a reward gets: a number; `raise` for a FailedError; None for None,
            which trainers that know unscored rows leave out.
        within: seconds after which a row without a grade fails (`other_error`); one judge or python call
            gets 0.8 of it, so that rows graded along with one that hangs are in time. None for the limits
            of judges and python graders alone.
        shaping: steps that `batch` does with the rewards of groups, such as `{"type": "rank"}`.
        options: the options of `graders.load`; of judges, 256 are asked at once by default.

    Attributes:
        grader: the grader.

    Raises:
        ConfigError, UnavailableError: as `graders.load`.
        OptionError: an option has a value it cannot have.
    """

    def __init__(
        self,
        source: Source | Grader,
        *,
        item: str = ".",
        sample: str = "sample",
        failed: Failed = None,
        within: float | None = None,
        shaping: Sequence[Mapping[str, Any]] = (),
        **options: Unpack[LoadKeywords],
    ) -> None:
        self._shaping = Shaping(shaping)
        number = isinstance(failed, int | float) and not isinstance(failed, bool)
        if failed is not None and failed != "raise" and not number:
            raise OptionError(f"failed is a number, raise or None, got {quoted(failed)}")
        if within is not None and not within > 0:
            raise OptionError(f"within is more than 0 seconds, got {within!r}")
        if isinstance(source, Grader):
            if options:
                raise OptionError(f"{next(iter(options))} says nothing to a grader that is loaded")
            self.grader = source
        else:
            options.setdefault("concurrency", _ASKED_AT_ONCE)
            # What hangs ends by itself a little before, or all that are graded with it were late.
            if within is not None and "judge" not in options:
                options.setdefault("deadline", min(_IN_TIME * within, JudgeOptions().deadline))
            if within is not None and "python" not in options:
                options.setdefault(
                    "python_timeout", min(_IN_TIME * within, PythonOptions().timeout)
                )
            self.grader = load(source, **options)
        self._layout = Layout.parse(item, sample, says=("item=", "sample="))
        self._paths = (item, sample)
        self._named = self.grader.plan.item_steps
        self._failed: Failed = failed
        self._within = within
        self._gatherers: dict[int, Gatherer] = {}
        self._lock = threading.Lock()
        self._counts = Counts()
        self.__name__ = _identifier(self.grader.name)
        self._mark = uuid4().hex

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was made: another process starts what it needs with its first use, and only then.
        item, sample = self._paths
        again = partial(
            Reward, self.grader, item=item, sample=sample, failed=self._failed, within=self._within,
            shaping=self._shaping.steps,
        )  # fmt: skip
        return Reward._arrived, (self._mark, again)

    @staticmethod
    def _arrived(mark: str, made: Callable[[], Reward]) -> Reward:
        """Return the reward of a pickle: one a process, for pools and actors send it with each task."""
        found = _HERE.get(mark)
        if found is None:
            reward = made()
            reward._mark = mark  # noqa: SLF001  (its own)
            found = _HERE.setdefault(mark, reward)
            for oldest in list(_HERE)[:-_HELD]:
                _HERE.pop(oldest, None)
        return found

    def __repr__(self) -> str:
        return f"<Reward {self.grader.name!r} ({self.grader.type})>"

    @property
    def shaping(self) -> Shaping:
        """What is done with the rewards of groups; false where nothing is."""
        return self._shaping

    @property
    def parts(self) -> list[str]:
        """The keys of the sub-graders; [] of a grader that has none."""
        return [leaf.key for leaf in self.grader.plan.leaves if leaf.key]

    def item_of(self, row: Any) -> Any:
        """Return a row's item, by the path that was said when this was made; None where it has none."""
        return _at(row, self._layout.item)

    @property
    def counts(self) -> Counts:
        """What was answered in this process."""
        return self._counts

    def __call__(self, item: Any = None, sample: Any = None) -> float | None:
        """Return the reward of one row; rows of other threads are graded along with it.

        Raises:
            FailedError: it has none, and `failed` is `raise`.
        """
        return self.settled(self.grade(item, sample))

    async def areward(self, item: Any = None, sample: Any = None) -> float | None:
        """Return the reward of one row without holding up the event loop; as `reward(item, sample)`."""
        return self.settled(await self.agrade(item, sample))

    def grade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row."""
        if not self.grader.plan.asks:  # It takes less than handing it on would.
            return self._graded_alone(item, sample)
        future = self._gatherer().submit(Row(item, sample))
        try:
            return future.result(self._within)
        except LateError:
            return self._late()
        finally:
            future.cancel()  # Where there is no grade yet, nobody waits for it now.

    async def agrade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row without holding up the event loop."""
        return (await self._awaited([Row(item, sample)]))[0]

    def batch(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        groups: Sequence[Any] | None = None,
        tokens: Sequence[int] | None = None,
    ) -> list[float | None]:
        """Return the reward of each row, in order; where item and sample stand was said when it was made.

        Args:
            rows: rows.
            groups: the group of each row, such as its prompt, for shaping.
            tokens: the length of each answer in tokens, for a penalty that counts them.

        Raises:
            FailedError: a row has none, and `failed` is `raise`.
            OptionError: shaping needs what is not given.
        """
        return self.shaped(self.grades(rows), rows, groups, tokens)

    async def abatch(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        groups: Sequence[Any] | None = None,
        tokens: Sequence[int] | None = None,
    ) -> list[float | None]:
        """Return the reward of each row, in order, without holding up the event loop; as `batch`."""
        return self.shaped(await self.agrades(rows), rows, groups, tokens)

    def shaped(
        self,
        grades: Sequence[Grade],
        rows: Sequence[Mapping[str, Any]],
        groups: Sequence[Any] | None = None,
        tokens: Sequence[int] | None = None,
    ) -> list[float | None]:
        """Return what rows get for their grades: shaped where they are scored, else what `failed` says.

        Raises:
            FailedError: a row has no reward, and `failed` is `raise`.
            OptionError: shaping needs what is not given.
        """
        settled = [self._settled(one) for one in grades]
        if not self._shaping:
            return settled
        texts = [text_of(_at(row, self._layout.sample)) for row in rows]
        shaped = self._shaping([one.reward for one in grades], groups, texts, tokens)
        # A number that stands for a failure is no score: it is nobody's rank and in nobody's mean.
        return [
            fallback if grade.reward is None else one
            for grade, one, fallback in zip(grades, shaped, settled, strict=True)
        ]

    def grades(self, rows: Sequence[Mapping[str, Any]]) -> list[Grade]:
        """Return the grade of each row, in order."""
        if self._within is None:
            return self._graded(rows, self._layout)
        stop = threading.Event()
        future = self._gatherer().run(lambda: self._graded(rows, self._layout, stop))
        try:
            return future.result(self._within)
        except LateError:
            return [self._late() for _ in rows]
        finally:
            stop.set()  # Nobody waits now: what is asked is broken off, and its place free.

    def pairs(self, rows: Sequence[Mapping[str, Any]]) -> list[Grade]:
        """Return the grade of each `{"item": ..., "sample": ...}`, in order."""
        if len(rows) == 1:
            return [self.grade(rows[0].get("item"), rows[0].get("sample"))]
        return self._graded(rows, None)

    async def agrades(self, rows: Sequence[Mapping[str, Any]]) -> list[Grade]:
        """Return the grade of each row, in order, without holding up the event loop."""
        stop = threading.Event()
        future = self._gatherer().run(lambda: self._graded(rows, self._layout, stop))
        try:
            async with asyncio.timeout(self._within):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            return [self._late() for _ in rows]
        finally:
            stop.set()

    def settled(self, grade: Grade) -> float | None:
        """Return a grade's reward, or what stands for one that failed.

        Raises:
            FailedError: it failed, and `failed` is `raise`.
            OptionError: rewards are shaped, which one row alone cannot be.
        """
        if self._shaping:
            raise OptionError("shaping needs the rows of whole groups: call batch, or leave it out")
        return self._settled(grade)

    def _settled(self, grade: Grade) -> float | None:
        return self.instead(grade) if grade.reward is None else grade.reward

    def instead(self, grade: Grade) -> float | None:
        """Return what stands for a grade that failed; FailedError where `failed` is `raise`."""
        if self._failed == "raise":
            raise FailedError(said_of(grade), grade=grade)
        return None if self._failed is None else float(self._failed)

    def beside(self, grade: Grade, seconds: float) -> dict[str, float]:
        """Return what trainers log beside a row's reward: the same keys for each row of a grader.

        Args:
            grade: the row's grade.
            seconds: what the row took, for its caller.

        Returns:
            `failed` (1.0 for a row without a reward of its own), `seconds`, `judge_tokens` where the grader
            asks judges, `invalid` (1.0 where `invalid_grade` stands for a failure) where the grader has
            one, and `reward_<sub-grader>` for each, NaN where it was not scored.
        """
        told = {"failed": float(grade.reward is None), "seconds": seconds}
        if self.grader.plan.invalid_grade is not None:
            told["invalid"] = float(bool(grade.replaced))
        if self.grader.plan.asks_servers:
            told["judge_tokens"] = float(grade.tokens)
        for part in self.parts:
            score = grade.sub_rewards.get(part)
            told[f"reward_{part}"] = math.nan if score is None else score
        return told

    def close(self) -> None:
        """Stop what this process has started. Used again, it starts anew."""
        self.grader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def _awaited(self, rows: Sequence[Row]) -> list[Grade]:
        gatherer = self._gatherer()
        futures = [asyncio.wrap_future(gatherer.submit(row)) for row in rows]
        try:
            done, _ = await asyncio.wait(futures, timeout=self._within)
            return [one.result() if one in done else self._late() for one in futures]
        finally:
            for one in futures:
                one.cancel()

    def _graded_alone(self, item: Any, sample: Any) -> Grade:
        grade = self.grader.grade(without_nulls(item, self._named), sample)
        self._count([grade], grade.execution_time)
        return grade

    def _late(self) -> Grade:
        says = f"there was no grade within {self._within:g} seconds"
        failures, of = (Failure("other_error", says),), self.grader
        late = Grade(reward=None, failures=failures, name=of.name, type=of.type)
        self._count([late], 0.0)
        return late

    def _graded(
        self,
        rows: Sequence[Mapping[str, Any]],
        layout: Layout | None,
        stop: threading.Event | None = None,
    ) -> list[Grade]:
        began = time.perf_counter()
        place = ("item",) if layout is None else layout.item
        named = [(*place, *steps) for steps in self._named]
        rows = [without_nulls(row, named) for row in rows] if named else rows
        grades = list(
            self.grader.grade_many(rows, chunk=max(len(rows), 1), layout=layout, stop=stop)
        )
        if stop is None or not stop.is_set():  # Else whoever waited has counted them as late.
            self._count(grades, time.perf_counter() - began)
        return grades

    def _count(self, grades: Sequence[Grade], seconds: float) -> None:
        codes: Counter[str] = Counter()
        for one in grades:
            codes.update({each.code for each in one.failures + one.replaced})
        with self._lock:
            now = self._counts
            self._counts = Counts(
                now.rows + len(grades),
                now.failed + sum(one.reward is None for one in grades),
                Counter(now.codes) + codes,
                now.seconds + seconds,
            )

    def _gatherer(self) -> Gatherer:
        """Return what gathers rows in this process: after a fork the child has its own."""
        found = self._gatherers.get(os.getpid())
        if found is None:
            made = Gatherer(
                lambda rows, stop: self._graded([one._asdict() for one in rows], None, stop),
                beside=self.grader.plan.asks,
                window=_WINDOW if self.grader.plan.asks_servers else 0.0,
            )
            found = self._gatherers.setdefault(os.getpid(), made)
        return found


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        there = isinstance(value, Mapping) and step in value
        if not there and not (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            return None
        value = value[step]
    return value


def said_of(grade: Grade) -> str:
    """Return why a row failed, or what `invalid_grade` stands for in it; "" for neither."""
    return "; ".join(map(str, grade.failures + grade.replaced))


def _identifier(name: str) -> str:
    """Return a grader's name as one of Python's, which trainers log rewards by."""
    plain = "".join(one if one.isascii() and one.isalnum() else "_" for one in name)
    return plain if plain[:1].isalpha() else f"reward_{plain}"
