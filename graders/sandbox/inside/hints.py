"""What a source asks of the machine that a sandbox does not give, seen without running it.

Does: finds calls that start a process, NLTK's data, and `item["sample"]`, which another service
fills. Does not: follow values; what a source makes out of names at run time is not seen.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator

__all__ = ["hints", "is_there"]

_PROCESSES = frozenset(
    """multiprocessing.Process multiprocessing.Pool multiprocessing.Manager multiprocessing.pool.Pool
    concurrent.futures.ProcessPoolExecutor concurrent.futures.process.ProcessPoolExecutor
    subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen
    subprocess.getoutput subprocess.getstatusoutput os.system os.popen os.fork os.forkpty
    os.posix_spawn os.posix_spawnp pty.fork pty.spawn asyncio.create_subprocess_exec
    asyncio.create_subprocess_shell""".split()  # noqa: SIM905
)
_FAMILIES = ("os.exec", "os.spawn")
_DATA = {
    "nltk.word_tokenize": "tokenizers/punkt_tab", "nltk.sent_tokenize": "tokenizers/punkt_tab",
    "nltk.tokenize.word_tokenize": "tokenizers/punkt_tab",
    "nltk.tokenize.sent_tokenize": "tokenizers/punkt_tab",
    "nltk.corpus.stopwords": "corpora/stopwords", "nltk.corpus.wordnet": "corpora/wordnet",
    "nltk.corpus.names": "corpora/names", "nltk.corpus.words": "corpora/words",
    "nltk.WordNetLemmatizer": "corpora/wordnet", "nltk.stem.WordNetLemmatizer": "corpora/wordnet",
    "nltk.stem.wordnet.WordNetLemmatizer": "corpora/wordnet",
    "nltk.translate.meteor_score.meteor_score": "corpora/wordnet",
    "nltk.translate.meteor_score.single_meteor_score": "corpora/wordnet",
    "nltk.pos_tag": "taggers/averaged_perceptron_tagger_eng",
    "nltk.tag.pos_tag": "taggers/averaged_perceptron_tagger_eng",
}  # fmt: skip
_OUTPUTS = frozenset({"output_text", "output_json", "output_tools", "output_items", "choices"})


def hints(tree: ast.Module) -> list[tuple[str, int, str]]:
    """Return (kind, line, what) of each hint: `process`, `data` or `layout`; each once."""
    names = _imported(tree)
    found: dict[tuple[str, str], int] = {}
    for kind, line, what in (*_named(tree, names), *_layout(tree)):
        found.setdefault((kind, what), line)
    return [(kind, line, what) for (kind, what), line in found.items()]


def is_there(data: str) -> bool:
    """Whether NLTK would find data of its own, as a folder or packed."""
    named = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    own = [os.path.join(sys.prefix, *more) for more in ((), ("share",), ("lib",))]  # noqa: PTH118
    shared = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")
    places = [*filter(None, named), *(f"{one}/nltk_data" for one in (*own, *shared))]
    return any(os.path.exists(f"{one}/{data}{end}") for one in places for end in ("", ".zip"))  # noqa: PTH110


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return the dotted name behind each imported name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                top = one.name.split(".")[0]
                found[one.asname or top] = one.name if one.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
    return found


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def _named(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func, names)
            if name in _PROCESSES or name.startswith(_FAMILIES):
                yield "process", node.lineno, name
        if isinstance(node, (ast.Name, ast.Attribute)):
            data = _DATA.get(_dotted(node, names))
            if data is not None:
                yield "data", node.lineno, data


def _layout(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """Yield where `grade` takes the answer from its item, and looks at its sample nowhere."""
    graded = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "grade"]
    words = {
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
    if len(graded) != 1 or len(graded[0].args.args) != 2 or not words & _OUTPUTS:
        return
    sample, item = (one.arg for one in graded[0].args.args)
    inside = [node for statement in graded[0].body for node in ast.walk(statement)]
    if any(isinstance(node, ast.Name) and node.id == sample for node in inside):
        return
    for node in inside:
        if _key_of(node, item) == "sample":
            yield "layout", node.lineno, f'{item}["sample"]'  # type: ignore[attr-defined]


def _key_of(node: ast.AST, name: str) -> object:
    """Return the key with which an expression looks into a name, None for other expressions."""
    if isinstance(node, ast.Subscript):
        owner, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        owner, key = node.func.value, node.args[0]
        if node.func.attr != "get":
            return None
    else:
        return None
    is_it = isinstance(owner, ast.Name) and owner.id == name
    return key.value if is_it and isinstance(key, ast.Constant) else None
