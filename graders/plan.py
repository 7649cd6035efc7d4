"""A Plan is a config made executable once: templates compiled, formula compiled, leaves in a row.

Immutable and cheap to build; a worker process builds its own from the config, never unpickles one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graders.choices import Choices
from graders.config import (
    EvalCriteria,
    LabelModel,
    Multi,
    Python,
    ScoreModel,
    StringCheck,
    SubGrader,
    TextSimilarity,
)
from graders.formula import Formula, compile_formula
from graders.leaves import judge
from graders.template import JinjaTemplate, Path, Template, compile_template

__all__ = ["Leaf", "Plan", "build"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One grader that gives a score by itself.

    Attributes:
        key: its key in the multi or the criteria, "" when it stands alone.
        config: its config.
        fields: the plan's template behind each of its text fields.
        passes_at: the score from which it passes, None where nothing asks.
    """

    key: str
    config: StringCheck | TextSimilarity | Python | ScoreModel | LabelModel
    fields: Mapping[str, int]
    passes_at: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A config made executable.

    Attributes:
        name: the grader's name.
        type: the grader's type.
        kind: how the leaves' scores become the reward: the only `leaf`'s own, by `formula`, or
            1.0 when all `criteria` pass.
        leaves: the graders that give scores, in the config's order.
        templates: every distinct template once.
        formula: a multi's formula.
        invalid_grade: what a multi's invalid grade is replaced by.
        want_json: whether anything asks for the sample's `output_json`.
        choices: how open points are read.
    """

    name: str
    type: str
    kind: Literal["leaf", "formula", "criteria"]
    leaves: tuple[Leaf, ...]
    templates: tuple[Template | JinjaTemplate, ...]
    formula: Formula | None
    invalid_grade: float | None
    want_json: bool
    choices: Choices

    @property
    def asks(self) -> bool:
        """Whether any leaf asks a performer, so that a row may take long."""
        return any(not isinstance(one.config, StringCheck | TextSimilarity) for one in self.leaves)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every distinct template path, in order of appearance."""
        return tuple(dict.fromkeys(path for one in self.templates for path in one.paths))


def build(config: Any, choices: Choices | None = None) -> Plan:
    """Make a config executable.

    Args:
        config: what `graders.config.load` gives.
        choices: how open points are read.

    Raises:
        TemplateError, FormulaError: only for a config that `load` has not checked.
    """
    choices = choices or Choices()
    texts: dict[str, int] = {}
    formula, invalid_grade = None, None
    kind: Literal["leaf", "formula", "criteria"] = "leaf"
    if isinstance(config, Multi):
        kind, invalid_grade = "formula", config.invalid_grade
        formula = compile_formula(config.calculate_output, list(config.graders))
        leaves = tuple(_leaf(key, sub, texts) for key, sub in config.graders.items())
    elif isinstance(config, EvalCriteria):
        kind = "criteria"
        leaves = tuple(_leaf(key, sub, texts) for key, sub in config.graders.items())
    else:
        leaves = (_leaf("", config, texts),)
    templates = tuple(compile_template(text, choices.dialect, choices.rendering) for text in texts)
    return Plan(
        name=config.name,
        type=config.type,
        kind=kind,
        leaves=leaves,
        templates=templates,
        formula=formula,
        invalid_grade=invalid_grade,
        want_json=_wants_json(leaves, templates),
        choices=choices,
    )


def _leaf(key: str, config: SubGrader, texts: dict[str, int]) -> Leaf:
    fields: dict[str, int] = {}
    if isinstance(config, StringCheck | TextSimilarity):
        fields = {
            name: texts.setdefault(getattr(config, name), len(texts))
            for name in ("input", "reference")
        }
    elif isinstance(config, ScoreModel | LabelModel):
        fields = {
            path: texts.setdefault(text, len(texts)) for path, text in judge.templates(config.input)
        }
    return Leaf(key, config, fields, _passes_at(config))


def _passes_at(config: SubGrader) -> float:
    """Return the score from which a criterion passes.

    Source: the API reference for `pass_threshold`; the Azure SDK for a score_model without one
    (the middle of its range), which is also our choice for a python grader without one.
    """
    threshold = getattr(config, "pass_threshold", None)
    if threshold is not None:
        return float(threshold)
    if isinstance(config, ScoreModel):
        return (config.range[0] + config.range[1]) / 2
    return 0.5 if isinstance(config, Python) else 1.0


def _wants_json(leaves: tuple[Leaf, ...], templates: tuple[Template | JinjaTemplate, ...]) -> bool:
    return any(isinstance(leaf.config, Python) for leaf in leaves) or any(
        path.namespace == "sample" and path.steps[:1] == ("output_json",)
        for template in templates
        for path in template.paths
    )
