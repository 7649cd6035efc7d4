"""Reads a grader's source without running it: what it imports, whether it can execute text.

Does: one fixed rule over the AST, on the side of caution: only a source that stays within known
modules and names may share a process between rows. Does not: decide about safety (the sandbox
confines either kind alike); a source made to slip through harms only its own scores. Parsing a
hostile source can crash the parser, so this runs in a process that may die.
"""

# The tables read better as text.
# ruff: noqa: SIM905

from __future__ import annotations

import ast
from typing import Any

__all__ = ["FILENAME", "scan"]

FILENAME = "<grader>"

# Modules whose use leaves nothing behind for the next row and which do not execute text.
# Any other import, a user's own package too, means one process a row.
_TAME = frozenset(
    """__future__ abc array ast base64 binascii bisect calendar cmath collections colorsys copy
    csv dataclasses datetime decimal difflib enum fractions functools hashlib heapq html itertools
    json keyword math numbers operator pprint queue random re reprlib statistics string struct
    stringprep textwrap time token tokenize typing types unicodedata urllib uuid warnings
    xml zlib zoneinfo
    ast_grep_py deepdiff jsonschema Levenshtein nltk numpy pandas pydantic rapidfuzz rdkit regex
    rouge_score scipy skbio sklearn sqlparse dateutil pytz typing_extensions yaml""".split()
)
# Tame modules have untame corners.
_UNTAME = frozenset(
    """numpy.ctypeslib numpy.f2py numpy.distutils numpy.testing urllib.request scipy.weave
    pandas.eval pandas.io re.Scanner nltk.app""".split()
)
# Names, bare or as an attribute, that execute text, reach other objects or leave traces.
_WORDS = frozenset(
    """eval exec query __import__ globals locals vars setattr delattr open breakpoint
    exec_module load_module import_module run_path run_module reload ImportString PyObject
    unsafe_load full_load Loader UnsafeLoader FullLoader read_pickle to_pickle loadtxt fromfile
    tofile memmap savetxt f_globals f_locals f_back f_builtins gi_frame cr_frame tb_frame
    setlocale putenv set_int_max_str_digits settrace setprofile""".split()
)
_BARE_WORDS = frozenset({"compile", "memoryview"})
_DUNDERS = frozenset(
    """__name__ __doc__ __init__ __call__ __len__ __iter__ __next__ __eq__ __ne__ __lt__ __le__
    __gt__ __ge__ __hash__ __repr__ __str__ __contains__ __getitem__ __post_init__ __enter__
    __exit__ __add__ __sub__ __mul__ __truediv__ __annotations__ __future__ __main__
    __version__""".split()
)


def scan(source: str) -> dict[str, Any]:
    """Return {"row": why one process a row is needed or None, "imports": [...]}.

    `imports` holds [module, line, top_level] with the names of `from` imports of tame packages
    left out. Raises whatever the parser raises.
    """
    tree = ast.parse(source, FILENAME)
    imports: list[tuple[str, int, bool]] = []
    bound: set[str] = set()
    why: str | None = None
    guarded = _guarded_lines(tree)
    for node in ast.walk(tree):
        found = _import(node, bound)
        imports += [(name, line, line not in guarded) for name, line in found]
        if why is None:
            why = _import_reason(node) or _word_reason(node)
    if why is None:
        for node in ast.walk(tree):
            why = _trace_reason(node, bound)
            if why:
                break
    return {"row": why, "imports": imports}


def _guarded_lines(tree: ast.Module) -> set[int]:
    """Lines of imports that may fail: in a function, or under `try`."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Try, ast.If)):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Import, ast.ImportFrom)):
                    guarded.add(inner.lineno)
    return guarded


def _import(node: ast.AST, bound: set[str]) -> list[tuple[str, int]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound.add(alias.asname or alias.name.split(".")[0])
        return [(alias.name, node.lineno) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            bound.add(alias.asname or alias.name)
        return [(node.module or ".", node.lineno)]
    return []


def _import_reason(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = node.module or "."
        names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        if any(alias.name in _WORDS or alias.name == "*" for alias in node.names):
            return f"imports {names[1]}"
    else:
        return None
    for name in names:
        if name.split(".")[0] not in _TAME or name in _UNTAME:
            return f"imports {name}"
    return None


def _word_reason(node: ast.AST) -> str | None:
    word = None
    if isinstance(node, ast.Name):
        word = node.id
        if word in _BARE_WORDS:
            return f"uses {word}"
    elif isinstance(node, ast.Attribute):
        word = node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("getattr", "hasattr") and len(node.args) > 1:
            name = node.args[1]
            if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
                return f"uses {node.func.id} with a computed name"
            word = name.value
    elif isinstance(node, ast.Global):
        return None  # globals are fresh for each row
    if word is None:
        return None
    if word in _WORDS or (word.startswith("__") and word.endswith("__") and word not in _DUNDERS):
        return f"uses {word}"
    return None


def _trace_reason(node: ast.AST, bound: set[str]) -> str | None:
    """Say whether something imported is changed: `json.dumps = ...`, `del math.pi`."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        root: ast.AST = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if isinstance(root, ast.Name) and root.id in bound:
            return f"changes {root.id}"
    return None
