"""Templates of the jinja2 dialect: the opt-in for configs written for full Jinja.

Sandboxed, undefined names are failures, values that are not text are shown by the same rule. Loops are
not bounded in time: nobody else's config should be read with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from graders.errors import TemplateError
from graders.sample import Absent, Unparsed
from graders.template.path import (
    MissingVariableError,
    Path,
    Rendering,
    SampleParseError,
    to_text,
    without_unparsed,
)

__all__ = ["JinjaTemplate", "compile_jinja"]

_MAX_PRODUCT: Final = 10_000_000

_COMMENT_OR_RAW: Final = re.compile(
    r"\{#.*?#\}|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL
)
_TAG: Final = re.compile(r"\{%[-+]?\s*(\w+)((?:(?!%\}).)*)", re.DOTALL)
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_SETS: Final = re.compile(r"[\w\s.,()]+=(?!=)")
_BLOCKS: Final = frozenset(
    {"autoescape", "block", "call", "filter", "for", "if", "macro", "raw", "set", "with"}
)
_TAGS: Final = frozenset({"elif", "else", "extends", "from", "import", "include", "print"})


@dataclass(frozen=True, slots=True)
class JinjaTemplate:
    """A compiled template of the jinja2 dialect."""

    text: str
    paths: tuple[Path, ...]
    render: Callable[[Any, Any], str] = field(compare=False, repr=False)


def compile_jinja(text: str, rendering: Rendering) -> JinjaTemplate:
    """Compile a jinja2 template over `item` and `sample`.

    Raises:
        TemplateError: it does not parse, or names anything else.
    """
    from jinja2 import TemplateSyntaxError, meta, nodes  # noqa: PLC0415

    environment = _environment(rendering)
    tree = None
    try:
        tree = environment.parse(text)
        names = meta.find_undeclared_variables(tree)
        compiled = environment.from_string(text)
    except TemplateSyntaxError as error:
        problem = _unknown(environment, tree) or _syntax_problem(text)
        raise _fault(text, error.lineno, f"not a jinja2 template: {problem}") from None
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        # The template is jinja2, but what jinja2 makes of it is too much for Python.
        message = "the jinja2 template nests too deeply or has too large a number"
        raise TemplateError(message, text=text, start=0) from None
    others = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)
    for loads in tree.find_all(others):
        message = "a template stands alone: there is no other to extend, import or include"
        raise _fault(text, loads.lineno, message)
    if unknown := sorted(names - {"item", "sample"}):
        start = max(text.find(unknown[0]), 0)
        message = f"unknown name {unknown[0]}; templates see item and sample"
        raise TemplateError(message, text=text, start=start, end=start + len(unknown[0]))

    # Within an if it is no fault of the text: jinja2 says so when it comes to it.
    @functools.cache
    def unknown_filter() -> str:
        return _unknown(environment, tree)

    def render(item: Any, sample: Any) -> str:
        return _render_jinja(compiled.render, names, text, unknown_filter, item, sample)

    paths = (Path("sample", ("output_json",)),) if "output_json" in text else ()
    return JinjaTemplate(text, paths, render)


def _environment(rendering: Rendering) -> Any:
    # jinja2 is loaded for this dialect only: it costs more than the rest of the start together.
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    def finalize(value: Any) -> Any:
        return value if isinstance(value, str | StrictUndefined) else to_text(value, rendering)

    class Environment(ImmutableSandboxedEnvironment):
        """Keys come before methods: `item.items` is the item's own key. Products are bounded."""

        intercepted_binops = frozenset({"*", "**"})

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, dict) and attribute in obj:
                return obj[attribute]
            return super().getattr(obj, attribute)

        def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
            refusal: Any = MissingVariableError
            hint = f"templates may not reach {attribute!r} of {type(obj).__name__!r} objects"
            return self.undefined(hint, obj=obj, name=attribute, exc=refusal)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _check_product(operator, left, right)
            return super().call_binop(context, operator, left, right)

    class Undefined(StrictUndefined):
        """A name that is not there, or may not be seen, said in our words.

        Errors of Python's own name this class, so it has the name that jinja2 shows.
        """

        @property
        def _undefined_message(self) -> str:
            if isinstance(owner := self._undefined_obj, StrictUndefined):
                return owner._undefined_message  # noqa: SLF001  (what is missing first)
            if issubclass(self._undefined_exception, LookupError):
                return str(self._undefined_hint)
            if self._undefined_hint is not None and self._undefined_name is None:
                return "a filter wants an element of what is empty"
            return _absence(owner, self._undefined_name)

    environment = Environment(undefined=Undefined, finalize=finalize, keep_trailing_newline=True)
    environment.globals.clear()
    del environment.filters["random"]  # The same row gives the same grade.
    return environment


def _fault(text: str, line: int, message: str) -> TemplateError:
    start = sum(len(one) + 1 for one in text.split("\n")[: line - 1])
    return TemplateError(message, text=text, start=min(start, len(text)))


def _unknown(environment: Any, tree: Any) -> str:
    """Return which filter or test of a template there is not, empty where all are known."""
    from jinja2 import nodes  # noqa: PLC0415

    for one in () if tree is None else tree.find_all((nodes.Filter, nodes.Test)):
        kind = "filter" if isinstance(one, nodes.Filter) else "test"
        if one.name not in (environment.filters if kind == "filter" else environment.tests):
            return f"No {kind} named {one.name!r}."
    return ""


def _syntax_problem(text: str) -> str:
    """Return what is wrong with a text that does not parse; jinja2's own words change."""
    text = _COMMENT_OR_RAW.sub("", text)
    for opener, closer in (("{{", "}}"), ("{%", "%}"), ("{#", "#}")):
        if text.rfind(opener) > text.rfind(closer):
            return f"unexpected end of template: the last {opener} has no {closer} after it"
    open_blocks: list[str] = []
    for name, rest in _TAG.findall(_EXPRESSION.sub("", text)):
        if name in _BLOCKS:
            if name != "set" or not _SETS.match(rest):  # Else it sets a name within its one tag.
                open_blocks.append(name)
        elif name.startswith("end") and name[3:] in _BLOCKS:
            if name[3:] not in open_blocks[-1:]:
                inside = f"inside {{% {open_blocks[-1]} %}}" if open_blocks else "before it"
                return f"{{% {name} %}} has no {{% {name[3:]} %}} {inside}"
            open_blocks.pop()
        elif name not in _TAGS:
            return f"there is no tag {{% {name} %}}"
    if open_blocks:
        return f"{{% {open_blocks[-1]} %}} has no {{% end{open_blocks[-1]} %}} after it"
    return "this line or its block cannot be read"


def _absence(owner: Any, name: Any) -> str:
    from jinja2.utils import missing  # noqa: PLC0415

    if owner is missing:
        return f"{name!r} is undefined"
    kind = "None" if owner is None else f"{type(owner).__name__} object"
    if not isinstance(name, str):
        return f"{kind} has no element {name!r}"
    return f"{kind!r} has no attribute {name!r}"


def _check_product(operator: str, left: Any, right: Any) -> None:
    """Refuse powers and repetitions that would fill the memory or never end."""
    if operator == "**":
        if isinstance(left, int) and isinstance(right, int) and right > 0:
            size = left.bit_length() * right
        else:
            return
    elif isinstance(left, int) and hasattr(right, "__len__"):
        size = left * len(right)
    elif isinstance(right, int) and hasattr(left, "__len__"):
        size = right * len(left)
    else:
        return
    if size > _MAX_PRODUCT:
        raise ValueError("the result would be too large")


def _render_jinja(  # noqa: PLR0917
    render: Callable[..., str], names: set[str], text: str, unknown: Callable[[], str],
    item: Any, sample: Any,
) -> str:  # fmt: skip
    from jinja2 import TemplateError as JinjaError  # noqa: PLC0415
    from jinja2 import UndefinedError  # noqa: PLC0415

    if isinstance(sample, str):
        sample = {"output_text": sample}
    for namespace, value in (("item", item), ("sample", sample)):
        if (value is None or isinstance(value, Absent)) and namespace in names:
            reason = f"the row has no {namespace}" if value is None else value.reason
            raise MissingVariableError(reason)
    unparsed = sample.get("output_json") if isinstance(sample, dict) else None
    if isinstance(unparsed, Unparsed) and "output_json" in text:
        raise SampleParseError(f"sample.output_json: {unparsed.reason}")
    sample = without_unparsed(sample)
    try:
        return render(item=item, sample=sample)
    except UndefinedError as error:
        raise MissingVariableError(str(error.message)) from None
    except RecursionError:
        raise MissingVariableError(
            "the jinja2 template failed: it calls itself too deeply"
        ) from None
    except JinjaError as error:
        reason = unknown() or f"jinja2 refuses it ({type(error).__name__})"
        raise MissingVariableError(f"the jinja2 template failed: {reason}") from None
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error) or type(error).__name__
        raise MissingVariableError(f"the jinja2 template failed: {reason}") from None
