"""What a python source keeps from one row to the next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from graders.inspection.lint.source import Function, PythonSource, own_nodes

__all__ = ["assigned", "traces"]

_MUTATORS: Final = frozenset(
    {"append", "add", "update", "extend", "insert", "pop", "popitem", "remove", "discard", "clear",
     "setdefault", "appendleft", "popleft", "sort", "reverse", "write"}
)  # fmt: skip
_CONTAINERS: Final = frozenset(
    {"list", "dict", "set", "collections.defaultdict", "collections.Counter", "collections.deque",
     "collections.OrderedDict", "itertools.count", "bytearray"}
)  # fmt: skip


def traces(source: PythonSource) -> Iterator[tuple[ast.AST, str]]:
    """Yield each node that changes what outlives a call, with its name; each name once."""
    module = _module_containers(source)
    classes = (node for node in source.nodes if isinstance(node, ast.ClassDef))
    names = {one.name for one in (*source.functions, *classes)}
    seen: set[str] = set()
    for function in source.functions:
        declared = {
            name
            for node in own_nodes(function)
            if isinstance(node, ast.Global)
            for name in node.names
        }
        kept = (module - _local_names(function)) | declared | _mutable_defaults(function)
        for node in own_nodes(function):
            name = _changed(node, kept, declared, names)
            if name and name not in seen:
                seen.add(name)
                yield node, name


def _module_containers(source: PythonSource) -> set[str]:
    found = set()
    for node in source.tree.body:
        value = getattr(node, "value", None)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if _is_container(source, value):
            found |= {one.id for one in targets if isinstance(one, ast.Name)}
    return found


def _is_container(source: PythonSource, value: ast.AST | None) -> bool:
    if isinstance(value, ast.Call):
        return source.dotted(value.func) in _CONTAINERS
    return isinstance(
        value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    )


def _local_names(function: Function) -> set[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {one.arg for one in every} | assigned(function)


def assigned(function: Function) -> set[str]:
    """Return the names that a function assigns to."""
    return {
        node.id
        for node in own_nodes(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _mutable_defaults(function: Function) -> set[str]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    given = function.args.defaults
    pairs = zip(arguments[len(arguments) - len(given) :], given, strict=True)
    return {one.arg for one, value in pairs if isinstance(value, ast.List | ast.Dict | ast.Set)}


def _changed(node: ast.AST, kept: set[str], declared: set[str], functions: set[str]) -> str:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in declared:
            return name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in kept:
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=verb)) if (
            name in kept and verb in _MUTATORS
        ):
            return name
        case ast.Call(func=ast.Name(id="next"), args=[ast.Name(id=name), *_]) if name in kept:
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=field, ctx=ast.Store()) if (
            name in functions
        ):
            return f"{name}.{field}"
        case _:
            return ""
