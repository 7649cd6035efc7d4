"""What rows show of a grader: variables that are missing, and the scores it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graders import jsontext
from graders.api import Grader
from graders.config import Loaded
from graders.grade import Grade
from graders.inspection.lint.character import blind_to, control_in, form_between, strings_in
from graders.inspection.variable import VariableReport, check_variables
from graders.kinds import EvalCriteria, StringCheck, TextSimilarity, holds
from graders.metrics import METRICS, Request, Scorer
from graders.plan import Leaf, Plan
from graders.rows import Chunk, Layout, columns_of
from graders.sample import Absent, prepared
from graders.template import render_column

__all__ = ["Failed", "Measured", "askable", "measure", "observed"]

_REFERENCES = 1000
"""Distinct references that are scored against themselves."""


@dataclass(slots=True)
class Failed:
    """How often one grader failed with one code.

    Attributes:
        count: rows.
        index: the first of them.
        message: why that one failed.
    """

    index: int
    message: str
    count: int = 0


@dataclass(slots=True)
class Tell:
    """What rows tell of one grader by their texts alone.

    Attributes:
        index: the first such row.
        shown: what is compared there.
        count: rows.
    """

    index: int
    shown: tuple[str, str]
    count: int = 0


@dataclass(slots=True)
class Measured:
    """What the rows showed.

    Attributes:
        file: what the rows are called.
        variables: which of the grader's variables the rows hold.
        item_has_sample: whether an item has a field `sample`.
        graded: how many rows were graded.
        more: whether there were more rows than were to be graded.
        rewards: the reward of each graded row, None where it failed; [] where not all was asked.
        scores: each sub-grader's scores, by key; the grader's own under "".
        failed: failures by sub-grader and code.
        skipped: sub-graders that were not asked, for they ask a model.
        cells: what the cells of each column look like, of a table that knows only text.
        tells: what texts tell: by sub-grader key, kind (`form`, `blind`, `empty`, `control`) and what.
        self_scores: what each text_similarity gives its distinct references as answers, by key.
    """

    file: str
    variables: VariableReport
    item_has_sample: bool = False
    graded: int = 0
    more: bool = False
    rewards: list[float | None] = field(default_factory=list)
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    failed: dict[tuple[str, str], Failed] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    cells: dict[str, Counter[str]] = field(default_factory=dict)
    tells: dict[tuple[str, str, str], Tell] = field(default_factory=dict)
    self_scores: dict[str, dict[str, float]] = field(default_factory=dict)


def askable(
    loaded: Loaded, plan: Plan, *, models: bool, endpoints: bool
) -> tuple[Loaded | None, tuple[str, ...]]:
    """Return what of a grader may be run, and the keys of what asks a server and may not."""
    skipped = tuple(
        leaf.key
        for leaf in plan.leaves
        if leaf.asks_server and not (endpoints if leaf.performer == "endpoint" else models)
    )
    if not skipped:
        return loaded, ()
    kept = {leaf.key: leaf.config for leaf in plan.leaves if leaf.key not in skipped}
    if not kept:
        return None, skipped
    return replace(loaded, config=EvalCriteria(kept, plan.name)), skipped


def measure(
    plan: Plan,
    chunks: Iterable[Chunk],
    file: str,
    *,
    grader: Grader | None,
    skipped: Sequence[str] = (),
    limit: int,
) -> Measured:
    """Look for a plan's variables in all rows, and grade the first `limit` ones.

    Args:
        plan: the whole grader.
        chunks: the rows, read once.
        file: what the rows are called.
        grader: what of it is run, None for nothing.
        skipped: the keys of what is not.
        limit: how many rows are graded.
    """
    found = Measured(file, VariableReport([]), skipped=tuple(skipped))

    def watched() -> Iterator[Chunk]:
        for chunk in chunks:
            found.item_has_sample |= any(
                isinstance(one, dict) and "sample" in one for one in chunk.items
            )
            if grader is not None and limit:
                _grade(grader, chunk, found, limit)
            if chunk.cells:
                _note_cells(chunk, found)
            yield chunk

    found.variables = check_variables(plan, watched())
    return found


def observed(
    grader: Grader, rows: Sequence[Mapping[str, Any]], grades: Sequence[Grade], file: str
) -> Measured:
    """Look at rows that were graded already.

    Args:
        grader: what graded them.
        rows: `{"item": ..., "sample": ...}` each.
        grades: the grade of each row.
        file: what the rows are called.
    """
    chunk = columns_of(rows, Layout())
    found = Measured(file, check_variables(grader.plan, [chunk]))
    items = [row.get("item") for row in rows]
    found.item_has_sample = any(isinstance(one, dict) and "sample" in one for one in items)
    _note(grader, rows, chunk.indexes, grades, found)
    return found


def _note_cells(chunk: Chunk, found: Measured) -> None:
    """Count what the cells of each column look like; empty ones are left out."""
    for item in chunk.items:
        for name, cell in item.items() if isinstance(item, dict) else ():
            if cell and isinstance(cell, str):
                found.cells.setdefault(name, Counter())[_look(cell)] += 1


def _look(cell: str) -> str:
    """Return what a cell looks like: `bool`, `number`, `JSON` or `text`."""
    text = cell.strip()
    if text.lower() in ("true", "false"):
        return "bool"
    if text[:1] not in "[{-0123456789":
        return "text"
    try:
        value = jsontext.decode(text)
    except ValueError:
        return "text"
    return "JSON" if isinstance(value, dict | list) else "number"


def _grade(grader: Grader, chunk: Chunk, found: Measured, limit: int) -> None:
    rows: list[dict[str, Any]] = []
    indexes: list[int] = []
    for row, (item, sample) in enumerate(zip(chunk.items, chunk.samples, strict=True)):
        if row in chunk.failures:
            continue
        if found.graded + len(rows) >= limit:
            found.more = True
            break
        both = {"item": item, "sample": sample}
        rows.append({key: one for key, one in both.items() if not isinstance(one, Absent)})
        indexes.append(chunk.indexes[row])
    _note(grader, rows, indexes, grader.grade_many(rows), found)


def _note(
    grader: Grader,
    rows: Sequence[Mapping[str, Any]],
    indexes: Sequence[int],
    grades: Iterable[Grade],
    found: Measured,
) -> None:
    """Note what rows show by their texts and by their grades."""
    _score_references(grader, rows, found)
    for one, index in zip(rows, indexes, strict=True):
        control = next(filter(None, map(control_in, strings_in(one.get("item")))), None)
        if control is not None:
            _tell(found, ("", "control", control[1]), index, ("", ""))
    _read_texts(grader.plan, rows, indexes, found)
    for index, grade in zip(indexes, grades, strict=True):
        _add(found, grade, index)


def _read_texts(
    plan: Plan, rows: Sequence[Mapping[str, Any]], indexes: Sequence[int], found: Measured
) -> None:
    """Look at what each grader that compares two texts gets to see."""
    items = [row.get("item") for row in rows]
    samples = [prepared(row.get("sample"), plan.wanted) for row in rows]
    for leaf in plan.leaves:
        if not leaf.compares:
            continue
        sides = [plan.render(leaf.fields[name], items, samples) for name in ("input", "reference")]
        for row, (text, reference) in enumerate(zip(sides[0].texts, sides[1].texts, strict=True)):
            if not any(row in side.failures for side in sides):
                for kind, what in _tells_of(leaf, text, reference):
                    _tell(found, (leaf.key, kind, what), indexes[row], (text, reference))


def _tells_of(leaf: Leaf, text: str, reference: str) -> Iterator[tuple[str, str]]:
    config = leaf.config
    if isinstance(config, TextSimilarity):
        if why := blind_to(config.evaluation_metric, reference):
            yield "blind", why
    elif isinstance(config, StringCheck) and config.operation != "ne":
        if not reference and config.operation != "eq":
            yield "empty", "every text contains the empty one"
        elif not holds(config.operation, text, reference) and (
            form := form_between(text, reference, config.operation)
        ):
            yield "form", form


def _tell(found: Measured, key: tuple[str, str, str], index: int, shown: tuple[str, str]) -> None:
    found.tells.setdefault(key, Tell(index, shown)).count += 1


def _score_references(grader: Grader, rows: Sequence[Mapping[str, Any]], found: Measured) -> None:
    plan = grader.plan
    for leaf in plan.leaves:
        metric = leaf.metric
        # Whether a text is most like itself is known of our metrics only.
        if metric is None or metric not in METRICS or not leaf.compares:
            continue
        known = found.self_scores.setdefault(leaf.key, {})
        template = plan.templates[leaf.fields["reference"]]
        if len(known) >= _REFERENCES or any(path.namespace == "sample" for path in template.paths):
            continue
        items = [row.get("item") for row in rows]
        rendered = render_column(template, items, [{}] * len(items))
        texts = dict.fromkeys(
            text for row, text in enumerate(rendered.texts) if row not in rendered.failures and text
        )
        new = [text for text in texts if text not in known][:_REFERENCES]
        request = Request(metric, new, new)
        known.update(zip(new, Scorer(plan.reading.metric_options).score([request])[0], strict=True))


def _add(found: Measured, grade: Grade, index: int) -> None:
    found.graded += 1
    if not found.skipped:
        found.rewards.append(grade.reward)
    for key, score in (grade.sub_rewards or {"": grade.reward}).items():
        if key or not found.skipped:
            found.scores.setdefault(key, []).append(score)
    for one in grade.failures + grade.replaced:
        place = (one.where, one.code)
        found.failed.setdefault(place, Failed(index, one.message)).count += 1
