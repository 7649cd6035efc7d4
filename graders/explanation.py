"""What a grader tells besides a grade: how it came about, and which of its models go away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders.grade import Grade

__all__ = ["Explanation", "RetiredModel"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A grade and how it came about.

    Attributes:
        grade: the grade.
        rendered: the rendered text fields by sub-grader key, "" for the grader itself.
        printed: what python graders printed, by key.
        said: what judges answered, by key: one text for each time they were asked.
        judgements: every verdict of a judge with its reasons, by key: `score`, `result`, `steps`,
            `reply`, `usage`, `failure` each, and `judge` for one of a panel.
        panels: what a panel of judges gave, by key: `scores` by judge, and their `disagreement`.
        seconds: how long each sub-grader took, by key.
        shape: what the sample was read as, such as `chat completion`; `none` without one.
    """

    grade: Grade
    rendered: Mapping[str, Mapping[str, str]]
    printed: Mapping[str, str]
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    shape: str = "none"
    judgements: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    panels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetiredModel:
    """A judge's model that the hosted service switches off.

    Attributes:
        key: the sub-grader's key, "" for the grader itself.
        model: the model's name.
        day: the day, as YYYY-MM-DD.
    """

    key: str
    model: str
    day: str
