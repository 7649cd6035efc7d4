"""Rows of real English, made on the fly from what is installed anyway, the same for equal seeds.

    python -m benchmarks.corpus 100000 > rows.jsonl

Texts are passages of Python's own manual, of the docstrings of its library and of the descriptions
and licences of installed packages. A sample is an edited passage, another passage, or an exact
copy. A quarter of the references have eight samples each, as data for reinforcement learning has.
One text in twenty has a line break in it or a character beyond Latin-1, so both tokenizers work.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import pydoc_data.topics
import random
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["GRADER", "failing", "passages", "rows", "words", "write"]

SHORTEST, LONGEST = 8, 60
_PACKAGES = ("jinja2", "nltk", "numpy", "pydantic", "rapidfuzz", "rich", "rouge-score")
_MODULES = (
    "argparse", "ast", "asyncio", "calendar", "collections", "concurrent", "contextlib", "csv",
    "datetime", "_pydatetime", "decimal", "_pydecimal", "difflib", "doctest", "email", "enum",
    "functools", "http", "imaplib", "inspect", "ipaddress", "json", "logging", "mailbox",
    "multiprocessing", "optparse", "os", "pathlib", "pdb", "pickle", "random", "shutil", "smtplib",
    "socket", "statistics", "string", "subprocess", "tarfile", "textwrap", "threading", "tkinter",
    "turtle", "typing", "unittest", "urllib", "uuid", "wsgiref", "xml", "zipfile",
)  # fmt: skip

GRADER: dict[str, Any] = {
    "type": "multi",
    "name": "answer",
    "graders": {
        "exact": {
            "type": "string_check",
            "name": "exact",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.reference }}",
            "operation": "eq",
        },
        **{
            key: {
                "type": "text_similarity",
                "name": key,
                "input": "{{ sample.output_text }}",
                "reference": "{{ item.reference }}",
                "evaluation_metric": metric,
            }
            for key, metric in (("fuzzy", "fuzzy_match"), ("rouge", "rouge_l"), ("bleu", "bleu"))
        },
    },
    "calculate_output": "0.1 * exact + 0.2 * fuzzy + 0.3 * rouge + 0.4 * bleu",
}
"""The grader of the main workload."""


@functools.cache
def words() -> tuple[str, ...]:
    """The words of all prose there is, in order."""
    found: list[str] = []
    for text in _texts():
        for paragraph in re.split(r"\n\s*\n", text):
            run = paragraph.split()
            plain = sum(word.strip(".,;:()'\"`!?").isalpha() for word in run)
            if len(run) >= SHORTEST and plain > 0.8 * len(run):
                found += run
    return tuple(found)


def _texts() -> Iterator[str]:
    yield from pydoc_data.topics.topics.values()
    for module in _MODULES:
        yield from _docstrings(Path(sysconfig.get_path("stdlib")), module)
    for package in _PACKAGES:
        for file in importlib.metadata.files(package) or ():
            if re.search(r"(?i)dist-info.*(LICEN|METADATA|NOTICE)", str(file)):
                yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def _docstrings(library: Path, module: str) -> Iterator[str]:
    single = library / f"{module}.py"
    for path in [single] if single.exists() else sorted((library / module).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


def passages(random_: random.Random, shortest: int = SHORTEST, longest: int = LONGEST) -> list[str]:
    """One passage of so many words."""
    source, size = words(), random_.randint(shortest, longest)
    start = random_.randrange(len(source) - size)
    return list(source[start : start + size])


def _edited(passage: Sequence[str], random_: random.Random) -> list[str]:
    source, edited = words(), []
    rate = random_.choice((0.05, 0.15, 0.4))
    for word in passage:
        dice = random_.random()
        if dice < rate / 2:
            continue
        edited.append(random_.choice(source) if dice < rate else word)
    return edited or list(passage)


def _joined(passage: Sequence[str], random_: random.Random) -> str:
    text = " ".join(passage)
    if (dice := random_.random()) < 0.03:
        return text.replace(". ", ".\n") if ". " in text else text + "\n"
    return text.replace(" - ", " \N{EN DASH} ") + "\N{HORIZONTAL ELLIPSIS}" if dice < 0.05 else text


def rows(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """So many rows, `{"item": {"prompt", "reference"}, "sample": {"output_text"}}`."""
    random_ = random.Random(seed)
    passage, reference, left = [""], "", 0
    for index in range(count):
        if not left:
            passage = passages(random_)
            reference = _joined(passage, random_)
            # One reference in 25 brings eight rows: a quarter of all rows.
            left = 8 if random_.random() < 1 / 25 else 1
        left -= 1
        dice = random_.random()
        if dice < 0.1:
            text = reference
        elif dice < 0.2:
            text = _joined(passages(random_), random_)
        else:
            text = _joined(_edited(passage, random_), random_)
        yield {
            "item": {"prompt": f"Question {index}", "reference": reference},
            "sample": {"output_text": text},
        }


def failing(source: Iterator[dict[str, Any]], every: int) -> Iterator[dict[str, Any]]:
    """The same rows, each so-manieth without its reference."""
    for index, row in enumerate(source):
        if index % every == every - 1:
            del row["item"]["reference"]
        yield row


def write(path: Path, source: Iterator[dict[str, Any]]) -> None:
    """Write rows as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        for row in source:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for one in rows(int(sys.argv[1])):
        sys.stdout.write(json.dumps(one) + "\n")
