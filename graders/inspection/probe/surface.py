"""What a grader reads of a row: where its references stand, and in which shape it takes an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graders.plan import Leaf, Plan
from graders.template import JinjaTemplate, Template

__all__ = [
    "PROMPT_NAMES",
    "QUESTION_NAMES",
    "REFERENCE_NAMES",
    "Steps",
    "Surface",
    "surface_of",
    "unasked_leaves",
]

REFERENCE_NAMES: Final = frozenset(
    {
        "answer",
        "answers",
        "correct",
        "correct_answer",
        "expected",
        "expected_answer",
        "expected_output",
        "gold",
        "gold_answer",
        "golden",
        "ground_truth",
        "groundtruth",
        "ideal",
        "label",
        "labels",
        "reference",
        "reference_answer",
        "references",
        "solution",
        "target",
        "targets",
        "truth",
    }
)
"""Keys that hold a reference where only a python grader or a judge's prompt could tell."""

PROMPT_NAMES: Final = frozenset(
    {
        "article",
        "body",
        "content",
        "context",
        "document",
        "email",
        "input",
        "instruction",
        "instructions",
        "message",
        "messages",
        "passage",
        "problem",
        "prompt",
        "query",
        "question",
        "request",
        "source",
        "task",
        "text",
        "user",
    }
)
"""Keys that may hold what the model was asked."""

QUESTION_NAMES: Final = frozenset(
    {
        "instruction", "instructions", "message", "messages", "problem", "prompt", "query",
        "question", "request", "task",
    }
)  # fmt: skip
"""Those of them that hold it even where a grader takes it for a reference: no answer repeats it."""

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """What a grader reads.

    Attributes:
        reads_sample: whether anything reads the sample at all.
        sides: for each text grader, which of its fields holds the reference.
        slots: for each text grader that reads one place of the sample, that place.
        reference_paths: the item's places that references are made from.
        guesses: whether the names of keys have to tell which further places are references.
        json_paths: the places of `output_json` that are read.
        reads_text: whether the answer's text may be read, as text or as JSON.
        reads_tools: whether tool calls may be read.
        best: what each model grader says of the best answer.
        prompts: the templates' texts of the model graders.
    """

    reads_sample: bool
    sides: Mapping[str, str]
    slots: Mapping[str, Steps]
    reference_paths: frozenset[str]
    guesses: bool
    json_paths: tuple[Steps, ...]
    reads_text: bool
    reads_tools: bool
    best: tuple[float | str, ...]
    prompts: tuple[str, ...]


def surface_of(plan: Plan) -> Surface:
    """Return what a plan reads."""
    sides: dict[str, str] = {}
    slots: dict[str, Steps] = {}
    references: set[str] = set()
    for leaf in plan.leaves:
        if not leaf.compares:
            continue
        side = _reference_side(leaf, plan)
        if side is None:
            continue
        sides[leaf.key] = side
        paths = plan.templates[leaf.fields[side]].paths
        references.update(str(path) for path in paths if path.namespace == "item")
        slot = _slot(plan.templates[leaf.fields["input" if side == "reference" else "reference"]])
        if slot is not None:
            slots[leaf.key] = slot
    sees_all = any(leaf.sees_all for leaf in plan.leaves)
    anything = sees_all or any(isinstance(one, JinjaTemplate) for one in plan.templates)
    best = tuple(leaf.kind.best(leaf.config) for leaf in plan.leaves if leaf.performer == "chat")
    sample_paths = [path.steps for path in plan.paths if path.namespace == "sample"]
    return Surface(
        reads_sample=sees_all or any(map(_reads_sample, plan.templates)),
        sides=sides,
        slots=slots,
        reference_paths=frozenset(references),
        guesses=sees_all or bool(best),
        json_paths=tuple(steps[1:] for steps in sample_paths if steps[:1] == ("output_json",)),
        reads_text=anything or any(steps[:1] != ("output_tools",) for steps in sample_paths),
        reads_tools=anything or any(steps[:1] in ((), ("output_tools",)) for steps in sample_paths),
        best=best,
        prompts=tuple(
            plan.templates[index].text
            for leaf in plan.leaves
            if leaf.performer == "chat"
            for index in leaf.fields.values()
        ),
    )


def unasked_leaves(plan: Plan, *, judges: bool, cosine: bool) -> tuple[str, ...]:
    """Return the keys of the leaves whose models are not to be asked.

    Args:
        plan: the plan.
        judges: whether judges may be asked.
        cosine: whether embeddings may be asked for.
    """
    return tuple(
        leaf.key
        for leaf in plan.leaves
        if (leaf.performer == "chat" and not judges) or (leaf.performer == "embed" and not cosine)
    )


def _reference_side(leaf: Leaf, plan: Plan) -> str | None:
    """Return which field of a text grader holds the reference: the one without the sample."""
    reads = {name: _reads_sample(plan.templates[index]) for name, index in leaf.fields.items()}
    if reads["input"] and not reads["reference"]:
        return "reference"
    return "input" if reads["reference"] and not reads["input"] else None


def _reads_sample(template: Template | JinjaTemplate) -> bool:
    if isinstance(template, JinjaTemplate):
        return "sample" in template.text
    return any(path.namespace == "sample" for path in template.paths)


def _slot(template: Template | JinjaTemplate) -> Steps | None:
    """Return the place of the sample that a template is, where it is nothing else."""
    paths = template.paths
    if len(paths) != 1 or paths[0].namespace != "sample" or isinstance(template, JinjaTemplate):
        return None
    return paths[0].steps
