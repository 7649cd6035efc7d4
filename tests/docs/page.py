"""The code blocks of a Markdown page, in order, and the remarks that stand above them.

A block is fenced, or indented by four spaces; an indented one is shell. A remark is an HTML comment
on the line above a block, unseen by readers:

    <!-- not run: why -->       nothing can run it here; test_pages.py counts these
    <!-- exit 1: why -->        the commands end so, as the text says
    <!-- given: something -->   what the reader has by now, made by test_pages.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "read_blocks"]

_REMARK = re.compile(r"<!-- (not run|exit \d+|given): (.+) -->")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        line: the number of its first line of code, from 1.
        kind: the language of the fence; `shell` for an indented block and for console.
        words: what stands behind the language, such as `file=grader.json`.
        body: the code, with a line break at its end.
        remarks: what the comments above it say.
    """

    line: int
    kind: str
    words: str
    body: str
    remarks: dict[str, str]


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    remarks: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        remark = _REMARK.fullmatch(line)
        if line.startswith("```"):
            kind, _, words = line.removeprefix("```").partition(" ")
            end = lines.index("```", at + 1)
            code = lines[at + 1 : end]
            if kind == "console":
                kind, code = "shell", [one.removeprefix("$ ") for one in code]
            found.append(Block(at + 2, kind, words, _joined(code), remarks))
            at, remarks = end, {}
        elif line.startswith("    ") and not (at and lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            found.append(Block(at + 1, "shell", "", _joined(lines[at:end]), remarks))
            at, remarks = end - 1, {}
        elif remark:
            remarks[remark[1]] = remark[2]
        elif line.strip():
            remarks = {}
        at += 1
    return found


def _joined(lines: list[str]) -> str:
    indented = all(one.startswith("    ") or not one.strip() for one in lines)
    kept = [one[4:] if indented else one for one in lines]
    return "\n".join(kept).rstrip("\n") + "\n"
