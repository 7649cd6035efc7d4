"""Grader configs: the six types, loading with every fault at once, dumping, JSON Schema."""

from graders.config.fault import json_path
from graders.config.load import (
    Loaded,
    Source,
    dump,
    load,
    load_source,
    place_of,
    read_document,
    schema,
)
from graders.config.model import (
    EvalCriteria,
    GraderConfig,
    LabelModel,
    Multi,
    Python,
    ScoreModel,
    StringCheck,
    SubGrader,
    TextSimilarity,
)

__all__ = [
    "EvalCriteria",
    "GraderConfig",
    "LabelModel",
    "Loaded",
    "Multi",
    "Python",
    "ScoreModel",
    "Source",
    "StringCheck",
    "SubGrader",
    "TextSimilarity",
    "dump",
    "json_path",
    "load",
    "load_source",
    "place_of",
    "read_document",
    "schema",
]
