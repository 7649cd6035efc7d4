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
    from graders.api import Grader, load, score_file
    from graders.batch.agreement import JudgePair, PanelFigures, PanelSeat, Repeats
    from graders.batch.cost import Cost, SlowRow
    from graders.batch.option import ScoreOptions
    from graders.batch.run import MaxFailures, Progress, Run
    from graders.batch.tally import Category, Figures, Tally
    from graders.calls import (
        ChatCall,
        ChatError,
        ChatPerformer,
        ChatReply,
        EmbedCall,
        EmbedPerformer,
        EmbedReply,
        PythonCall,
        PythonError,
        PythonPerformer,
        PythonReply,
    )
    from graders.config import Loaded, dump, schema
    from graders.errors import (
        BudgetError,
        ConfigError,
        ExtensionError,
        FailedError,
        Fault,
        FormulaError,
        GradersError,
        NotAllowedError,
        OptionError,
        RowsError,
        StoppedError,
        TemplateError,
        UnavailableError,
    )
    from graders.explanation import Explanation, RetiredModel
    from graders.grade import Failure, Grade, Usage
    from graders.grading.performers import Setup, SharedPerformers
    from graders.keyword import LoadKeywords, ScoreKeywords
    from graders.kinds import (
        Endpoint,
        EvalCriteria,
        GraderConfig,
        LabelModel,
        Multi,
        Panelled,
        Python,
        ScoreModel,
        StringCheck,
        TextSimilarity,
    )
    from graders.kinds.message import (
        AudioData,
        InputAudio,
        InputImage,
        InputText,
        Message,
        OutputText,
        SamplingParams,
    )
    from graders.models import JudgeOptions, JudgeStats, Panel, PanelJudge
    from graders.reading import Reading
    from graders.reward import Counts, Reward
    from graders.rows import Layout, RowRange
    from graders.sandbox import (
        MissingImport,
        PythonOptions,
        PythonSandbox,
        Seen,
        SlowCall,
        SourceHint,
        Stats,
    )
    from graders.shaping import Shaping
    from graders.statistic import Interval
    from graders.suite.assertion import assert_reward
    from graders.version import __version__

__all__ = [
    "AudioData",
    "BudgetError",
    "Category",
    "ChatCall",
    "ChatError",
    "ChatPerformer",
    "ChatReply",
    "ConfigError",
    "Cost",
    "Counts",
    "EmbedCall",
    "EmbedPerformer",
    "EmbedReply",
    "Endpoint",
    "EvalCriteria",
    "Explanation",
    "ExtensionError",
    "FailedError",
    "Failure",
    "Fault",
    "Figures",
    "FormulaError",
    "Grade",
    "Grader",
    "GraderConfig",
    "GradersError",
    "InputAudio",
    "InputImage",
    "InputText",
    "Interval",
    "JudgeOptions",
    "JudgePair",
    "JudgeStats",
    "LabelModel",
    "Layout",
    "LoadKeywords",
    "Loaded",
    "MaxFailures",
    "Message",
    "MissingImport",
    "Multi",
    "NotAllowedError",
    "OptionError",
    "OutputText",
    "Panel",
    "PanelFigures",
    "PanelJudge",
    "PanelSeat",
    "Panelled",
    "Progress",
    "Python",
    "PythonCall",
    "PythonError",
    "PythonOptions",
    "PythonPerformer",
    "PythonReply",
    "PythonSandbox",
    "Reading",
    "Repeats",
    "RetiredModel",
    "Reward",
    "RowRange",
    "RowsError",
    "Run",
    "SamplingParams",
    "ScoreKeywords",
    "ScoreModel",
    "ScoreOptions",
    "Seen",
    "Setup",
    "Shaping",
    "SharedPerformers",
    "SlowCall",
    "SlowRow",
    "SourceHint",
    "Stats",
    "StoppedError",
    "StringCheck",
    "Tally",
    "TemplateError",
    "TextSimilarity",
    "UnavailableError",
    "Usage",
    "__version__",
    "assert_reward",
    "dump",
    "load",
    "schema",
    "score_file",
]

_HOME = {
    "graders.api": ("Grader", "load", "score_file"),
    "graders.explanation": ("Explanation", "RetiredModel"),
    "graders.calls": (
        "ChatCall",
        "ChatError",
        "ChatPerformer",
        "ChatReply",
        "EmbedCall",
        "EmbedPerformer",
        "EmbedReply",
        "PythonCall",
        "PythonError",
        "PythonPerformer",
        "PythonReply",
    ),
    "graders.models": ("JudgeOptions", "JudgeStats", "Panel", "PanelJudge"),
    "graders.reading": ("Reading",),
    "graders.reward": ("Counts", "Reward"),
    "graders.shaping": ("Shaping",),
    "graders.statistic": ("Interval",),
    "graders.config": ("Loaded", "dump", "schema"),
    "graders.batch.cost": ("Cost", "SlowRow"),
    "graders.batch.option": ("ScoreOptions",),
    "graders.batch.run": ("MaxFailures", "Progress", "Run"),
    "graders.batch.agreement": ("JudgePair", "PanelFigures", "PanelSeat", "Repeats"),
    "graders.batch.tally": ("Category", "Figures", "Tally"),
    "graders.errors": (
        "ConfigError",
        "ExtensionError",
        "FailedError",
        "Fault",
        "FormulaError",
        "GradersError",
        "NotAllowedError",
        "OptionError",
        "RowsError",
        "StoppedError",
        "BudgetError",
        "TemplateError",
        "UnavailableError",
    ),
    "graders.grading.performers": ("Setup", "SharedPerformers"),
    "graders.grade": ("Failure", "Grade", "Usage"),
    "graders.kinds": (
        "Endpoint",
        "EvalCriteria",
        "GraderConfig",
        "LabelModel",
        "Multi",
        "Panelled",
        "Python",
        "ScoreModel",
        "StringCheck",
        "TextSimilarity",
    ),
    "graders.kinds.message": (
        "AudioData",
        "InputAudio",
        "InputImage",
        "InputText",
        "Message",
        "OutputText",
        "SamplingParams",
    ),
    "graders.keyword": ("LoadKeywords", "ScoreKeywords"),
    "graders.rows": ("Layout", "RowRange"),
    "graders.sandbox": (
        "SlowCall",
        "PythonSandbox",
        "MissingImport",
        "PythonOptions",
        "Seen",
        "SourceHint",
        "Stats",
    ),
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
    return list(__all__)
