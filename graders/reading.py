"""Points on which the hosted behaviour is unknown, each with our choice and its switch.

docs/reference/choices.md lists every point, what is known, and why we chose as we did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.metrics import MetricOptions
from graders.option import check, option
from graders.template import Dialect, Rendering, ToolArguments

__all__ = ["Reading"]

_EACH: Final[dict[str, Any]] = {"suite": True, "kept": True, "group": "Reading the grader"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a config where the hosted service's documents leave it open.

    Attributes:
        dialect: `hosted` templates are paths and nothing else; `jinja2` is full Jinja, sandboxed.
        rendering: how a template shows a value that is not text: as JSON, or as Python's `str()`.
        tool_arguments: whether a path may go on into the JSON text of a tool call's `arguments`.
        thinking: whether the thoughts that a reasoning model writes before its answer are part of
            output_text, or cut off before grading: all up to the last `</think>` (also thinking,
            thought, thoughts and reasoning).
        rouge_backend: which package defines ROUGE: `rouge_score` or `rouge` (an extra).
        rouge_measure: which of ROUGE's figures is the score.
        rouge_stemmer: whether `rouge_score` stems words first.
        pair_seconds: a row fails whose texts would take a text metric longer: by their lengths, not by the
            clock, so that it fails on every machine or on none.
    """

    dialect: Dialect = option("hosted", "Template language.", **_EACH)
    rendering: Rendering = option("json", "How templates show values that are not text.", **_EACH)
    tool_arguments: ToolArguments = option(
        "parsed", "Whether paths go into a tool call's arguments.", **_EACH
    )
    thinking: Literal["keep", "strip"] = option(
        "keep", "Whether a model's thoughts before its answer are graded.", **_EACH
    )
    rouge_backend: Literal["rouge_score", "rouge"] = option(
        "rouge_score", "Which package defines ROUGE.", **_EACH
    )
    rouge_measure: Literal["fmeasure", "recall"] = option(
        "fmeasure", "Which ROUGE figure is the score.", **_EACH
    )
    rouge_stemmer: bool = option(False, "Stem words before ROUGE compares them.", **_EACH)

    pair_seconds: float = option(
        60.0, "Longest that comparing a row's two texts may take.", metavar="SECONDS",
        unit="seconds", above=0, **_EACH,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)

    @property
    def metric_options(self) -> MetricOptions:
        """The part that the metrics need."""
        return MetricOptions(
            rouge_backend=self.rouge_backend,
            rouge_measure=self.rouge_measure,
            rouge_stemmer=self.rouge_stemmer,
            pair_seconds=self.pair_seconds,
        )
