"""A Plan is a config made executable once: templates compiled, formula compiled, leaves in a row.

Immutable and cheap to build; a worker process builds its own from the config, never unpickles one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graders.extension import Extension
from graders.formula import Formula, compile_formula
from graders.kinds import (
    Code,
    EvalCriteria,
    GraderConfig,
    Kind,
    Multi,
    Performer,
    kind_of,
)
from graders.metrics import metric_of, signature
from graders.reading import Reading
from graders.sample import Wanted, prepared
from graders.template import (
    JinjaTemplate,
    Path,
    Rendered,
    Template,
    compile_template,
    render_column,
)
from graders.version import __version__

__all__ = ["Leaf", "Plan", "build"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One grader that gives a score by itself.

    Attributes:
        key: its key in the multi or the criteria, "" when it stands alone.
        config: its config.
        kind: its kind, which knows what to ask and what replies mean.
        performer: who acts on what it asks.
        fields: the plan's template behind each of its text fields, by the field's path.
        passes_at: the score from which it passes, None where nothing asks.
    """

    key: str
    config: GraderConfig
    kind: Kind[Any]
    performer: Performer
    fields: Mapping[str, int]
    passes_at: float | None = None

    @property
    def code(self) -> Code | None:
        """What it runs in the sandbox, if it does."""
        return self.kind.code(self.config)

    @property
    def sees_all(self) -> bool:
        """Whether it gets whole items and samples, and not only what templates name."""
        return self.kind.sees_all(self.config)

    @property
    def model(self) -> str | None:
        """The model that judges, if one does."""
        return self.kind.model(self.config)

    @property
    def metric(self) -> str | None:
        """The metric that is asked, if one is."""
        return self.kind.metric(self.config)

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions that its kind and its metric come from."""
        metric = None if self.metric is None else metric_of(self.metric).extension
        return tuple(one for one in (self.kind.extension, metric) if one is not None)

    @property
    def signature(self) -> str | None:
        """How its kind is made, where that is an extension's; None for ours."""
        one = self.kind.extension
        if one is None:
            return None
        return f"{one.name}|package:{one.package}@{one.version}|graders:{__version__}"

    @property
    def compares(self) -> bool:
        """Whether it compares an `input` with a `reference`."""
        return set(self.fields) == {"input", "reference"}

    @property
    def asks_server(self) -> bool:
        """Whether a server is asked for its scores."""
        return self.performer in {"chat", "embed", "endpoint"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A config made executable.

    Attributes:
        config: the config.
        name: the grader's name.
        type: the grader's type.
        kind: how the leaves' scores become the reward: the only `leaf`'s own, by `formula`, or
            1.0 when all `criteria` pass.
        leaves: the graders that give scores, in the config's order.
        templates: every distinct template once.
        formula: a multi's formula.
        invalid_grade: what a multi's invalid grade is replaced by.
        wanted: what is asked for of samples beside their text.
        reading: how open points are read.
    """

    config: Any
    name: str
    type: str
    kind: Literal["leaf", "formula", "criteria"]
    leaves: tuple[Leaf, ...]
    templates: tuple[Template | JinjaTemplate, ...]
    formula: Formula | None
    invalid_grade: float | None
    wanted: Wanted
    reading: Reading

    @property
    def asks(self) -> bool:
        """Whether any leaf asks a performer, so that a row may take long."""
        return bool(self.performers)

    @property
    def performers(self) -> frozenset[Performer]:
        """Who acts on what its leaves ask, but for themselves and the metrics."""
        return frozenset(one.performer for one in self.leaves) - {"itself", "metrics"}

    def render(self, index: int, items: Sequence[Any], samples: Sequence[Any]) -> Rendered:
        """Return what one of its templates gives for a column of rows with prepared samples."""
        return render_column(
            self.templates[index],
            items,
            samples,
            rendering=self.reading.rendering,
            tool_arguments=self.reading.tool_arguments,
        )

    def render_row(self, item: Any, sample: Any) -> dict[str, dict[str, str]]:
        """Return one row's rendered text fields by leaf key; a field that fails is left out."""
        samples = [prepared(sample, self.wanted)]
        shown: dict[str, dict[str, str]] = {}
        for leaf in self.leaves:
            for name, index in leaf.fields.items():
                rendered = self.render(index, [item], samples)
                if not rendered.failures:
                    shown.setdefault(leaf.key, {})[name] = rendered.texts[0]
        return shown

    @property
    def asks_servers(self) -> bool:
        """Whether it waits for servers rather than for this machine."""
        return any(one.asks_server for one in self.leaves)

    @property
    def codes(self) -> tuple[Code, ...]:
        """What is run in the sandbox."""
        return tuple(code for one in self.leaves if (code := one.code) is not None)

    @property
    def image_tags(self) -> frozenset[str]:
        """The image_tags of what is run in the sandbox, "" for those without."""
        return frozenset(code.image_tag or "" for code in self.codes)

    @property
    def signatures(self) -> dict[str, str]:
        """How each metric, and each kind of an extension, is made, by leaf key."""
        options = self.reading.metric_options
        kinds = {one.key: text for one in self.leaves if (text := one.signature) is not None}
        metrics = {
            one.key: signature(metric, options)
            for one in self.leaves
            if (metric := one.metric) is not None
        }
        return kinds | metrics

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions that its kinds and metrics come from."""
        return tuple(dict.fromkeys(found for one in self.leaves for found in one.extensions))

    def needs(self, performer: Performer) -> bool:
        """Whether a performer has anything to do for it."""
        return any(one.performer == performer for one in self.leaves)

    @property
    def alone(self) -> bool:
        """Whether it may be the grader of a job or of a `graders.run` body."""
        return self.kind != "leaf" or self.leaves[0].kind.alone

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every distinct template path, in order of appearance."""
        return tuple(dict.fromkeys(path for one in self.templates for path in one.paths))

    @property
    def item_steps(self) -> tuple[tuple[str | int, ...], ...]:
        """Where in an item each value stands that a template names."""
        return tuple(one.steps for one in self.paths if one.namespace == "item" and one.steps)


def build(config: Any, reading: Reading | None = None) -> Plan:
    """Make a config executable.

    Args:
        config: what `graders.config.load` gives.
        reading: how open points are read.

    Raises:
        TemplateError, FormulaError: only for a config that `load` has not checked.
    """
    reading = reading or Reading()
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
    templates = tuple(compile_template(text, reading.dialect, reading.rendering) for text in texts)
    return Plan(
        config=config,
        name=config.name,
        type=config.type,
        kind=kind,
        leaves=leaves,
        templates=templates,
        formula=formula,
        invalid_grade=invalid_grade,
        wanted=_wanted(leaves, templates, reading),
        reading=reading,
    )


def _leaf(key: str, config: GraderConfig, texts: dict[str, int]) -> Leaf:
    kind = kind_of(config)
    fields = {one.path: texts.setdefault(one.text, len(texts)) for one in kind.texts(config)}
    return Leaf(key, config, kind, kind.performer(config), fields, kind.passes_at(config))


def _wanted(
    leaves: tuple[Leaf, ...], templates: tuple[Template | JinjaTemplate, ...], reading: Reading
) -> Wanted:
    named = {
        path.steps[0]
        for template in templates
        for path in template.paths
        if path.namespace == "sample" and path.steps
    }
    whole = any(leaf.sees_all for leaf in leaves)
    return Wanted(
        output_json=whole or "output_json" in named,
        choices=whole or "choices" in named,
        answer_only=reading.thinking == "strip",
    )
