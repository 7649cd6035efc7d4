"""G5xx: python sources, read and never run."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import Final

from graders.inspection.lint.example import grading, python
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.flow import falls_through
from graders.inspection.lint.rule import Rule, never
from graders.inspection.lint.source import Function, PythonSource, own_nodes
from graders.inspection.lint.state import assigned, traces
from graders.inspection.lint.subject import Subject
from graders.inspection.lint.template import meant_key
from graders.kinds import Python
from graders.plan import Leaf
from graders.sandbox import IMAGES

__all__ = ["RULES"]

_MODULE_OF: Final = {
    "scikit-learn": "sklearn", "rouge-score": "rouge_score", "pyyaml": "yaml", "scikit-bio": "skbio",
    "ast-grep-py": "ast_grep_py",
}  # fmt: skip
# What the image's packages bring along; not documented, so only not complained of.
_BROUGHT: Final = frozenset(
    """dateutil pytz six joblib regex tqdm click absl mpmath typing_extensions pydantic_core
    annotated_types attr attrs referencing rpds orderly_set threadpoolctl tzdata PIL h5py statsmodels
    biom patsy decorator natsort requests packaging jsonschema_specifications typing_inspection
    urllib3 certifi idna charset_normalizer""".split()  # noqa: SIM905
)
_SCRATCH: Final = "/tmp"  # noqa: S108  (the sandbox has one of its own)
_IMAGE: Final = max(IMAGES)
_THERE: Final = (
    frozenset(_MODULE_OF.get(name, name) for name in IMAGES[_IMAGE])
    | _BROUGHT
    | sys.stdlib_module_names
)

_NETWORK: Final = frozenset(
    """socket requests httpx httpx2 aiohttp urllib3 urllib.request http.client ftplib smtplib
    websockets openai anthropic boto3 paramiko""".split()  # noqa: SIM905
)


def _state(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        for node, what in traces(source):
            says = f"{what} is kept between rows: the score depends on the rows before"
            yield subject.source_hit(leaf, node, says)


def _outside_image(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        config = leaf.config
        tag = config.image_tag if isinstance(config, Python) else None
        if tag is not None and tag not in IMAGES:
            continue  # Nothing is documented of other images.
        seen = set()
        for module, node in source.modules:
            top = module.split(".")[0]
            if top not in _THERE and top not in seen:
                seen.add(top)
                says = f"{top} is not in the hosted image {_IMAGE}"
                yield subject.source_hit(leaf, node, says)


def _missing_here(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        for one in subject.missing.get(leaf.key, ()):
            node = ast.Pass(lineno=one.line, col_offset=0)
            yield subject.source_hit(leaf, node, f"imports {one.module}, which is not there")


_CLOCKS: Final = frozenset(
    """time.time time.time_ns datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
    datetime.date.today uuid.uuid1 uuid.uuid4 os.urandom os.getpid hash id""".split()  # noqa: SIM905
)
_CHANCE: Final = ("random.", "numpy.random.", "secrets.")
_SEEDED: Final = re.compile(r"(?:random|numpy\.random)\.(?:seed|Random|default_rng|RandomState)")


def _chance(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        seeded = any(_SEEDED.fullmatch(name) and call.args for name, call in source.calls)
        seen: set[str] = set()
        for name, call in source.calls:
            if name in seen or not _by_chance(name, call, seeded=seeded):
                continue
            seen.add(name)
            yield subject.source_hit(leaf, call, f"{name} is not the same on every run")
        unsorted = _lists_of_sets(source)
        for node in source.nodes:
            if _takes_set_order(node, unsorted):
                says = "the order of a set of texts is not the same on every run"
                yield subject.source_hit(leaf, node, says)
                break


def _by_chance(name: str, call: ast.Call, *, seeded: bool) -> bool:
    if name.startswith(_CHANCE):
        return not (seeded and not name.startswith("secrets.")) and not (
            _SEEDED.fullmatch(name) is not None and call.args
        )
    return name in _CLOCKS and not (name in ("hash", "id") and not call.args)


def _lists_of_sets(source: PythonSource) -> set[str]:
    """Return the names that only ever stand for `list(set(…))`."""
    given: dict[str, list[bool]] = {}
    for node in source.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(_is_list_of_set(node.value))
    called = {name for name, _ in source.calls}
    return {name for name, every in given.items() if all(every) and f"{name}.sort" not in called}


def _is_list_of_set(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner]):
            return _is_set(inner)
        case _:
            return False


def _takes_set_order(node: ast.AST, unsorted: set[str]) -> bool:
    """Whether the order of a set decides: `list(set(x))[0]`, `next(iter({…}))`, `" ".join(set(x))`."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Load()):
            return name in unsorted
        case ast.Subscript(value=inner) if _is_list_of_set(inner):
            return True
        case (
            ast.Call(func=ast.Attribute(attr="join", value=ast.Constant()), args=[inner])
            | ast.Call(func=ast.Attribute(attr="pop", value=inner), args=[])
            | ast.Call(ast.Name(id="next"), args=[ast.Call(ast.Name(id="iter"), [inner]), *_])
        ):
            return _is_set(inner)
        case _:
            return False


def _is_set(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


def _scorers(subject: Subject) -> Iterator[tuple[Leaf, Function]]:
    """Yield `grade`, and each function whose value it returns, of each source."""
    for leaf, source in subject.pythons():
        for function in source.scorers:
            if not any(isinstance(n, ast.Yield | ast.YieldFrom) for n in own_nodes(function)):
                yield leaf, function


def _no_value(subject: Subject) -> Iterator[Hit]:
    for leaf, function in _scorers(subject):
        returns = [node for node in own_nodes(function) if isinstance(node, ast.Return)]
        bare = [node for node in returns if _is_none(node.value)]
        for node in bare:
            yield subject.source_hit(leaf, node, f"{function.name} returns no number here")
        if not bare and falls_through(function.body):
            says = f"{function.name} can end here without a return: such a row fails"
            yield subject.source_hit(leaf, function.body[-1], says)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _broad_except(subject: Subject) -> Iterator[Hit]:
    for leaf, function in _scorers(subject):
        for node in own_nodes(function):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
                returns = [one for one in _flat(node.body) if isinstance(one, ast.Return)]
                if any(not _is_none(one.value) for one in returns):
                    says = "a fault of the grader itself is scored as if the answer were at fault"
                    yield subject.source_hit(leaf, node, says)


def _flat(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in statements:
        yield from ast.walk(statement)


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_is_broad, kind.elts))
    return kind is None or (
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")
    )


def _no_number(subject: Subject) -> Iterator[Hit]:
    for leaf, function in _scorers(subject):
        for node in own_nodes(function):
            if isinstance(node, ast.Return) and (kind := _other_kind(node.value)):
                says = f"{function.name} returns {kind}, not a number: such a row fails"
                yield subject.source_hit(leaf, node, says)


def _other_kind(value: ast.expr | None) -> str:
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.Call(func=ast.Name(id="str")):
            return "a text"
        case ast.Tuple():
            return "a tuple"
        case ast.List() | ast.ListComp():
            return "a list"
        case ast.Dict() | ast.DictComp():
            return "a dict"
        case ast.Set() | ast.SetComp():
            return "a set"
        case _:
            return ""


def _network(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        seen = set()
        for module, node in source.modules:
            name = next((m for m in (module, module.split(".")[0]) if m in _NETWORK), None)
            if name and name not in seen:
                seen.add(name)
                yield subject.source_hit(leaf, node, f"imports {name}, and there is no network")


def _files(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        for name, call in source.calls:
            if name not in ("open", "io.open", "pathlib.Path") or not call.args:
                continue
            path = call.args[0]
            text = path.value if isinstance(path, ast.Constant) else None
            if isinstance(text, str) and text.startswith(("/", "~")) and text[:4] != _SCRATCH:
                says = f"{text[:80]} is a file of your machine, not of the sandbox"
                yield subject.source_hit(leaf, call, says)


def _swapped(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        if source.grade is None:
            continue
        names = [name.strip("_").casefold() for name in source.parameters_of(source.grade)]
        if names[0].startswith("item") or names[1].startswith("sample"):
            listed = ", ".join(names)
            says = f"grade is called as grade(sample, item), and its parameters are {listed}"
            yield subject.source_hit(leaf, source.grade, says)


def _unknown_key(subject: Subject) -> Iterator[Hit]:
    for leaf, source in subject.pythons():
        if source.grade is None:
            continue
        name = source.parameters_of(source.grade)[0]
        if name in assigned(source.grade):
            continue
        for node in own_nodes(source.grade):
            key = _key_of(node, name)
            if (meant := meant_key(key)) is not None:
                fix = f'Write sample["{meant}"].'
                yield subject.source_hit(leaf, node, f'sample has no "{key}"', fix)


def _key_of(node: ast.AST, name: str) -> object:
    match node:
        case ast.Subscript(
            value=ast.Name(id=owner), slice=ast.Constant(value=key), ctx=ast.Load()
        ) if owner == name:
            return key
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=owner), attr="get"),
            args=[ast.Constant(value=key), *_],
        ) if owner == name:
            return key
        case _:
            return None


RULES: Final = (
    Rule(
        code="G501", name="source-fault", severity="error", check=never,
        what="A source does not load: a syntax error, no `grade(sample, item)`, a top level that fails.",
        why="Every row would fail.",
        fix="Define grade(sample, item) at the top level.",
        example=Example(grader=python("def score(sample, item):\n    return 1.0\n")),
    ),
    Rule(
        code="G502", name="state-between-rows", severity="warning", check=_state,
        what="A function changes a global, a container of the module, a mutable default or a function's attribute.",
        why="The score then depends on the order of rows and on which process took them.",
        fix="Keep what a call needs in the call; a constant table at the top is fine.",
        example=Example(grader=python(grading(
            "seen.append(sample['output_text'])",
            "return 1.0 / seen.count(sample['output_text'])",
            before="seen = []\n\n",
        ))),
    ),
    Rule(
        code="G503", name="outside-image", severity="info", check=_outside_image,
        elsewhere={"openai": "error", "azure": "error"},
        what="A source imports what is neither in the standard library nor in the hosted image.",
        why="There is nothing to install from: the import fails on the service.",
        fix="Use a package of the image, or write the few lines that are needed.",
        example=Example(grader=python(grading(
            "import jellyfish", "return jellyfish.jaro_similarity(sample['output_text'], item['answer'])",
        ))),
    ),
    Rule(
        code="G504", name="missing-import", severity="warning", check=_missing_here,
        elsewhere={"openai": None, "azure": None},
        what="The interpreter that runs python graders here lacks an import that only runs sometimes.",
        why="The row that reaches it fails.",
        fix="Install it, or name an interpreter that has it with --python.",
        example=Example(grader=python(grading(
            "import not_a_package_of_anybody", "return float(sample['output_text'] == item['answer'])",
        ))),
    ),
    Rule(
        code="G505", name="non-deterministic", severity="warning", check=_chance,
        what="A source uses unseeded random numbers, the clock, uuid, `hash` of texts, or the order of a set.",
        why="The same row gets another reward in another run.",
        fix="Seed with a constant, sort the set, or use hashlib.",
        example=Example(grader=python(grading("import random", "return random.random() * len(sample['output_text'])"))),
    ),
    Rule(
        code="G506", name="path-without-value", severity="warning", check=_no_value,
        what="`grade` can end without returning a number.",
        why="Such a row fails, and counts as 0 on the service.",
        fix="Return a number on every path.",
        example=Example(grader=python(grading("if sample['output_text'] == item['answer']:", "    return 1.0"))),
    ),
    Rule(
        code="G507", name="broad-except", severity="warning", check=_broad_except,
        what="`except:` or `except Exception:` in `grade` returns a score.",
        why="A typing error in the grader looks like a wrong answer, and nobody is told.",
        fix="Catch what a bad answer can cause, such as ValueError or KeyError, and let the rest fail the row.",
        example=Example(grader=python(grading(
            "try:", "    return float(sample['output_json']['x'] == item['x'])", "except Exception:", "    return 0.0",
        ))),
    ),
    Rule(
        code="G508", name="not-a-number", severity="error", check=_no_number,
        what="`grade` returns a text, list, tuple, dict or set.",
        why="Such a row fails.",
        fix="Return a float.",
        example=Example(grader=python(grading("return str(sample['output_text'] == item['answer'])"))),
    ),
    Rule(
        code="G509", name="network", severity="warning", check=_network,
        what="A source imports a module of the network.",
        why="There is none, here and on the service.",
        fix="Put what is fetched into the rows.",
        example=Example(grader=python(grading(
            "import requests", "return float(requests.get(item['url']).text == sample['output_text'])",
        ))),
    ),
    Rule(
        code="G510", name="foreign-file", severity="warning", check=_files,
        what="A source opens a file by an absolute path outside /tmp.",
        why="The sandbox does not show your files, and the service does not have them.",
        fix="Put the data into the rows or into the source.",
        example=Example(grader=python(grading(
            "words = open('/data/words.txt').read().split()", "return float(sample['output_text'] in words)",
        ))),
    ),
    Rule(
        code="G511", name="swapped-parameters", severity="error", check=_swapped,
        what="`grade` names its parameters item, sample.",
        why="They are passed by position, the sample first.",
        fix="Write def grade(sample, item).",
        example=Example(grader=python("def grade(item, sample):\n    return float(item['answer'] == sample['output_text'])\n")),
    ),
    Rule(
        code="G512", name="unknown-sample-key-in-source", severity="warning", check=_unknown_key,
        what="`grade` asks for a key of `sample` that looks like a documented one and is none.",
        why="The row fails, or a default stands for the answer.",
        fix="Use output_text, output_json, output_tools, choices or output_audio.",
        example=Example(grader=python(grading("return float(sample.get('output', '') == item['answer'])"))),
    ),
)  # fmt: skip
