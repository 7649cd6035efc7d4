"""A python grader's source as `ast` reads it. Never executed.

Does: parses, and answers what the rules ask. Does not: stand in for the sandbox, which reads every
source first; what does not parse here is simply not looked at.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from graders.inspection.lint.flow import falls_through
from graders.sandbox import parse_source

__all__ = ["Function", "PythonSource", "ReturnedScores", "own_nodes"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEEPEST: Final = 120
"""Levels of syntax that are looked at: with more, whether the rules end would depend on how deep their
caller's own calls are. An elif is a level more than the one before it, and so is each + in a sum."""
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def _nests_deeper(tree: ast.AST, levels: int) -> bool:
    """Whether there are more levels of nodes in a tree than these."""
    level = [tree]
    while level and levels >= 0:
        levels -= 1
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
    return bool(level)


@dataclass(frozen=True, slots=True)
class ReturnedScores:
    """The scores a source's returns spell out: single values, or an interval when clipped."""

    values: frozenset[float] = frozenset()
    ends: frozenset[float] = field(default_factory=frozenset)


@dataclass(frozen=True)
class PythonSource:
    """A parsed source."""

    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the source, None where the parser gives up or there is no `grade` of two."""
        try:
            with warnings.catch_warnings():
                # What Python thinks of an escape or a number is not for our standard error.
                warnings.simplefilter("ignore")
                tree = parse_source(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if _nests_deeper(tree, _DEEPEST):
            return None
        source = cls(text, tree)
        return source if source.grade is not None else None

    @cached_property
    def grade(self) -> ast.FunctionDef | None:
        """The function `grade` of the top level; None where it is made in another way."""
        found = [
            node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef) and node.name == "grade"
        ]
        plain = len(found) == 1 and not found[0].decorator_list
        return found[0] if plain and _takes_two(found[0].args) else None

    @staticmethod
    def parameters_of(function: Function) -> list[str]:
        """Return the names of a function's positional parameters."""
        return [one.arg for one in (*function.args.posonlyargs, *function.args.args)]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node, outer ones first."""
        return list(ast.walk(self.tree))

    @cached_property
    def functions(self) -> list[Function]:
        """Every function, nested ones too."""
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def imports(self) -> dict[str, str]:
        """The dotted name behind each imported name."""
        found = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    found[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def modules(self) -> list[tuple[str, ast.stmt]]:
        """Every imported module with its statement."""
        found: list[tuple[str, ast.stmt]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(alias.name, node) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append((node.module, node))
                found += [(f"{node.module}.{alias.name}", node) for alias in node.names]
        return found

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name an expression stands for, `numpy.random.rand`; "" for others."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    @cached_property
    def scorers(self) -> list[Function]:
        """`grade`, and the functions whose value it returns as it is."""
        if self.grade is None:
            return []
        called = {
            _called(node.value)
            for node in own_nodes(self.grade)
            if isinstance(node, ast.Return) and node.value is not None
        }
        plain = [
            node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef) and node.name in called and node is not self.grade
        ]
        return [self.grade, *plain]

    @cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Each call of something with a dotted name."""
        return [
            (name, node)
            for node in self.nodes
            if isinstance(node, ast.Call) and (name := self.dotted(node.func))
        ]

    def offset(self, node: ast.AST) -> int:
        """Return how many characters into the text a node stands."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        lines = self.text.splitlines(keepends=True)
        within = lines[line - 1].encode("utf-8", "replace")[:column] if line <= len(lines) else b""
        return sum(map(len, lines[: line - 1])) + len(within.decode("utf-8", "replace"))

    @property
    def reads_sample(self) -> bool:
        """Whether `grade` mentions its sample at all."""
        return self._mentions(0)

    @property
    def reads_item(self) -> bool:
        """Whether `grade` mentions its item at all."""
        return self._mentions(1)

    def _mentions(self, parameter: int) -> bool:
        if self.grade is None:
            return True
        name = self.parameters_of(self.grade)[parameter]
        return any(
            (isinstance(node, ast.Name) and node.id in (name, "locals", "vars"))
            for statement in self.grade.body
            for node in ast.walk(statement)
        )

    @cached_property
    def scores(self) -> ReturnedScores | None:
        """The scores that `grade` can return; None unless every return spells them out."""
        if self.grade is None or falls_through(self.grade.body):
            return None
        found: list[ReturnedScores | None] = [
            _scores_of(node.value) for node in own_nodes(self.grade) if isinstance(node, ast.Return)
        ]
        known = [one for one in found if one is not None]
        if not known or len(known) < len(found):
            return None
        ends = frozenset().union(*(one.ends or one.values for one in known))
        exact = all(not one.ends for one in known)
        return ReturnedScores(ends if exact else frozenset(), ends)


def _takes_two(arguments: ast.arguments) -> bool:
    """Whether a call with a sample and an item alone finds all it wants, each by its own name."""
    named = len(arguments.posonlyargs) + len(arguments.args)
    wanted = named - len(arguments.defaults)
    return wanted <= 2 <= named and None not in arguments.kw_defaults


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of functions and classes inside it."""
    pending: list[ast.AST] = list(reversed(function.body))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _SCOPES):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))


_TRUTHS: Final = ReturnedScores(frozenset({0.0, 1.0}))


def _scores_of(node: ast.expr | None) -> ReturnedScores | None:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            number = _finite(value)
            return None if number is None else ReturnedScores(frozenset({number}))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            number = _finite(value)
            return None if number is None else ReturnedScores(frozenset({-number}))
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            # `==` of arrays would give an array, which is no score anyway.
            return _TRUTHS
        case ast.IfExp(body=body, orelse=orelse):
            return _both(_scores_of(body), _scores_of(orelse))
        case ast.Call(func=ast.Name(id="bool"), args=[_]):
            return _TRUTHS
        case ast.Call(func=ast.Name(id="float" | "int" as kind), args=[argument]):
            inner = _scores_of(argument)
            return inner if kind == "float" or inner is _TRUTHS else None
        case ast.Call(func=ast.Name(id="min" | "max" as kind), args=[first, second], keywords=[]):
            return _clipped(kind, first, second)
        case _:
            return None


def _called(node: ast.expr) -> str:
    """Return the function whose value an expression is, "" for any other expression."""
    match node:
        case ast.Call(func=ast.Name(id="float" | "min" | "max"), args=[inner, *_]):
            return _called(inner)
        case ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def _both(first: ReturnedScores | None, second: ReturnedScores | None) -> ReturnedScores | None:
    if first is None or second is None:
        return None
    if first.ends or second.ends:
        return ReturnedScores(ends=(first.ends or first.values) | (second.ends or second.values))
    return ReturnedScores(first.values | second.values)


def _clipped(kind: str, first: ast.expr, second: ast.expr) -> ReturnedScores | None:
    """Return the interval of `min(1.0, max(0.0, x))` and its three turns."""
    for outer, inner in ((first, second), (second, first)):
        bound = _scores_of(outer)
        if bound is None or not isinstance(inner, ast.Call) or len(inner.args) != 2:
            continue
        if not (isinstance(inner.func, ast.Name) and inner.func.id in ("min", "max")):
            continue
        if inner.func.id == kind:
            continue
        other = next((one for one in map(_scores_of, inner.args) if one is not None), None)
        if other is not None and len(bound.values) == len(other.values) == 1:
            return ReturnedScores(ends=bound.values | other.values)
    return None
