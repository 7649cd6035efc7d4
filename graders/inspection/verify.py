"""Whether our metrics give what their libraries give, bit for bit, on the user's own rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders.errors import OptionError
from graders.inspection.sampling import SampledRow
from graders.metrics import MetricFault, Request, Scorer, metric_of
from graders.plan import Leaf, Plan
from graders.sample import prepared

__all__ = ["Difference", "Verified", "verify"]

_FIRST: Final = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A row on which the two differ.

    Attributes:
        index: the row's index.
        ours: our score.
        theirs: the library's.
        candidate: the text.
        reference: what it was compared with.
    """

    index: int
    ours: float
    theirs: float
    candidate: str
    reference: str


@dataclass(slots=True)
class Verified:
    """What comparing one sub-grader's metric with its library gave.

    Attributes:
        key: the sub-grader's key, "" for the grader itself.
        metric: the metric.
        library: the package that defines it.
        rows: rows that were compared.
        skipped: rows without the texts, or that the library cannot compute.
        differing: rows on which the two are not the same float.
        first: the first of these.
    """

    key: str
    metric: str
    library: str
    rows: int = 0
    skipped: int = 0
    differing: int = 0
    first: list[Difference] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "sub_grader": self.key, "metric": self.metric, "library": self.library,
            "rows": self.rows, "skipped": self.skipped, "differing": self.differing,
            "first": [
                {"index": one.index, "ours": one.ours, "theirs": one.theirs} for one in self.first
            ],
        }  # fmt: skip


def verify(
    plan: Plan,
    rows: Sequence[SampledRow],
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Verified]:
    """Compare every text metric of a plan with its library on these rows.

    Args:
        plan: the grader's plan.
        rows: the rows.
        on_progress: told how many of how many comparisons are done.

    Raises:
        OptionError: no sub-grader has a text metric.
        UnavailableError: a library is not installed.
    """
    options = plan.reading.metric_options
    measuring = [
        (leaf, metric.name, *metric.definition(options))
        for leaf in plan.leaves
        if leaf.metric is not None
        and leaf.compares
        and (metric := metric_of(leaf.metric)).definition is not None
    ]
    if not measuring:
        raise OptionError(
            "there is nothing to verify: no sub-grader is a text_similarity with a metric of a "
            "library (cosine has none)"
        )
    total = len(measuring) * len(rows)
    found = []
    for number, (leaf, name, library, defined) in enumerate(measuring):
        one = Verified(leaf.key, name, library)
        texts = _texts(plan, leaf, rows)
        one.skipped = len(rows) - len(texts)
        request = Request(one.metric, [pair[1] for pair in texts], [pair[2] for pair in texts])
        ours = Scorer(options).attempt([request])[0]
        for done, ((index, candidate, reference), score) in enumerate(
            zip(texts, ours, strict=True)
        ):
            if on_progress is not None:
                on_progress(number * len(rows) + done, total)
            if isinstance(
                score, MetricFault
            ):  # Too long to be compared, and longer for the library.
                one.skipped += 1
                continue
            try:
                theirs = defined(candidate, reference)
            except RecursionError:
                one.skipped += 1
                continue
            one.rows += 1
            if theirs != score:
                one.differing += 1
                if len(one.first) < _FIRST:
                    one.first.append(Difference(index, score, theirs, candidate, reference))
        found.append(one)
    return found


def _texts(plan: Plan, leaf: Leaf, rows: Sequence[SampledRow]) -> list[tuple[int, str, str]]:
    """Return (index, candidate, reference) of the rows in which both texts are there."""
    samples = [prepared(row.sample, plan.wanted) for row in rows]
    items = [row.item for row in rows]
    inputs, references = (
        plan.render(leaf.fields[name], items, samples) for name in ("input", "reference")
    )
    failed = {*inputs.failures, *references.failures}
    return [
        (row.index, inputs.texts[at], references.texts[at])
        for at, row in enumerate(rows)
        if at not in failed
    ]
