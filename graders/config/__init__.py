"""Grader configs as they come: loading with every fault at once, dumping, JSON Schema."""

from graders.config.azure import translated
from graders.config.editor import PUBLISHED
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
from graders.kinds.fault import json_path

__all__ = [
    "PUBLISHED",
    "Loaded",
    "Source",
    "dump",
    "json_path",
    "load",
    "load_source",
    "place_of",
    "read_document",
    "schema",
    "translated",
]
