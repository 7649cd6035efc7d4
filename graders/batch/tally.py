"""What a run has counted, by blocks that merge in any order to the same numbers.

Neither the cut into blocks nor the order in which they come back can change a figure, and memory
stays flat whatever the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from graders.batch.agreement import PanelFigures, Repeats, Scores
from graders.batch.figures import QUANTILES, Figures, Moments
from graders.grade import Failure, Usage
from graders.rows import MOST_CATEGORIES
from graders.statistic import Interval

__all__ = [
    "CROWDED",
    "QUANTILES",
    "Category",
    "Figures",
    "Moments",
    "PanelFigures",
    "Repeats",
    "Tally",
    "by_category",
    "no_figures",
]

FIRST_ROWS: Final = 5
CROWDED: Final = (
    f"no figures by category: --by finds more than {MOST_CATEGORIES:,} different values; "
    "name what few rows differ in"
)


def no_figures(by: str, names: Collection[str], *, crowded: bool) -> str:
    """Say why there are no figures by category; "" where there are."""
    if crowded:
        return CROWDED
    if [*names] == [""]:
        return f"no row has a value at {by or 'the path of --by'}: no figures by category"
    return ""


def by_category(groups: Mapping[str, _Dictable], *, crowded: bool) -> dict[str, Any]:
    """Return figures by category as JSON; nothing where nobody asks for them."""
    if crowded:
        return {"by": None, "by_says": CROWDED}
    return {"by": {key: groups[key].to_dict() for key in sorted(groups)}} if groups else {}


class _Dictable(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


@dataclass(slots=True)
class Category(Moments):
    """The rows of one category, and the mean and spread of their rewards.

    Attributes:
        rows: how many there are; `count` of them have a reward.
    """

    rows: int = 0

    @property
    def scored(self) -> int:
        """The rows with a reward."""
        return self.count

    @property
    def failed(self) -> int:
        """The rows without one."""
        return self.rows - self.count

    def add_rows(self, rewards: Sequence[float | None]) -> None:
        """Add rows: a reward each, None for a failed one."""
        self.rows += len(rewards)
        self.add([one for one in rewards if one is not None])

    def merge(self, other: Self) -> None:
        """Add what another count counted."""
        Moments.merge(self, other)
        self.rows += other.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "rows": self.rows, "scored": self.count, "failed": self.failed,
            "mean": self.mean, "spread": self.spread, **Interval.json("mean", self.interval()),
        }  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What a run has counted.

    Attributes:
        rows: rows seen.
        scored: rows with a reward.
        replaced: rows whose invalid grade `invalid_grade` stands for; they count as scored.
        rewards: figures of the rewards.
        sub_rewards: figures of each sub-grader's rewards.
        codes: failed rows by failure code; a row counts once for each of its codes.
        sub_failures: failures by sub-grader.
        first: for each code, the first few failures as (row index, message).
        usage: tokens of the judges' replies by model, those from a cache included.
        repeats: how much each judge agrees with itself, where it is asked several times.
        panels: how much the judges of a panel agree with each other, by sub-grader.
        groups: rows by category, "" for those that have none; {} where nobody asks, and where they
            are crowded.
        crowded: whether there are more categories than anybody could read figures of.
    """

    rows: int = 0
    scored: int = 0
    replaced: int = 0
    rewards: Figures = field(default_factory=Figures)
    sub_rewards: dict[str, Figures] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    sub_failures: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    repeats: dict[str, Repeats] = field(default_factory=dict)
    panels: dict[str, PanelFigures] = field(default_factory=dict)
    groups: dict[str, Category] = field(default_factory=dict)
    crowded: bool = False

    @property
    def categories(self) -> dict[str, Category]:
        """The groups, the largest first; a row whose line names none, for it ended a worker, has none."""
        found = dict(self.groups)
        left = self.rows - sum(one.rows for one in found.values())
        if found and left > 0:
            unknown = Category(rows=left)
            unknown.merge(found.get("", Category()))
            found[""] = unknown
        return dict(sorted(found.items(), key=lambda each: (-each[1].rows, each[0])))

    @property
    def failed(self) -> int:
        """Rows without a reward."""
        return self.rows - self.scored

    @property
    def mean_of_all(self) -> float | None:
        """The mean with failed rows as 0.0, which is what the hosted service would report."""
        return float(self.rewards.total / self.rows) if self.rows else None

    def add(
        self,
        indexes: Sequence[int],
        rewards: Sequence[float | None],
        sub_rewards: Mapping[str, Sequence[float | None]],
        failures: Mapping[int, tuple[Failure, ...]],
        replaced: Mapping[int, tuple[Failure, ...]],
    ) -> None:
        """Add a graded chunk whose rows have these indexes."""
        self.rows += len(rewards)
        self.scored += len(rewards) - len(failures)
        self.replaced += len(replaced)
        self.rewards.add([reward for reward in rewards if reward is not None])
        for key, column in sub_rewards.items():
            figures = self.sub_rewards.setdefault(key, Figures())
            figures.add([score for score in column if score is not None])
        for row, found in sorted([*failures.items(), *replaced.items()]):
            self.codes.update({failure.code for failure in found})
            self.sub_failures.update({failure.where for failure in found})
            for failure in {failure.code: failure for failure in reversed(found)}.values():
                first = self.first.setdefault(failure.code, [])
                if len(first) < FIRST_ROWS:
                    first.append((indexes[row], failure.message))

    def add_groups(self, groups: Sequence[str | None], rewards: Sequence[float | None]) -> None:
        """Add rows by category; None and "" are rows that have none."""
        found: dict[str, list[float | None]] = {}
        for group, reward in zip(groups, rewards, strict=True):
            found.setdefault(group or "", []).append(reward)
        for group, values in found.items():
            self.groups.setdefault(group, Category()).add_rows(values)
        self._thin()

    def _thin(self) -> None:
        if self.crowded or len(self.groups) - ("" in self.groups) > MOST_CATEGORIES:
            self.groups, self.crowded = {}, True

    def add_usage(self, usage: Mapping[str, Usage]) -> None:
        """Add tokens by model."""
        for model, one in usage.items():
            self.usage[model] = self.usage.get(model, Usage()) + one

    def add_repeats(
        self, key: str, rows: Sequence[Sequence[float | None]], passes_at: float | None
    ) -> None:
        """Add what a judge said, time after time, for each row it was asked for."""
        figures = self.repeats.setdefault(key, Repeats())
        for scores, times in Counter(map(tuple, rows)).items():
            figures.add(scores, passes_at, times)

    def add_panel(
        self, key: str, rows: Iterable[tuple[Scores, float | None]], passes_at: float | None
    ) -> None:
        """Add what a panel gave for each row it was asked for, and how far its judges are apart there."""
        self.panels.setdefault(key, PanelFigures()).add(rows, passes_at)

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        for key, panel in other.panels.items():
            self.panels.setdefault(key, PanelFigures()).merge(panel)
        self.add_usage(other.usage)
        for key, repeats in other.repeats.items():
            self.repeats.setdefault(key, Repeats()).merge(repeats)
        for key, group in other.groups.items():
            self.groups.setdefault(key, Category()).merge(group)
        self.crowded = self.crowded or other.crowded
        self._thin()
        self.rows += other.rows
        self.scored += other.scored
        self.replaced += other.replaced
        self.rewards.merge(other.rewards)
        for key, figures in other.sub_rewards.items():
            self.sub_rewards.setdefault(key, Figures()).merge(figures)
        self.codes += other.codes
        self.sub_failures += other.sub_failures
        for code, found in other.first.items():
            self.first[code] = sorted([*self.first.get(code, []), *found])[:FIRST_ROWS]

    def _quantiles(self) -> dict[str, float | None]:
        found = self.rewards.quantiles()
        return {
            f"{share:g}": None if found is None else found[at] for at, share in enumerate(QUANTILES)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON: nothing in it depends on time."""
        return {
            "rows": self.rows,
            "scored": self.scored,
            "failed": self.failed,
            "replaced": self.replaced,
            "mean_of_scored": self.rewards.mean,
            "mean_of_all": self.mean_of_all,
            "reward": {
                **self.rewards.to_dict(),
                "quantiles": self._quantiles(),
                "quantile_error": self.rewards.error,
                **Interval.json("mean", self.rewards.interval()),
            },
            "histogram": [
                {"from": low, "to": high, "count": count}
                for low, high, count in self.rewards.histogram()
            ],
            "sub_rewards": {key: one.to_dict() for key, one in self.sub_rewards.items()},
            "failures": {
                code: {
                    "rows": count,
                    "first": [
                        {"index": index, "message": message} for index, message in self.first[code]
                    ],
                }
                for code, count in sorted(self.codes.items())
            },
            "usage": {model: one.to_dict() for model, one in sorted(self.usage.items())},
            "repeats": {key: one.to_dict() for key, one in self.repeats.items()},
            **(
                {"panel": {key: one.to_dict() for key, one in self.panels.items()}}
                if self.panels
                else {}
            ),
            **by_category(self.categories, crowded=self.crowded),
        }
