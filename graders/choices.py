"""Points on which the hosted behaviour is unknown, each with our choice and its switch.

docs/reference/choices.md lists every point, what is known, and why we chose as we did.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from graders.errors import OptionError, nearest, quoted
from graders.metrics import MetricOptions
from graders.template import Dialect, Rendering, ToolArguments

__all__ = ["Choices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How to read a config where the hosted service's documents leave it open.

    Attributes:
        dialect: `hosted` templates are paths and nothing else; `jinja2` is full Jinja, sandboxed.
        rendering: how a template shows a value that is not text: as JSON, or as Python's `str()`.
        tool_arguments: whether a path may go on into the JSON text of a tool call's `arguments`.
        rouge_backend: which package defines ROUGE: `rouge_score` or `rouge` (an extra).
        rouge_measure: which of ROUGE's figures is the score.
        rouge_stemmer: whether `rouge_score` stems words first.
    """

    dialect: Dialect = "hosted"
    rendering: Rendering = "json"
    tool_arguments: ToolArguments = "parsed"
    rouge_backend: Literal["rouge_score", "rouge"] = "rouge_score"
    rouge_measure: Literal["fmeasure", "recall"] = "fmeasure"
    rouge_stemmer: bool = False

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for choice in fields(self):
            value = getattr(self, choice.name)
            allowed: tuple[Any, ...] = get_args(hints[choice.name]) or (True, False)
            if value not in allowed:
                near = nearest(str(value), [str(one) for one in allowed])
                hint = f"; did you mean {near}?" if near else ""
                raise OptionError(
                    f"{choice.name} is one of {', '.join(map(str, allowed))}, "
                    f"got {quoted(value)}{hint}"
                )

    @property
    def metric_options(self) -> MetricOptions:
        """The part that the metrics need."""
        return MetricOptions(
            rouge_backend=self.rouge_backend,
            rouge_measure=self.rouge_measure,
            rouge_stemmer=self.rouge_stemmer,
        )
