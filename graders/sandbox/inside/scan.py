"""Reads a grader's source without running it: what it imports, whether rows may share its process.

Does: one fixed rule over the AST. Rows share a process only where each name, import and attribute is
on a list of those that keep nothing for a later row and reach nothing that does (`tame`), and where
nothing of a library's is changed. Whatever is not known means a process a row. Does not: decide about
safety (the sandbox confines either kind alike, and no process outlives its call). Parsing a hostile
source can crash the parser, so this runs in a process that may die.
"""

from __future__ import annotations

import ast
import builtins
import string
from collections.abc import Iterable, Iterator
from typing import Any

from . import tame

__all__ = ["FILENAME", "parse", "scan"]

FILENAME = "<grader>"

_BUILTINS = frozenset(dir(builtins))
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ENDINGS = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)
_SCOPES = (*_DEFS, ast.Lambda, ast.ClassDef)
_ENUMS = frozenset({"enum.Enum", "enum.Flag", "enum.IntEnum", "enum.IntFlag", "enum.StrEnum"})
_SPECIAL = frozenset({"getattr", "hasattr", "isinstance", "super", "type"})
"""Builtins that are allowed by how they are called, so they must be the builtins."""
_FORMATS = frozenset({"format", "format_map"})
_SAME = (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)
_MAKERS = frozenset({"__init__", "__post_init__"})


def scan(source: str) -> dict[str, Any]:
    """Return {"row": why one process a row is needed or None, "imports": [...]}.

    `imports` holds [module, line, top_level], once for each import of a module. Raises whatever the
    parser raises.
    """
    tree = parse(source)
    guarded = _guarded_lines(tree)
    imports: list[tuple[str, int, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(a.name, node.lineno, node.lineno not in guarded) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.module or ".", node.lineno, node.lineno not in guarded))
    return {"row": next(_Reasons(tree).all(), None), "imports": imports}


def parse(source: str) -> ast.Module:
    """Return the tree of a source; one that is indented as a whole is read as if it were not.

    Nothing in it is cut: texts of several lines stay as they are, and so do lines and columns.
    Raises whatever the parser raises of the source itself.
    """
    try:
        return ast.parse(source, FILENAME)
    except IndentationError:
        whole = _inside_a_block(source)
        if whole is None:
            raise
        return whole


def _inside_a_block(source: str) -> ast.Module | None:
    """Return the tree of a source that is one block of statements, None of any other."""
    try:
        tree = ast.parse("if True:\n" + source, FILENAME)
    except SyntaxError:
        return None
    block = tree.body[0]
    if len(tree.body) != 1 or not isinstance(block, ast.If) or block.orelse:
        return None
    whole = ast.Module(body=block.body, type_ignores=[])
    return ast.increment_lineno(whole, -1)


def _guarded_lines(tree: ast.Module) -> set[int]:
    """Lines of imports that may fail: in a function, or under `try`."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Try, ast.If)):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Import, ast.ImportFrom)):
                    guarded.add(inner.lineno)
    return guarded


class _Reasons:
    """The places of one source at which it is not known that rows may share a process."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.paths: dict[str, set[str]] = {}
        """Name -> what imports bind it to, in dotted names; anywhere, so a name has them all."""
        self.fine: set[int] = set()
        """Nodes that are looked at as part of another."""
        self.bases: set[int] = set()
        self.decorators: set[int] = set()
        self.asked: set[int] = set()
        self.methods: set[int] = set()
        self.made: set[int] = set()

    def all(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            yield from self._import(node)
        for node in ast.walk(self.tree):
            self._place(node)
        for node in ast.walk(self.tree):
            yield from self._node(node)

    # -- imports ---------------------------------------------------------------------------

    def _import(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in tame.PACKAGES:
                    yield f"imports {alias.name}"
                path = alias.name if alias.asname else alias.name.split(".")[0]
                self.paths.setdefault(alias.asname or path, set()).add(path)
        elif isinstance(node, ast.ImportFrom):
            module = "." if node.level else node.module or "."
            for alias in node.names:
                path = f"{module}.{alias.name}"
                if path not in tame.PACKAGES | tame.TYPES and not self._is_listed(path):
                    yield f"imports {path}"
                self.paths.setdefault(alias.asname or alias.name, set()).add(path)

    @staticmethod
    def _is_listed(path: str) -> bool:
        module, _, name = path.rpartition(".")
        return name in tame.NAMES.get(module, ())

    def _resolved(self, node: ast.AST) -> set[str]:
        """Return what a name or a chain of attributes of an import stands for; {} for a value."""
        if isinstance(node, ast.Name):
            return self.paths.get(node.id, set())
        if isinstance(node, ast.Attribute):
            # An attribute of something that is no module is an attribute of a value.
            roots = self._resolved(node.value)
            return {f"{root}.{node.attr}" for root in roots if root in tame.PACKAGES}
        return set()

    # -- places that allow more ------------------------------------------------------------

    def _place(self, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            self._place_class(node)
        elif isinstance(node, _DEFS):
            # Only the innermost: it is given what stands here, and nothing else.
            self._place_decorators(node.decorator_list[-1:])
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            for where in [node.returns, *(one.annotation for one in every)]:
                self.asked |= set(_alternatives(where))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "isinstance" and len(node.args) == 2:
                kinds = node.args[1]
                whole = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
                self.asked |= {id(one) for one in whole}
            if node.func.id in ("getattr", "hasattr", "super"):
                self.fine.add(id(node.func))
        elif isinstance(node, ast.Attribute) and node.attr == "__name__":
            self._place_type(node.value)
        elif isinstance(node, ast.Compare):
            self._place_compared(node)

    def _place_class(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            self.bases |= {id(base), id(getattr(base, "value", None))}
        self._place_decorators(node.decorator_list)
        for method in node.body:
            if isinstance(method, _DEFS):
                self.methods.add(id(method))
            if isinstance(method, ast.FunctionDef):
                self.made |= _made(method)

    def _place_type(self, node: ast.AST) -> None:
        """Allow type(x) where nobody gets hold of it: type(A) is `type`, which makes classes."""
        called = node.func if isinstance(node, ast.Call) and not node.keywords else None
        if isinstance(called, ast.Name) and called.id == "type" and _is_of_one(node):
            self.fine.add(id(called))

    def _place_compared(self, node: ast.Compare) -> None:
        several = (ast.Tuple, ast.List, ast.Set)
        if all(isinstance(one, _SAME) for one in node.ops):
            for one in (node.left, *node.comparators):
                self._place_type(one)
        elif isinstance(node.comparators[0], several) and len(node.ops) == 1:
            self._place_type(node.left)  # in, not in: the only ones that a literal knows

    def _place_decorators(self, decorators: list[ast.expr]) -> None:
        for one in decorators:
            self.decorators.add(id(one.func if isinstance(one, ast.Call) else one))

    # -- one node --------------------------------------------------------------------------

    def _node(self, node: ast.AST) -> Iterator[str]:
        yield from self._names(node)
        if isinstance(node, ast.Name):
            if node.id in _BUILTINS - tame.BUILTINS and isinstance(node.ctx, ast.Load):
                yield f"uses {node.id}"
            if node.id in _SPECIAL - {"isinstance"} and id(node) not in self.fine:
                yield f"uses {node.id} as a value"
            yield from self._import_use(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.ClassDef):
            yield from self._class(node)
        elif isinstance(node, _ENDINGS) and any(
            isinstance(one, (ast.Yield, ast.YieldFrom, ast.Await)) for one in ast.walk(node)
        ):
            yield "has a generator that runs on when it is thrown away"

    def _names(self, node: ast.AST) -> Iterator[str]:
        """Look at every identifier of a node but attributes."""
        if isinstance(node, (ast.Constant, ast.Attribute, ast.ImportFrom)):
            return
        is_read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        for name in _identifiers(node):
            if name in _SPECIAL and not is_read:
                yield f"gives {name} another meaning"
            if name.startswith("__") and name.endswith("__"):
                is_method = id(node) in self.methods and name in tame.METHODS
                if not is_method and not (isinstance(node, ast.Name) and name in tame.DUNDERS):
                    yield f"uses {name}"
            elif name.startswith("_") and name.endswith("_") and len(name) > 2:
                yield f"uses {name}"
            elif isinstance(node, ast.MatchClass):
                if name in _FORMATS:
                    yield f"uses {name} of what is no plain text"
                yield from _attribute_reason(name)

    def _import_use(self, node: ast.Name | ast.Attribute) -> Iterator[str]:
        for path in self._resolved(node):
            if path in tame.PACKAGES:
                if id(node) not in self.fine:
                    yield f"uses {path} as a value"
            elif path in tame.TYPES:
                if id(node) not in self.asked:
                    yield f"uses {path}"
            elif path.rpartition(".")[2] in tame.DUNDERS:
                continue
            elif not self._is_listed(path):
                yield f"uses {path}"
            elif (path in tame.BASES and id(node) not in self.bases) or (
                path in tame.DECORATORS and id(node) not in self.decorators
            ):
                yield f"uses {path} as a value"

    def _attribute(self, node: ast.Attribute) -> Iterator[str]:
        found = self._resolved(node)
        if found:
            self.fine.add(id(node.value))  # walked after this node, as it is inside
            yield from self._import_use(node)
        else:
            is_own = node.attr in _MAKERS and _is_super(node.value)
            if not is_own:
                yield from _attribute_reason(node.attr)
        if not isinstance(node.ctx, ast.Load) and id(node) not in self.made:
            is_context = isinstance(node.value, ast.Call) and self._resolved(node.value.func) == {
                "decimal.getcontext"
            }
            if not (is_context and node.attr in ("prec", "rounding")):
                yield f"changes an attribute ({node.attr})"
        if node.attr in _FORMATS and not found and id(node) not in self.fine:
            yield f"uses {node.attr} of what is no plain text"

    def _call(self, node: ast.Call) -> Iterator[str]:
        called = node.func
        if (
            isinstance(called, ast.Attribute)
            and called.attr == "format"
            and _is_plain(called.value)
        ):
            self.fine.add(id(called))
        if not isinstance(called, ast.Name):
            return
        plain = not node.keywords and not any(isinstance(one, ast.Starred) for one in node.args)
        if called.id in ("getattr", "hasattr"):
            name = node.args[1] if plain and len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield from _attribute_reason(name.value)
                if name.value in _FORMATS:
                    yield f"uses {name.value} of what is no plain text"
            else:
                yield f"uses {called.id} with a computed name"
        elif called.id == "super" and (node.args or node.keywords):
            yield "uses super with arguments"

    def _class(self, node: ast.ClassDef) -> Iterator[str]:
        if node.keywords:
            yield f"makes class {node.name} in a way of its own"
        for one in node.decorator_list:
            paths = self._resolved(one.func if isinstance(one, ast.Call) else one)
            if not paths or not paths <= tame.DECORATORS:
                yield f"decorates class {node.name}"
        for base in node.bases:
            root: ast.AST = base.value if isinstance(base, ast.Subscript) else base
            paths = self._resolved(root)
            if not paths and not isinstance(root, ast.Name):
                yield f"inherits class {node.name} from what is no name"
            if paths & _ENUMS and not any(map(_is_member, node.body)):
                yield f"has an enum without members ({node.name})"


def _alternatives(annotation: ast.AST | None) -> Iterator[int]:
    """Yield the annotation, or each of the `A | B` it is made of."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _alternatives(annotation.left)
        yield from _alternatives(annotation.right)
    elif annotation is not None:
        yield id(annotation)


def _identifiers(node: ast.AST) -> Iterator[str]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (one for one in value if isinstance(one, str))


def _attribute_reason(name: str) -> Iterator[str]:
    is_hidden = name.startswith("_") and name not in tame.DUNDERS | tame.FIELDS
    if is_hidden or name in tame.WORDS or name.startswith(tame.BEGINNINGS):
        yield f"uses {name}"


def _is_super(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )


def _is_member(node: ast.stmt) -> bool:
    """Whether a statement of an enum's body is certain to give it a member."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return False
    return isinstance(node.value, ast.Constant) and not node.targets[0].id.startswith("_")


def _is_of_one(node: ast.AST) -> bool:
    arguments = node.args if isinstance(node, ast.Call) else []
    return len(arguments) == 1 and not isinstance(arguments[0], ast.Starred)


def _is_plain(node: ast.expr) -> bool:
    """Whether something is a format, its fields mere names and numbers."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _has_plain_fields(node.value)
    )


def _has_plain_fields(text: str) -> bool:
    """Whether the fields are mere names and numbers, in their format specs too."""
    try:
        for _, name, spec, _ in string.Formatter().parse(text):
            if name is not None and (
                "." in name or "[" in name or not _has_plain_fields(spec or "")
            ):
                return False
    except ValueError:
        return True  # it raises when it is used
    return True


def _made(method: ast.FunctionDef) -> set[int]:
    """Return the attributes that a class's own constructor gives its own new object.

    None where the name of the object may come to stand for another one.
    """
    arguments = [*method.args.posonlyargs, *method.args.args]
    if method.name not in _MAKERS or method.decorator_list or not arguments:
        return set()
    own = arguments[0].arg
    for node in ast.walk(method):
        is_read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if is_read or node is arguments[0] or isinstance(node, (ast.Attribute, ast.Constant)):
            continue
        if own in _identifiers(node):
            return set()
    return {
        id(node)
        for node in _within(method.body)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == own
    }


def _within(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes below these that belong to the same function."""
    for node in nodes:
        if not isinstance(node, _SCOPES):
            yield node
            yield from _within(ast.iter_child_nodes(node))
