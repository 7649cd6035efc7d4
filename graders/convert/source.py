"""Python sources that say what a vendor's rule says, each with its figures as constants at its top.

Does: writes them, and reads the figures back from one that was written here. A source that anyone changed
is not read back: then it is code like any other. Pure.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "ASSERTION",
    "CHECK",
    "FROM_CODE",
    "IS_JSON",
    "LEVENSHTEIN",
    "MATCH",
    "REGEX",
    "SNIPPET",
    "TO_CODE",
    "Text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """A source with constants at its top: `$constants` in its text.

    Attributes:
        text: the source.
        names: the constants.
    """

    text: str
    names: tuple[str, ...]

    def made(self, **values: Any) -> str:
        """Return the source with these constants."""
        lines = "\n".join(f"{name} = {values[name]!r}" for name in self.names)
        return string.Template(self.text).substitute(constants=lines)

    def read(self, source: str) -> Mapping[str, Any] | None:
        """Return the constants of a source that `made` made, None for any other."""
        try:
            body = ast.parse(source).body
            values = {
                node.targets[0].id: ast.literal_eval(node.value)
                for node in body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id in self.names
            }  # fmt: skip
        except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
            return None
        same = set(values) == {*self.names} and self.made(**values) == source
        return values if same else None


_EXTRACT: Final = r"""def of_re2(expression):
    # RE2's $$ is the end alone, and its \s knows no vertical tab.
    put = {"$$": r"\Z", r"\s": r"[\t\n\f\r ]", r"\S": r"[^\t\n\f\r ]"}

    def one(found):
        if not found[0].startswith("["):
            return put.get(found[0], found[0])
        return re.sub(r"\\(.)", lambda it: r"\t\n\f\r " if it[1] == "s" else it[0], found[0])

    return re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$$", one, expression, flags=re.DOTALL)


def parsed(text):
    # What EXTRACT takes out of a response is the last of what it finds.
    if EXTRACT is None:
        return text
    found = list(re.finditer(of_re2(EXTRACT), text, re.ASCII))
    return None if not found else found[-1][1 if found[-1].re.groups else 0]
"""

MATCH: Final = Text(
    r'''"""A string match of Gemini's declarative rewards."""

import json
import re

$constants


def filled(text, references):
    return re.sub(r"\{\{\s*references\.([\w-]+)\s*\}\}", lambda one: references[one[1]], text)


'''
    + _EXTRACT
    + """

def holds(text, expression):
    if OPERATION == "EXACT_MATCH":
        return text == expression
    if OPERATION == "PARTIAL_MATCH":
        return expression in text
    return re.search(of_re2(expression), text, re.ASCII) is not None


def grade(sample, item):
    text = parsed(sample["output_text"])
    if KEY is not None and text is not None:
        try:
            text = json.loads(text)[KEY]
        except (ValueError, LookupError, TypeError):
            return WRONG
        text = text if isinstance(text, str) else json.dumps(text)
    if text is None:
        return WRONG
    return RIGHT if holds(text, filled(EXPRESSION, item.get("references") or {})) else WRONG
""",
    ("EXTRACT", "KEY", "OPERATION", "EXPRESSION", "RIGHT", "WRONG"),
)

CHECK: Final = Text(
    r'''"""A string_check of grader JSON."""

import json
import re

$constants


def filled(text, sample, item):
    def shown(found):
        value = {"sample": sample, "item": item}[found[1]]
        for name, index in re.findall(r"\.\s*(\w+)|\[\s*([0-9]+)\s*\]", found[2]):
            value = value[name] if name else value[int(index)]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    path = r"\{\{\s*(item|sample)\b((?:\s*\.\s*\w+|\s*\[\s*[0-9]+\s*\])*)\s*\}\}"
    return re.sub(path, shown, text)


def grade(sample, item):
    text, other = filled(INPUT, sample, item), filled(REFERENCE, sample, item)
    if OPERATION == "ilike":
        text, other = text.lower(), other.lower()
    holds = other in text if OPERATION in ("like", "ilike") else (text == other) is (OPERATION == "eq")
    return RIGHT if holds else WRONG
''',
    ("OPERATION", "INPUT", "REFERENCE", "RIGHT", "WRONG"),
)

_FROM_CODE: Final = '''

def grade(sample, item):
    """What Gemini's code execution gives: evaluate's reward, within -1 and 1."""
    response = {"role": "model", "parts": [{"text": sample["output_text"]}]}
    return max(min(float(evaluate(item, response)), 1.0), -1.0)
'''
_TO_CODE: Final = '''

def evaluate(example, response, grade=grade):
    """What grade gives, for Gemini's code execution; references are fields of the item, too."""
    import json

    text = "".join(one.get("text", "") for one in response.get("parts", []) if not one.get("thought"))
    sample = {"output_text": text, "choices": [{"message": {"role": "assistant", "content": text}}]}
    try:
        sample["output_json"] = json.loads(text)
    except ValueError:
        pass
    return float(grade(sample, {**example.get("references", {}), **example}))
'''


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """Code of the user's, with a few lines after it that call it as another service does."""

    after: str

    def made(self, code: str) -> str:
        return code.rstrip("\n") + "\n" + self.after

    def read(self, source: str) -> str | None:
        """Return the code that was wrapped, None where a source is not so made."""
        return source.removesuffix(self.after) if source.endswith(self.after) else None


FROM_CODE: Final = _Wrapped(_FROM_CODE)
TO_CODE: Final = _Wrapped(_TO_CODE)

_FILLED: Final = """\
def filled(text, item):
    def shown(path):
        value = item
        for step in path[1].split("."):
            value = value[step]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError(f"{path[1]} is no text: {value!r}")
        return str(value)

    return re.sub(r"\\{\\{\\s*([\\w.]+)\\s*\\}\\}", shown, text)
"""

ASSERTION: Final = Text(
    '''\
"""An assertion of promptfoo."""

import re

$constants


'''
    + _FILLED
    + """

def grade(sample, item):
    output, values = sample["output_text"], [filled(one, item) for one in VALUES]
    if TYPE.startswith("icontains"):
        output, values = output.lower(), [one.lower() for one in values]
    if TYPE == "starts-with":
        holds = output.startswith(values[0])
    elif TYPE.endswith("-all"):
        holds = all(one in output for one in values)
    else:
        holds = any(one in output for one in values)
    return float(holds is not INVERSE)
""",
    ("TYPE", "VALUES", "INVERSE"),
)

REGEX: Final = Text(
    '''\
"""promptfoo's regex."""

import re
from array import array

$constants


def units(text):
    """Return a text as JavaScript sees it: in units of UTF-16."""
    return "".join(map(chr, array("H", text.encode("utf-16-le", "surrogatepass"))))


# EXPRESSION is JavaScript's, PATTERN the same for Python.
def grade(sample, item):
    found = re.search(units(PATTERN), units(sample["output_text"]), re.ASCII)
    return float((found is not None) is not INVERSE)
''',
    ("EXPRESSION", "PATTERN", "INVERSE"),
)

IS_JSON: Final = Text(
    '''\
"""promptfoo's is-json, without a schema."""

import json

$constants


def refused(name):
    raise ValueError(name)


def grade(sample, item):
    try:
        json.loads(sample["output_text"], parse_constant=refused)
    except ValueError:
        return float(INVERSE)
    return float(not INVERSE)
''',
    ("INVERSE",),
)

LEVENSHTEIN: Final = Text(
    '''\
"""promptfoo's levenshtein: whether the edits, in units of UTF-16, are no more than a threshold."""

import re

$constants


'''
    + _FILLED
    + """

def units(text):
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[at : at + 2] for at in range(0, len(data), 2)]


def grade(sample, item):
    one, other = units(sample["output_text"]), units(filled(VALUE, item))
    before = list(range(len(other) + 1))
    for row, unit in enumerate(one, 1):
        now = [row]
        for at, wanted in enumerate(other, 1):
            now.append(min(now[-1] + 1, before[at] + 1, before[at - 1] + (unit != wanted)))
        before = now
    return float((before[-1] <= THRESHOLD) is not INVERSE)
""",
    ("VALUE", "THRESHOLD", "INVERSE"),
)

SNIPPET: Final = '''\
"""promptfoo's inline python."""


def assertion(output, context):
$body


def grade(sample, item):
    found = assertion(sample["output_text"], {"vars": item})
    if isinstance(found, dict):
        found = found["score"]
    return float(found)
'''
