"""Run hosted grader JSON on your own machine: same JSON, same numbers.

    import graders

    grader = graders.load("grader.json")
    grade = grader.grade(item={"answer": "Paris"}, sample="It is Paris.")
    grade.reward, grade.sub_rewards, grade.failures

What is named here is loaded when it is first used, so that `graders.metrics` alone stays small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graders.api import Explanation, Grader, load, score_file
    from graders.chat import JudgeOptions
    from graders.config import dump, schema
    from graders.errors import ConfigError, Fault, GradersError
    from graders.grade import Failure, Grade, Usage
    from graders.suite.assertion import assert_reward
    from graders.version import __version__

__all__ = [
    "ConfigError",
    "Explanation",
    "Failure",
    "Fault",
    "Grade",
    "Grader",
    "GradersError",
    "JudgeOptions",
    "Usage",
    "__version__",
    "assert_reward",
    "dump",
    "load",
    "schema",
    "score_file",
]

_HOME = {
    "graders.api": ("Explanation", "Grader", "load", "score_file"),
    "graders.chat": ("JudgeOptions",),
    "graders.config": ("dump", "schema"),
    "graders.errors": ("ConfigError", "Fault", "GradersError"),
    "graders.grade": ("Failure", "Grade", "Usage"),
    "graders.suite.assertion": ("assert_reward",),
    "graders.version": ("__version__",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            value = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'graders' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
