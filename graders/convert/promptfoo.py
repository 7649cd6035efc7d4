"""promptfoo's assertions read as graders: those that mean the same here; of the others, why they do not. Pure.

Source: promptfoo 0.123's own handlers. `graders evals import` reads its exports by the same table.
"""

from __future__ import annotations

import ast
import itertools
import re
import string
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from graders.convert.result import Converted, Loss, Parts
from graders.convert.source import ASSERTION, IS_JSON, LEVENSHTEIN, REGEX, SNIPPET
from graders.convert.weighted import Term, finite, formula_of
from graders.errors import ConfigError, Fault, quoted

__all__ = ["assertion", "assertions", "is_promptfoo", "lifted", "read", "variables_of"]

_CHECKS: Final[Mapping[str, str]] = {
    "equals": "eq", "not-equals": "ne", "contains": "like", "icontains": "ilike",
}  # fmt: skip
_METRICS: Final[Mapping[str, str]] = {
    "rouge-n": "text_similarity by rouge_1", "bleu": "text_similarity by bleu",
    "gleu": "text_similarity by gleu", "meteor": "text_similarity by meteor",
    "similar": "text_similarity by cosine",
}  # fmt: skip
_NEAREST: Final[Mapping[str, str]] = {
    **_METRICS, "javascript": "a python grader", "llm-rubric": "score_model",
    "g-eval": "score_model", "factuality": "label_model", "model-graded-closedqa": "label_model",
    "contains-json": "a python grader", "word-count": "a python grader", "webhook": "endpoint",
}  # fmt: skip
_EXPRESSION: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\[\d+\])*")
_SIMPLE: Final = re.compile(r"\s*[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\s*", re.ASCII)
_GRADERS: Final = frozenset({"source", "input", "evaluation_metric", "url"})
"""Fields of graders, which no assertion has."""

_KNOWN: Final = frozenset({"type", "value", "metric", "weight", "threshold"})

_NOT_VARS: Final = frozenset({"env", "_conversation"})
"""Names of promptfoo's own."""

Given = Mapping[str, Any]
_NO_TEXT: Final = "its value is no text of plain variables"


def is_promptfoo(value: Any) -> bool:
    """Whether a document is a config of promptfoo, or a list of its assertions."""
    if isinstance(value, list):
        alike = all(isinstance(one, dict) and _GRADERS.isdisjoint(one) for one in value)
        return alike and any(map(_is_assertion, value))
    if not isinstance(value, dict) or "testing_criteria" in value:
        return False
    return bool({"defaultTest", "prompts", "providers"} & set(value)) or isinstance(
        value.get("assert"), list
    )


def _is_assertion(one: Given) -> bool:
    kind = _text(one.get("type"))
    base = kind.removeprefix("not-")
    return kind in _CHECKS or base in _MAKERS or base in _NEAREST


def assertions(config: Given) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return the assertions that all tests have, each with its JSON path, and what only some have."""
    default, found = config.get("defaultTest"), list[tuple[str, Any]]()
    given = default.get("assert") if isinstance(default, dict) else None
    if isinstance(given, list):
        found += [(f"$.defaultTest.assert[{at}]", one) for at, one in enumerate(given)]
    given = config.get("assert")
    if isinstance(given, list):
        found += [(f"$.assert[{at}]", one) for at, one in enumerate(given)]
    tests = config.get("tests")
    tests = [one for one in tests if isinstance(one, dict)] if isinstance(tests, list) else []
    own = [one.get("assert") or [] for one in tests]
    if own and isinstance(own[0], list) and own[0] and all(one == own[0] for one in own):
        found += [(f"$.tests[0].assert[{at}]", one) for at, one in enumerate(own[0])]
    elif any(own):
        says = "assertions that only some tests have: an eval has the same criteria for all rows"
        return found, [says]
    return found, []


def lifted(config: Given) -> tuple[Given, list[str]]:
    """Return a config whose tests assert alike, and the names of the vars that this took.

    Tests that differ only in the texts that they compare with have these in their vars instead.
    """
    tests = config.get("tests")
    if not isinstance(tests, list) or not all(isinstance(one, dict) for one in tests):
        return config, []
    own = [one.get("assert") for one in tests]
    shapes = {_shape(one) for one in own}
    variables = [one.get("vars") if isinstance(one.get("vars"), dict) else {} for one in tests]
    taken = {name for one in (*variables, _shared(config)) for name in one}
    if len(tests) < 2 or len(shapes) != 1 or None in shapes or "item" in taken:
        return config, []
    names: list[str] = []
    for at in range(len(own[0])):
        values = [each[at].get("value") for each in own]
        if all(value == values[0] for value in values):
            continue
        if not all(isinstance(value, str) and _is_plain(value) for value in values):
            return config, []
        # The same texts again are the same variable.
        known = next((one for one in names if [held[one] for held in variables] == values), None)
        name = known or next(one for one in _names() if one not in taken)
        taken.add(name)
        names += [] if known else [name]
        variables = [{**one, name: value} for one, value in zip(variables, values, strict=True)]
        own = [
            [*each[:at], {**each[at], "value": f"{{{{{name}}}}}"}, *each[at + 1 :]] for each in own
        ]
    put = [
        {**test, "vars": held, "assert": given}
        for test, held, given in zip(tests, variables, own, strict=True)
    ]
    return ({**config, "tests": put} if names else config), names


def _shape(given: Any) -> str | None:
    """Return what assertions are besides the values they compare with; None where there are none."""
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        return None
    return repr(
        [sorted((str(k), repr(v)) for k, v in one.items() if k != "value") for one in given]
    )


def _names() -> Iterator[str]:
    yield "expected"
    yield from (f"expected_{count}" for count in itertools.count(2))


def _is_plain(text: str) -> bool:
    return not any(one in text for one in ("{{", "{%", "{#")) and not text.startswith("file://")


def assertion(one: Any) -> dict[str, Any] | str:
    """Return an assertion as a grader without a name, or why there is none that means the same."""
    if not isinstance(one, Mapping):
        return "no object"
    kind, value = _text(one.get("type")), one.get("value")
    base, inverse = kind.removeprefix("not-"), kind.startswith("not-")
    if base in _METRICS:
        return "promptfoo's number is another than the hosted one"
    if base == "assert-set":
        return "a set of assertions that passes as one"
    if left := sorted(set(one) - _KNOWN):
        return f"it has {', '.join(map(str, left))}, which changes what it looks at"
    if kind in _CHECKS:
        reference = _template(value) if isinstance(value, str) else None
        if reference is None:
            return _NO_TEXT
        return {
            "type": "string_check", "input": "{{ sample.output_text }}",
            "operation": _CHECKS[kind], "reference": reference,
        }  # fmt: skip
    if base not in _MAKERS:
        return "there is no grader that means the same"
    return _MAKERS[base](one, base, inverse)


def _python(source: str) -> dict[str, Any]:
    return {"type": "python", "source": source}


def _listed(one: Given, base: str, inverse: bool) -> dict[str, Any] | str:  # noqa: FBT001
    value = one.get("value")
    values = [value] if base in {"starts-with", "contains", "icontains"} else value
    if isinstance(values, str):
        return "its value is one text, to be cut at commas: write a list"
    if not isinstance(values, list) or not values or not all(map(_is_simple, values)):
        return _NO_TEXT
    if base == "starts-with" and not value:
        return "its value is empty"
    return _python(ASSERTION.made(TYPE=base, VALUES=values, INVERSE=inverse))


def _regex(one: Given, base: str, inverse: bool) -> dict[str, Any] | str:  # noqa: FBT001, ARG001
    value = one.get("value")
    if not isinstance(value, str) or not value or "{{" in value or "{%" in value:
        return "its value is no plain expression"
    pattern = _of_javascript(value)
    if pattern is None:
        return "JavaScript's expression means something else in Python"
    return _python(REGEX.made(EXPRESSION=value, PATTERN=pattern, INVERSE=inverse))


def _is_json(one: Given, base: str, inverse: bool) -> dict[str, Any] | str:  # noqa: FBT001, ARG001
    if one.get("value"):
        return "it has a schema"
    return _python(IS_JSON.made(INVERSE=inverse))


def _levenshtein(one: Given, base: str, inverse: bool) -> dict[str, Any] | str:  # noqa: FBT001, ARG001
    value, threshold = one.get("value"), one.get("threshold", 5)
    if not _is_simple(value):
        return _NO_TEXT
    if finite(threshold) is None:
        return "its threshold is no number"
    return _python(LEVENSHTEIN.made(VALUE=value, THRESHOLD=threshold, INVERSE=inverse))


def _snippet(one: Given, base: str, inverse: bool) -> dict[str, Any] | str:  # noqa: FBT001, ARG001
    value = one.get("value")
    if inverse or "threshold" in one:
        return "what it returns is compared, and turned, by promptfoo"
    if not isinstance(value, str) or "{{" in value or value.startswith("file://"):
        return "its code stands elsewhere, or has variables put into it"
    body = value if "\n" in value else f"return {value}"
    source = string.Template(SNIPPET).substitute(body=textwrap.indent(body, "    "))
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "its code is not Python"
    return _python(source.replace('"""\n\n\n', '"""\n\nimport json\n\n\n', 1))


_MAKERS: Final[Mapping[str, Callable[[Given, str, bool], dict[str, Any] | str]]] = {
    "contains": _listed, "icontains": _listed, "starts-with": _listed, "contains-any": _listed,
    "contains-all": _listed, "icontains-any": _listed, "icontains-all": _listed, "regex": _regex,
    "is-json": _is_json, "levenshtein": _levenshtein, "python": _snippet,
}  # fmt: skip


def _template(text: str) -> str | None:
    """Return promptfoo's template as one of graders; None where it is more than variables."""
    good = "{%" not in text and "{#" not in text

    def put(found: re.Match[str]) -> str:
        nonlocal good
        path = found[1].strip()
        head = re.split(r"[.\[]", path, maxsplit=1)[0]
        good &= _PATH.fullmatch(path) is not None and head not in _NOT_VARS
        if head == "output":
            return "{{ sample.output_text" + path.removeprefix("output") + " }}"
        return "{{ " + (path if head in ("item", "sample") else f"item.{path}") + " }}"

    made = _EXPRESSION.sub(put, text)
    return made if good and not text.startswith("file://") else None


def _is_simple(text: Any) -> bool:
    """Whether a text has no more than variables of the item in it."""
    if not isinstance(text, str):
        return False
    names = _EXPRESSION.findall(text)
    plain = _is_plain(_EXPRESSION.sub("", text)) and not text.startswith("file://")
    heads = {one.strip().split(".")[0] for one in names}
    return (
        plain
        and all(_SIMPLE.fullmatch(one) for one in names)
        and not heads & {"output", "sample", *_NOT_VARS}
    )


_SPACE: Final = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES: Final[Mapping[str, str]] = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_OUTSIDE: Final[Mapping[str, str]] = {
    "B": r"(?!\b)",  # Python's own is not in an empty text.
    "D": "[^0-9]", "W": "[^A-Za-z0-9_]", "S": f"[^{_SPACE}]",
    **{name: f"[{text}]" for name, text in _CLASSES.items()},
}  # fmt: skip
_TOKEN: Final = re.compile(
    r"\\(?P<escape>.)|(?P<open>\[\^?)|(?P<group>\(\?[^:=!])|(?P<one>.)", re.DOTALL
)


_UNLIKE: Final = re.compile(r"\{,|[*+?}]\+|\\B[*+?{]")
"""What JavaScript takes for text, or refuses, and Python reads as a count."""


def _of_javascript(pattern: str) -> str | None:
    """Return an expression of JavaScript, without flags, as Python's; None where that is not sure."""
    made, inside = list[str](), False
    if _UNLIKE.search(pattern):
        return None
    for token in _TOKEN.finditer(pattern):
        escape, one = token["escape"], token["one"]
        if token["group"]:
            return None
        if escape is not None:
            known = _CLASSES if inside else _OUTSIDE
            if (
                escape.isalnum()
                and escape not in known
                and escape not in "tnrfv"
                and (inside or escape != "b")
            ):
                return None
            made.append(known.get(escape, token[0]))
        elif token["open"]:
            if token["open"] == "[^" and inside:
                return None
            made.append(r"\[" if inside else token[0])
            inside = True
        elif inside:
            made.append(one if one in "]-" or one.isalnum() else re.escape(one))
            inside = one != "]"
        else:
            # Without flags, JavaScript's $ is the end alone, and its dot no line end of Unicode either.
            made.append({"$": r"\Z", ".": r"[^\n\r\u2028\u2029]"}.get(one, one))
    text = "".join(made)
    try:
        re.compile(text, re.ASCII)
    except (re.error, RecursionError, OverflowError, MemoryError):
        return None
    return None if "[]" in text or "[^]" in text else text


def read(value: Any) -> Converted:
    """Return a config of promptfoo, or a list of its assertions, as one grader.

    Raises:
        ConfigError: no assertion of it can be read.
    """
    if not isinstance(value, Mapping | list):
        says = f"a config or a list of assertions is expected, got {quoted(value)}"
        raise ConfigError([Fault("$", says)], source="promptfoo")
    config: Given = {"assert": value} if isinstance(value, list) else value
    config, names = lifted(config)
    found, left = assertions(config)
    parts, terms = Parts(losses=[Loss("$.tests", "assert", why) for why in left]), list[Term]()
    for at, (path, one) in enumerate(found):
        _add(path if isinstance(value, dict) else f"$[{at}]", one, parts, terms)
    _say_rest(config, parts)
    rows = _rows(config, parts)
    if names:
        parts.note(f"tests compare with texts of their own: rows have them as {', '.join(names)}")
    if not terms:
        said = "; ".join(map(str, parts.losses)) or "it asserts nothing"
        raise ConfigError([Fault("$", f"no assertion could be read: {said}")], source="promptfoo")
    if len(terms) == 1:
        document = parts.graders[terms[0].key]
        return Converted(document=document, losses=parts.losses, notes=list(parts.notes), rows=rows)
    if sum(one.weight for one in terms) == 0:
        raise ConfigError([Fault("$", "the weights add up to 0")], source="promptfoo")
    parts.note(
        "the reward is promptfoo's score, the weighted mean; it passes where all assertions pass"
    )
    description = config.get("description")
    document = {
        "type": "multi", "name": description if isinstance(description, str) and description else "promptfoo",
        "graders": parts.graders, "calculate_output": formula_of(terms),
    }  # fmt: skip
    return Converted(document=document, losses=parts.losses, notes=list(parts.notes), rows=rows)


def _shared(config: Given) -> Given:
    """Return the vars that all tests have."""
    default = config.get("defaultTest")
    shared = default.get("vars") if isinstance(default, dict) else None
    return shared if isinstance(shared, dict) else {}


def _rows(config: Given, parts: Parts) -> list[dict[str, Any]]:
    """Return the rows that tests are, each with its vars and those that all have."""
    tests = config.get("tests")
    if isinstance(tests, str):
        parts.note(f"its tests stand elsewhere, in {quoted(tests)}: they are not read")
    elif tests is not None and not isinstance(tests, list):
        parts.losses.append(Loss("$.tests", "tests", "code makes them; their rows are not written"))
    rows: list[dict[str, Any]] = []
    for at, one in enumerate(tests if isinstance(tests, list) else []):
        path = f"$.tests[{at}]"
        if not isinstance(one, dict):
            parts.losses.append(
                Loss(path, quoted(one), "it stands elsewhere; its rows are not written")
            )
            continue
        held = one.get("vars") or {}
        if not isinstance(held, dict):
            why = "they stand elsewhere; its row is not written"
            parts.losses.append(Loss(f"{path}.vars", quoted(held), why))
            continue
        item = {**_shared(config), **variables_of(held)}
        for name, value in item.items():
            if isinstance(value, str) and not _is_plain(value):
                why = "promptfoo puts other text into it; the row has it as it stands here"
                parts.losses.append(Loss(f"{path}.vars.{name}", quoted(value), why))
        said = one.get("providerOutput")
        sample = {"sample": said} if isinstance(said, str) else {}
        rows += [{"item": each, **sample} for each in _expanded(item, one.get("options"))]
    return rows if any(one["item"] or "sample" in one for one in rows) else []


def _expanded(item: dict[str, Any], options: Any) -> list[dict[str, Any]]:
    """Return the rows of a test: a list of texts among its vars is as many tests."""
    if isinstance(options, dict) and options.get("disableVarExpansion"):
        return [item]
    values = [
        one if isinstance(one, list) and one and isinstance(one[0], str) else [one]
        for one in item.values()
    ]
    return [dict(zip(item, one, strict=True)) for one in itertools.product(*values)]


def variables_of(given: Any) -> dict[str, Any]:
    """Return vars of promptfoo as an item: what an import put under `item`, else as they are."""
    if not isinstance(given, dict):
        return {}
    inner = given.get("item")
    return dict(inner) if isinstance(inner, dict) and len(given) == 1 else dict(given)


def _add(path: str, one: Any, parts: Parts, terms: list[Term]) -> None:
    kind = _text(one.get("type")) if isinstance(one, dict) else ""
    made = assertion(one)
    if isinstance(made, dict):
        weight = one.get("weight", 1)
        if finite(weight) is None:
            made = f"its weight is no number: {quoted(weight)}"
    if isinstance(made, str):
        near = _NEAREST.get(kind.removeprefix("not-"), "")
        parts.losses.append(Loss(path, kind or "no type", f"{made}; left out", near))
        return
    name = _text(one.get("metric")) or kind
    key = parts.key(name)
    parts.graders[key] = {"name": name, **made}
    terms.append(Term(key, float(one.get("weight", 1))))


_OF_TESTS: Final[Mapping[str, tuple[str, str]]] = {
    "threshold": ("a multi has no pass mark of its own", "graders diff --threshold"),
    "assertScoringFunction": ("code makes the score of it; the weighted mean is written", "calculate_output"),
    "options.transform": ("code changes the output before it is compared; left out", "a python grader"),
    "options.postprocess": ("code changes the output before it is compared; left out", "a python grader"),
    "options.transformVars": ("code changes the vars before they are compared; left out", ""),
    "options.disableDefaultAsserts": ("it is graded as all the others are", ""),
}  # fmt: skip
_OF_CONFIG: Final[Mapping[str, str]] = {
    "scenarios": "their tests, and what they assert, are left out",
    "derivedMetrics": "figures of a whole run are not of a row; left out",
    "extensions": "code that runs beside the tests; left out",
    "nunjucksFilters": "templates here have no filters; left out",
}


def _say_rest(config: Given, parts: Parts) -> None:
    """Say what else of a config decides on scores, and is not written."""
    tests = config.get("tests")
    places = [("$", config), ("$.defaultTest", config.get("defaultTest"))]
    places += [
        (f"$.tests[{at}]", one) for at, one in enumerate(tests if isinstance(tests, list) else [])
    ]
    for name, (why, nearest) in _OF_TESTS.items():
        *outer, key = name.split(".")
        _say(parts, _found(places, outer, key, name), key, why, nearest)
    for name, why in _OF_CONFIG.items():
        _say(parts, [f"$.{name}"] if config.get(name) else [], name, why)
    providers = config.get("providers")
    given = [
        (f"$.providers[{at}]", one)
        for at, one in enumerate(providers if isinstance(providers, list) else [])
    ]
    _say(parts, _found(given, [], "transform", "transform"), "transform", *_OF_TESTS["options.transform"])  # fmt: skip
    if isinstance(config.get("defaultTest"), str):
        _say(parts, ["$.defaultTest"], "defaultTest", "it stands elsewhere; what it asserts is left out")  # fmt: skip
    for path, one in places:
        if isinstance(one, dict) and not isinstance(one.get("assert") or [], list):
            _say(parts, [f"{path}.assert"], "assert", "a list is expected; left out")


def _found(places: Iterable[tuple[str, Any]], outer: list[str], key: str, name: str) -> list[str]:
    """Return where a setting stands that is not switched off."""
    inner = [
        (path, one.get(outer[0]) if outer and isinstance(one, dict) else one)
        for path, one in places
    ]
    return [
        f"{path}.{name}"
        for path, one in inner
        if isinstance(one, dict) and one.get(key) is not None and one[key] is not False
    ]


def _say(parts: Parts, found: list[str], what: str, why: str, nearest: str = "") -> None:
    if found:
        more = f" (and at {len(found) - 1} more places)" if len(found) > 1 else ""
        parts.losses.append(Loss(found[0], what, f"{why}{more}", nearest))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
