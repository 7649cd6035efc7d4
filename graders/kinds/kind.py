"""What a kind of grader is: one object that answers all that the rest of the house asks of it.

A kind does no I/O. It turns a column of rows into scores, or into a call that a performer acts on
(the metrics, the python sandbox, a model server), and settles the replies. A new kind is a module
with a subclass, and a row of `graders.kinds.table`; what it does not say, mypy and Python refuse.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from graders.calls import ChatCall, EmbedCall, EndpointCall, PythonCall
from graders.extension import Extension
from graders.grade import Failure
from graders.kinds.field import GraderConfig
from graders.metrics import Request

__all__ = [
    "ANY_SCORE", "YES_OR_NO", "Asked", "Code", "Kind", "Performer", "Rows", "Scores", "Settled",
    "TextField",
]  # fmt: skip

Config = TypeVar("Config", bound=GraderConfig)

Performer = Literal["itself", "metrics", "python", "chat", "embed", "endpoint"]
"""Who acts on what a grader asks: nobody but itself, or the metrics, the sandbox, servers."""


@dataclass(frozen=True, slots=True)
class TextField:
    """One text of a grader that may hold templates.

    Attributes:
        place: where it stands, from the grader on, such as ("input", 0, "content").
        text: the text.
        kind: `text`, or `image` or `audio` for the address or data of such a part.
        role: of a judge's message; "" elsewhere.
    """

    place: tuple[str | int, ...]
    text: str
    kind: Literal["text", "image", "audio"] = "text"
    role: str = ""

    @property
    def path(self) -> str:
        """The place as a path, such as `input[0].content`."""
        steps = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in self.place)
        return steps.removeprefix(".")


@dataclass(frozen=True, slots=True)
class Code:
    """What a grader runs in the sandbox: a source, and the image it was written for."""

    source: str
    image_tag: str | None


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores a grader can give: from `low` to `high`, or only the `values`."""

    low: float
    high: float
    values: tuple[float, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def constant(self) -> bool:
        """Whether there is one score only."""
        return self.low == self.high


ANY_SCORE: Final = Scores(-math.inf, math.inf)
YES_OR_NO: Final = Scores(0.0, 1.0, (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a grader can score, in columns of one length.

    Attributes:
        texts: the rendered column of each text field, by its path.
        items: the items.
        samples: the prepared samples.
    """

    texts: Mapping[str, Sequence[str]]
    items: Sequence[Any]
    samples: Sequence[Any]


@dataclass(slots=True)
class Settled:
    """What a column of rows comes to.

    Attributes:
        scores: a score a row, None exactly where the row failed.
        failures: why rows have no score.
    """

    scores: list[float | None] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)

    def among(self, rows: Sequence[int], count: int, others: Mapping[int, Failure]) -> Settled:
        """Return the same in a column of `count` rows: these are `rows`, the others failed."""
        if not others:
            return self
        scores: list[float | None] = [None] * count
        for at, row in enumerate(rows):
            scores[row] = self.scores[at]
        moved = {rows[at]: failure for at, failure in self.failures.items()}
        return replace(self, scores=scores, failures={**others, **moved})


Asked = Settled | Request | PythonCall | ChatCall | EmbedCall | EndpointCall
"""What a grader makes of rows: their scores, or what one of the performers is to do."""


class Kind(ABC, Generic[Config]):
    """One kind of grader that gives a score by itself. An object without state.

    Attributes:
        name: its `type` in the JSON.
        config: its fields; every `config` below is one that was checked.
        not_here: for fields that people expect on it and that it does not have, a sentence.
        alone: whether it may be the whole grader of a job or of a `graders.run` body.
        services: the hosted services that have it.
        needed_in_evals: optional fields that `testing_criteria` wants.
        gives_labels: whether its judge's verdicts are labels, of which two are the same or not.
        extension: the package that it comes from; None for ours.
    """

    name: ClassVar[str]
    config: type[Config]
    not_here: ClassVar[Mapping[str, str]] = {}
    alone: ClassVar[bool] = True
    services: ClassVar[frozenset[str]] = frozenset({"openai", "azure"})
    needed_in_evals: ClassVar[Sequence[str]] = ()
    gives_labels: ClassVar[bool] = False
    extension: Extension | None = None

    @abstractmethod
    def performer(self, config: Config) -> Performer:
        """Return who acts on what it asks."""

    @abstractmethod
    def texts(self, config: Config) -> Iterator[TextField]:
        """Yield its texts that may hold templates."""

    @abstractmethod
    def ask(self, config: Config, rows: Rows, repeats: int) -> Asked:
        """Return the scores of rows, or what its performer is to do for them.

        Args:
            config: the grader.
            rows: the rows; of those of a chunk whose templates could be rendered.
            repeats: how often models are to be asked for each row.
        """

    @abstractmethod
    def settle(self, config: Config, replies: Sequence[Any], repeats: int) -> Settled:
        """Return what its performer's replies come to; for the metrics, their scores."""

    @abstractmethod
    def scores(self, config: Config) -> Scores:
        """Return the scores it can give."""

    def passes_at(self, config: Config) -> float:
        """Return the score from which it passes as a criterion.

        Source: the API reference for `pass_threshold`; without one, the highest score.
        """
        threshold: float | None = getattr(config, "pass_threshold", None)
        return self._passes_without_threshold(config) if threshold is None else float(threshold)

    def _passes_without_threshold(self, config: Config) -> float:
        return 1.0

    def sees_all(self, config: Config) -> bool:
        """Whether it gets whole items and samples, and not only what templates name."""
        return self.code(config) is not None

    def code(self, config: Config) -> Code | None:
        """Return what it runs in the sandbox, if it does."""
        return None

    def model(self, config: Config) -> str | None:
        """Return the name of the model that judges, if one does."""
        return None

    def metric(self, config: Config) -> str | None:
        """Return the metric that is asked, if one is."""
        return None

    def best(self, config: Config) -> float | str:
        """Return what a judge says of the best answer."""
        return self.scores(config).high

    def points(self, config: Config) -> Sequence[str]:
        """Return what tests of it are to show; () where only a pass mark tells scores apart."""
        return ()

    def hit(self, config: Config, score: float, said: Sequence[str]) -> Iterator[str]:
        """Yield which of its `points` one score shows, and what the judge `said` of it."""
        raise NotImplementedError  # A kind with points says which.
