"""The linter and the first look at a python source: each rule over whatever loads.

Input: a config, or, after 0xFF, the source of a python grader.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from graders.config import load_source
from graders.errors import ConfigError
from graders.inspection.lint import TARGETS, Subject, lint, of_faults
from graders.plan import build
from graders.sandbox.inside.scan import scan
from tests.fuzz import row, target_config

_SOURCE = (
    "def grade(sample, item):\n    return ", "lambda x: ", "import re\n", "re.search('(a+)+$', ", "json.loads(",
    "float(item['a'])", "sample['output_text']", "item.get('a')", "min(max(", ".strip()", ".a" * 200, "-" * 300,
    "+ 1" * 300, "(" * 90, "if x:\n        ", "    ", "try:\n", "except Exception:\n", "while True:\n", "global x\n",
    "del x\n", "async def ", "yield 1", "class A:\n", "@a\n", "f'{a}'", "[x for x in y]", "match a:\n    case {**b}:\n",
    "0x" + "f" * 300, "1e999", "import os.path as p, sys\n", "from . import a\n", "__import__('os')", "1 / 0", "\f", "\\\n",
)  # fmt: skip
TOKENS = (*target_config.TOKENS, *(one.encode() for one in _SOURCE), b"\xff")


def target(data: bytes) -> None:
    config, _, source = data.partition(b"\xff")
    given: Any = config
    if source:
        text = row.text_of(source)
        given = {"type": "python", "name": "p", "source": text}
        _check_scan(text)
    try:
        loaded = load_source(given)
    except ConfigError as error:
        for finding in of_faults(error.faults, error.source):
            json.dumps(finding.to_dict()).encode()
        return
    plan = build(loaded.config)
    for one in TARGETS:
        for finding in lint(Subject(loaded=loaded, plan=plan, target=one)):
            assert finding.path.startswith("$")
            assert finding.message
            assert "\0" not in finding.message
            json.dumps(finding.to_dict(), ensure_ascii=False).encode()


def _check_scan(text: str) -> None:
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        json.dumps(scan(text))
