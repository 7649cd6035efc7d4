"""Whether a function can end without a value, by its statements alone."""

from __future__ import annotations

import ast
from collections.abc import Sequence

__all__ = ["falls_through"]


def falls_through(statements: Sequence[ast.stmt]) -> bool:
    """Whether control can reach the end of these statements."""
    return all(_passes(one) for one in statements)


def _passes(statement: ast.stmt) -> bool:  # noqa: C901  (one case a statement)
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return False
        case ast.If(test=ast.Constant(value=True)):
            return falls_through(statement.body)
        case ast.If():
            return falls_through(statement.body) or falls_through(statement.orelse)
        case ast.While(test=ast.Constant(value=value)) if value:
            return any(isinstance(node, ast.Break) for node in _of_this_loop(statement.body))
        case ast.For() | ast.While():
            # The body may never run, or run to its end; an `else` runs unless there is a break.
            leaves = any(isinstance(node, ast.Break) for node in _of_this_loop(statement.body))
            return leaves or falls_through(statement.orelse)
        case ast.With() | ast.AsyncWith():
            return falls_through(statement.body) or _suppresses(statement)
        case ast.Try() | ast.TryStar():
            if statement.finalbody and not falls_through(statement.finalbody):
                return False
            ends = falls_through([*statement.body, *statement.orelse])
            return ends or any(falls_through(handler.body) for handler in statement.handlers)
        case ast.Match():
            last = statement.cases[-1]
            whole = last.guard is None and _matches_all(last.pattern)
            return not whole or any(falls_through(case.body) for case in statement.cases)
        case ast.Assert(test=ast.Constant(value=value)) if not value:
            return False
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="exit"))):
            return False
        case _:
            return True


def _matches_all(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return any(map(_matches_all, pattern.patterns))
    return isinstance(pattern, ast.MatchAs) and (
        pattern.pattern is None or _matches_all(pattern.pattern)
    )


def _suppresses(statement: ast.With | ast.AsyncWith) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).endswith("suppress")
        for item in statement.items
    )


def _of_this_loop(statements: Sequence[ast.stmt]) -> list[ast.AST]:
    """Return the nodes of a loop's body, without those of loops and functions inside it."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        found.append(node)
        inner = ast.For | ast.While | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        if not isinstance(node, inner):
            pending.extend(ast.iter_child_nodes(node))
        elif isinstance(node, ast.For | ast.While):
            pending.extend(node.orelse)
    return found
