"""Runs `grade(sample, item)` of python graders in locked-down worker processes.

Usable alone: `with PythonSandbox() as sandbox: sandbox.perform(PythonCall(...))`.
"""

from __future__ import annotations

from graders.sandbox.image import IMAGES
from graders.sandbox.inside.scan import parse as parse_source
from graders.sandbox.level import MachineReport, Promises, probe, promises
from graders.sandbox.limits import LEVELS, Isolation, Level, Limits
from graders.sandbox.needs import check_held, lacks
from graders.sandbox.option import PythonOptions
from graders.sandbox.sandbox import PythonSandbox
from graders.sandbox.source import MissingImport, Seen, SourceHint, isolation_of, look
from graders.sandbox.tally import SlowCall, Stats, total

__all__ = [
    "IMAGES",
    "LEVELS",
    "Isolation",
    "Level",
    "Limits",
    "MachineReport",
    "MissingImport",
    "Promises",
    "PythonOptions",
    "PythonSandbox",
    "Seen",
    "SlowCall",
    "SourceHint",
    "Stats",
    "check_held",
    "isolation_of",
    "lacks",
    "look",
    "parse_source",
    "probe",
    "promises",
    "total",
]
