"""Runs in the sandbox, as text, before a grader's source: marks which of it is executed.

Its text is put in front of a source that it rewrites, statement by statement and condition by
condition, so that each says when it is reached. What comes out is one line on stdout. The score
of such a run is thrown away. Plain Python of any version; imports nothing of graders.
"""

from __future__ import annotations

import ast
import json
import sys
import types
from typing import Any

LINE, TEST = "_graders_line", "_graders_test"
BLOCKS = ("body", "orelse", "finalbody")


class Marker(ast.NodeTransformer):
    """Puts a mark before each statement and around each condition; notes what there is."""

    def __init__(self) -> None:
        self.lines: set[int] = set()
        self.tests: list[int] = []

    def mark(self, statements: list[ast.stmt], start: int) -> list[ast.stmt]:
        """Return a block with its marks; the first `start` statements go without."""
        marked: list[ast.stmt] = []
        for index, one in enumerate(statements):
            if index >= start:
                self.lines.add(one.lineno)
                marked.append(ast.Expr(self.call(LINE, ast.Constant(one.lineno))))
            marked.append(one)
        return marked

    def call(self, name: str, *arguments: ast.expr) -> ast.Call:
        """Return a call of one of the two marking functions."""
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def test(self, condition: ast.expr) -> ast.expr:
        """Return a condition that says how it came out."""
        if isinstance(condition, ast.Constant):
            return condition  # `while True` has one outcome.
        self.tests.append(condition.lineno)
        return self.call(TEST, ast.Constant(len(self.tests) - 1), condition)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Mark the parts of a node, then its blocks and its condition."""
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            node.test = self.test(node.test)
        elif isinstance(node, ast.comprehension):
            node.ifs = [self.test(one) for one in node.ifs]
        super().generic_visit(node)
        for name in BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, name, self.mark(block, head_of(node, block)))
        return node


def head_of(node: ast.AST, block: list[Any]) -> int:
    """Return how many statements of a block must stay first: docstrings, `__future__` imports."""
    if not isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return 0
    head = 0
    first = block[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        head = 1
    while head < len(block) and isinstance(block[head], ast.ImportFrom):
        if block[head].module != "__future__":
            break
        head += 1
    return head


class Silent:
    """A stdout that keeps nothing: what the source prints would crowd out the marks."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Take a text."""
        return len(text)

    def flush(self) -> None:
        """Do nothing."""


def mask(numbers: Any) -> str:
    """Return a set of numbers as a short text: a bit each, in hexadecimal."""
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return f"{bits:x}"


def marked(source: str) -> tuple[Marker, Any]:
    """Return a source's marker and its tree with the marks in it."""
    marker = Marker()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)  # A long chain of `elif` is a deep tree.
    try:
        return marker, ast.fix_missing_locations(marker.visit(ast.parse(source)))
    finally:
        sys.setrecursionlimit(limit)


def traced(source: str, sample: Any, item: Any) -> None:
    """Run a source's `grade` once and print what of it was executed."""
    marker, tree = marked(source)
    reached: set[int] = set()
    outcomes: tuple[set[int], set[int]] = (set(), set())

    def test(number: int, value: Any) -> bool:
        outcome = bool(value)
        outcomes[outcome].add(number)
        return outcome

    module = types.ModuleType("_grader_covered")
    sys.modules[module.__name__] = module
    module.__dict__.update({LINE: reached.add, TEST: test, "__file__": "<grader>"})
    stdout, sys.stdout = sys.stdout, Silent()
    try:
        exec(compile(tree, "<grader>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        module.__dict__["grade"](sample, item)
    except Exception:  # noqa: BLE001, S110  (the plain run has told the user)
        pass
    finally:
        sys.stdout = stdout
        # Short, for only so much of what a source prints is kept.
        steps = [
            line - before for before, line in zip([0, *marker.tests], marker.tests, strict=False)
        ]
        found = [mask(marker.lines), mask(reached), steps, mask(outcomes[0]), mask(outcomes[1])]
        print("graders-coverage " + json.dumps(found, separators=(",", ":")))  # noqa: T201
