"""What the rules look at: a loaded config with everything that is known about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Self, TypeVar

from graders.api import Grader, RetiredModel
from graders.config import Loaded, place_of
from graders.inspection.lint.domain import domain_of, points
from graders.inspection.lint.finding import Hit, Place, Target
from graders.inspection.lint.measure import Measured
from graders.inspection.lint.source import PythonSource
from graders.inspection.lint.training import TrainingFile
from graders.kinds import EvalCriteria, GraderConfig, LabelModel, ScoreModel, Scores, TextField
from graders.plan import Leaf, Plan
from graders.sandbox import MissingImport, Seen
from graders.template import Dialect, Path, Template, compile_template

__all__ = ["Form", "Subject", "judges", "path_offset", "paths_in"]

Form = Literal["bare", "job", "run", "evals"]
Config = TypeVar("Config", bound=GraderConfig)

_JINJA_PATH: Final = re.compile(r"\b(item|sample)((?:\.\w+|\[\d+\])*)")
_JINJA_BLOCK: Final = re.compile(r"\{[{%](.*?)[}%]\}", re.DOTALL)
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the rules look at.

    Attributes:
        loaded: the config and its document.
        plan: the config made executable.
        target: where the grader will run.
        model_map: the models asked in place of the config's.
        retired: models the hosted service switches off.
        seen: what python sources ask of this machine, by sub-grader key.
        measured: what the rows showed, None without rows.
        files: training and validation files.
    """

    loaded: Loaded
    plan: Plan
    target: Target = "local"
    model_map: Mapping[str, str] = field(default_factory=dict)
    retired: Sequence[RetiredModel] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    measured: Measured | None = None
    files: Sequence[TrainingFile] = ()

    @classmethod
    def of(
        cls,
        loaded: Loaded,
        grader: Grader,
        *,
        target: Target,
        model_map: Mapping[str, str],
        measured: Measured | None = None,
        files: Sequence[TrainingFile] = (),
    ) -> Self:
        """Return a grader with everything that this machine knows about it."""
        return cls(
            loaded=loaded, plan=grader.plan, target=target, model_map=model_map,
            retired=grader.retired_models(), seen=grader.seen(),
            measured=measured, files=files,
        )  # fmt: skip

    @property
    def missing(self) -> dict[str, Sequence[MissingImport]]:
        """The imports that this machine's interpreter lacks, by sub-grader key."""
        return {key: one.missing for key, one in self.seen.items()}

    @property
    def dialect(self) -> Dialect:
        """The dialect of the templates."""
        return self.plan.reading.dialect

    @property
    def form(self) -> Form:
        """What the grader stands in."""
        place = self.loaded.place
        if place[:1] == ("method",):
            return "job"
        if place == ("grader",):
            return "run"
        in_list = bool(place) and (place[0] == "testing_criteria" or isinstance(place[0], int))
        return "evals" if in_list or isinstance(self.loaded.config, EvalCriteria) else "bare"

    @property
    def for_training(self) -> bool:
        """Whether it is surely a reward of fine-tuning: a job's, or a multi, which is no criterion."""
        return self.form == "job" or self.plan.kind == "formula" or bool(self.files)

    @property
    def hosted(self) -> bool:
        """Whether the target is a hosted service."""
        return self.target != "local"

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The graders that give scores."""
        return self.plan.leaves

    def place(self, leaf: Leaf, *more: str | int) -> Place:
        """Return where something of a leaf stands in the document."""
        return (*place_of(self.loaded.config, leaf.key, self.loaded.place), *more)

    def of_kind(self, kind: type[Config]) -> Iterator[tuple[Leaf, Config]]:
        """Yield each leaf with a config of this class."""
        for leaf in self.leaves:
            if isinstance(leaf.config, kind):
                yield leaf, leaf.config

    def called(self, leaf: Leaf) -> str:
        """Return what to call a leaf in a sentence."""
        return leaf.key or "the grader"

    def fields(self, leaf: Leaf) -> list[TextField]:
        """Return the texts of a leaf that may hold templates."""
        return self._fields[leaf.key]

    def paths(self, leaf: Leaf) -> list[Path]:
        """Return the paths in a leaf's templates."""
        return [path for one in self.fields(leaf) for path in self.paths_of(one)]

    def paths_of(self, field: TextField) -> tuple[Path, ...]:
        """Return the paths in one text of a leaf."""
        return paths_in(field.text, self.dialect)

    def named_paths(self) -> Iterator[tuple[Leaf, TextField, Path]]:
        """Yield each path that a template names, with its leaf and its text."""
        for leaf in self.leaves:
            for one in self.fields(leaf):
                for path in self.paths_of(one):
                    yield leaf, one, path

    def path_hit(self, leaf: Leaf, one: TextField, path: Path, message: str, fix: str = "") -> Hit:
        """Return what a rule has to say of a path in a text of a leaf."""
        offset = path_offset(one.text, str(path))
        return Hit(place=self.place(leaf, *one.place), offset=offset, message=message, fix=fix)

    def source(self, leaf: Leaf) -> PythonSource | None:
        """Return a python leaf's parsed source, None where it is none or does not parse."""
        return self._sources.get(leaf.key)

    def source_hit(self, leaf: Leaf, node: ast.AST, message: str, fix: str = "") -> Hit:
        """Return what a rule has to say of a node of a python leaf's source."""
        source = self.source(leaf)
        return Hit(
            place=self.place(leaf, "source"),
            offset=None if source is None else source.offset(node),
            message=f"source line {getattr(node, 'lineno', 1)}: {message}",
            fix=fix,
        )

    def pythons(self) -> Iterator[tuple[Leaf, PythonSource]]:
        """Yield each python leaf with its parsed source."""
        for leaf in self.leaves:
            if (source := self.source(leaf)) is not None:
                yield leaf, source

    def reads_sample(self, leaf: Leaf) -> bool:
        """Whether a leaf looks at the sample; True where that cannot be told."""
        if leaf.sees_all:
            source = self.source(leaf)
            return source is None or source.reads_sample
        return any(path.namespace == "sample" for path in self.paths(leaf))

    @cached_property
    def domains(self) -> dict[str, Scores]:
        """The scores each leaf can give, by key."""
        return {leaf.key: domain_of(leaf, self.source(leaf)) for leaf in self.leaves}

    @cached_property
    def tried(self) -> list[tuple[dict[str, float], float | None, str]]:
        """Scores a multi's formula was tried with: (scores, its value, why there is none)."""
        formula = self.plan.formula
        if formula is None:
            return []
        tries = points(formula, self.domains)
        columns = {name: [one[name] for one in tries] for name in formula.names}
        values, reasons = formula.evaluate_columns(columns, len(tries))
        return [
            (one, values[row], reasons.get(row, "").rpartition(": ")[2])
            for row, one in enumerate(tries)
        ]

    @cached_property
    def _fields(self) -> dict[str, list[TextField]]:
        return {leaf.key: list(leaf.kind.texts(leaf.config)) for leaf in self.leaves}

    @cached_property
    def _sources(self) -> dict[str, PythonSource]:
        parsed = (
            (leaf.key, PythonSource.parse(code.source))
            for leaf in self.leaves
            if (code := leaf.code) is not None
        )
        return {key: source for key, source in parsed if source is not None}


def judges(subject: Subject) -> Iterator[tuple[Leaf, ScoreModel | LabelModel]]:
    """Yield each model leaf with its config."""
    for leaf in subject.leaves:
        if isinstance(leaf.config, ScoreModel | LabelModel):
            yield leaf, leaf.config


def paths_in(text: str, dialect: Dialect) -> tuple[Path, ...]:
    """Return the paths a template names; those of a jinja2 template as far as they are written out."""
    if dialect == "hosted":
        template = compile_template(text)
        return template.paths if isinstance(template, Template) else ()
    blocks = " ; ".join(_JINJA_BLOCK.findall(text))
    return tuple(
        Path(
            "item" if name == "item" else "sample",
            tuple(key or int(index) for key, index in _STEP.findall(steps)),
        )
        for name, steps in _JINJA_PATH.findall(blocks)
    )


def path_offset(text: str, path: str) -> int | None:
    """Return how many characters into a text the template of a path stands."""
    match = re.search(r"\{\{+\s*" + r"\s*".join(map(re.escape, path)), text)
    return None if match is None else match.start()
