"""The formats that `graders convert` reads and writes, and a document from one to another."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from graders.config import Source, json_path, load_source, read_document
from graders.config.document import unfit
from graders.convert import azure, gemini, gemini_write, promptfoo, promptfoo_write
from graders.convert.result import Converted
from graders.convert.script import SCRIPTS, Failed
from graders.errors import ConfigError, Fault, OptionError, quoted, suggestion

__all__ = ["READS", "WRITES", "convert", "format_of"]


def _read_json(value: Any) -> Converted:
    if not isinstance(value, Mapping | list):
        says = f"an object or a list is expected, got {quoted(value)}"
        raise ConfigError([Fault("$", says)], source="graders")
    loaded = load_source(value)
    read = azure.read(
        loaded, value.get("testing_criteria") if isinstance(value, Mapping) else value
    )
    outer = [name for name in value if name != loaded.place[0]] if loaded.place else []
    notes = (
        [f"$: {', '.join(map(str, outer))}: of what the grader stands in; not written"]
        if outer
        else []
    )
    return replace(read, notes=notes)


READS: Final[Mapping[str, Callable[[Any], Converted]]] = {
    "graders": _read_json, "azure": _read_json, "foundry": _read_json, "gemini": gemini.read,
    "promptfoo": promptfoo.read,
}  # fmt: skip
"""What is read: `graders` is the hosted grader JSON, also in bodies of jobs, runs and evals."""

WRITES: Final[Mapping[str, Callable[[Mapping[str, Any], Failed], Converted]]] = {
    "graders": lambda grader, _: Converted(document=dict(grader)),
    "openai": lambda grader, _: azure.write_grader(grader, "openai"),
    "azure": lambda grader, _: azure.write_grader(grader, "azure"),
    "foundry": lambda grader, _: azure.write_criteria(grader),
    "gemini": lambda grader, _: gemini_write.write(grader),
    "promptfoo": lambda grader, _: promptfoo_write.write(grader),
    **SCRIPTS,
}
"""What is written: one document, or for programs that run code a folder."""

_CRITERIA: Final = frozenset({"graders", "openai", "azure", "foundry"})
_BODIES: Final = ("type", "grader", "method", "testing_criteria")


def format_of(value: Any) -> str:
    """Return the format of a document.

    Raises:
        OptionError: it cannot be told.
    """
    if gemini.is_gemini(value):
        return "gemini"
    if promptfoo.is_promptfoo(value):
        return "promptfoo"
    listed = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    if listed or (isinstance(value, Mapping) and any(name in value for name in _BODIES)):
        return "graders"
    known = ", ".join(READS)
    raise OptionError(f"what kind of document this is cannot be told; say --from, one of {known}")


def convert(
    source: Source, to: str, *, read_as: str | None = None, failed: Failed = "raise"
) -> Converted:
    """Return a document in another format, with all that was not carried over.

    Args:
        source: the document, as for `graders.load`.
        to: a key of `WRITES`.
        read_as: a key of `READS`; None to tell by the document.
        failed: what a row without a reward gets in scripts whose program must have a number: a number, or
            `raise`.

    Raises:
        ConfigError: the source cannot be read, or nothing of it can be written.
        OptionError: there is no such format, or what the source is cannot be told.
    """
    value = (
        read_document(source)
        if isinstance(source, str) or hasattr(source, "__fspath__")
        else source
    )
    read_as = format_of(value) if read_as is None else read_as
    _check(read_as, READS, "read")
    _check(to, WRITES, "written")
    if odd := [Fault(json_path(place), problem) for place, problem in unfit(value)]:
        raise ConfigError(odd, source=read_as)
    read = READS[read_as](value)
    grader = azure.read(load_source(read.document)).document  # Whatever was made of it, it is one.
    if "testing_criteria" in grader and to not in _CRITERIA | set(SCRIPTS):
        says = f"criteria of an eval have a verdict, which {to} does not know; convert one of them, or a multi"
        raise ConfigError([Fault("$.testing_criteria", says)], source=read_as)
    made = WRITES[to](grader, failed)
    losses = [*read.losses, *made.losses]
    if not (made.document or made.files):
        said = "; ".join(map(str, losses))
        raise ConfigError(
            [Fault("$", f"nothing of it can be written for {to}: {said}")], source=read_as
        )
    for name, text in made.files.items():
        if name.endswith(".py"):
            ast.parse(text)
    return Converted(
        document=made.document,
        files=made.files,
        losses=losses,
        notes=[*read.notes, *made.notes],
        rows=read.rows,
    )


def _check(name: str, known: Mapping[str, Any], said: str) -> None:
    if name in known:
        return
    if said == "read" and name in WRITES:
        readable = ", ".join(READS)
        raise OptionError(
            f"{name} is code, which cannot be read as a grader; the grader.json beside it can. Read are {readable}"
        )
    raise OptionError(
        f"there is no format {name} to be {said}; {suggestion(name, known, 'there are')}"
    )
