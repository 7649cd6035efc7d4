"""Writes the parts of docs/ that are made from the code: pages of reference, the house's floors, the schemas.

`python tools/reference.py` writes them; with `--check` it only says whether they are fresh.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
import typing
from pathlib import Path

import click
from lint_page import lint_page
from llms_page import llms_page
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from python_page import python_page

import graders
from graders import config, kinds, suite
from graders.cli import cli, commands
from graders.config import PUBLISHED
from graders.kinds import message
from graders.option import options_of
from graders.suite.schema import PUBLISHED as SUITE

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
API = REFERENCE / "api.md"
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"
MADE = "<!-- Made by tools/reference.py (make docs). Do not edit. -->\n"

CONFIG_HEAD = """# Grader configs

The types, as the hosted services take them in reinforcement fine-tuning (RFT) and Evals. A
config is JSON or YAML and stands alone or inside a request body; `graders.load`, and GRADER on the
command line, find it in

| what | where the grader stands |
|---|---|
| a grader | the object itself |
| a `fine_tuning.jobs.create` body | `method.reinforcement.grader` |
| a `graders.run` or `graders.validate` body | `grader`; `graders run` takes `item` and `model_sample` from it |
| an Evals body | `testing_criteria`, a list; several criteria grade together ([why](../decisions/0005-evals-criteria.md)) |
| a list | the same as `testing_criteria` |

Unknown fields, wrong values and wrong types are faults. All faults are listed at once, each with
its JSON path, its line, the value and the nearest right spelling.

Where the forms differ: in `testing_criteria`, `pass_threshold` is required for text_similarity and
a multi is refused, as the API's schema has it. A label_model is accepted everywhere. A grader
without a `name` gets one in the hosted form (`grader-` and twelve letters or digits), the same for
equal configs. A multi's `graders` is a map; a single grader is tolerated as a map of one; an array
is refused, for its members have no names a formula could use. Azure's `invalid_grade` is honoured
([how](../decisions/0006-invalid-grade.md)); Azure's `endpoint` runs where its host is
allowed ([how](../howto/endpoint.md)).
"""

COMMAND_HEAD = """# Commands

Results go to standard output, everything else to standard error. `-` is standard input or output.
`--json` prints JSON for machines. Colours and progress appear only on a terminal, and never with
`NO_COLOR` set.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | ran, but the sample failed, more rows failed than `--max-failures` allows, every row failed, `validate` found errors, tests failed, a gate of probe, diff or agree is shut, something is not carried over by convert, a job would be refused, or of evals a run failed or has items without a verdict, an export could not be read whole, or a criterion without a model differs |
| 2 | bad usage or bad config |
| 3 | a job would run but teach nothing |
| 4 | of a job it is not known, for something is missing here |
| 130 | interrupted, or a job was paused or cancelled |
"""


def config_page() -> str:
    """Return docs/reference/config.md."""
    parts = [MADE, CONFIG_HEAD]
    parts += [_section(name, kind) for name, kind in kinds.TYPES.items()]
    parts.append("## Parts\n")
    for kind in (
        message.Message,
        message.InputText,
        message.OutputText,
        message.InputImage,
        message.InputAudio,
        message.AudioData,
        message.SamplingParams,
    ):
        parts.append(_section(kind.__name__, kind, level="###"))
    return "\n".join(parts)


def _section(title: str, kind: type[BaseModel], level: str = "##") -> str:
    described = kind.model_json_schema()["properties"]
    rows = [
        f"| `{name}` | {_type(name, field)} | {_default(field)} "
        f"| {described[name].get('description', '')} |"
        for name, field in kind.model_fields.items()
    ]
    table = "\n".join(["| field | value | default | meaning |", "|---|---|---|---|", *rows])
    return f"{level} {title}\n\n{(kind.__doc__ or '').strip()}\n\n{table}\n"


def _default(field: FieldInfo) -> str:
    if field.is_required() or typing.get_origin(field.annotation) is typing.Literal:
        return "required"  # A `type`, which only Python may leave out.
    return "–" if field.default in (None, "") else f"`{field.default}`"


_SHAPES = {
    "content": "text, part, or list of both",
    "graders": "map of key to grader",
    "input_audio": "AudioData",
    "sampling_params": "SamplingParams",
    "range": "two numbers",
    "labels": "list of texts",
    "passing_labels": "list of texts",
    "prompt_cache_breakpoint": "any JSON",
}


def _type(name: str, field: FieldInfo) -> str:
    literals = [leaf for leaf in _leaves(field.annotation) if isinstance(leaf, str)]
    if literals:
        return ", ".join(f"`{literal}`" for literal in literals)
    if name in _SHAPES:
        return _SHAPES[name]
    leaves = set(_leaves(field.annotation))
    if message.Message in leaves:
        return "list of Message"
    if float in leaves:
        return "number"
    return "whole number" if int in leaves else "text"


def _leaves(annotation: typing.Any) -> typing.Iterator[typing.Any]:
    arguments = typing.get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


def command_page() -> str:
    """Return docs/reference/command.md."""
    parts = [MADE, COMMAND_HEAD]
    with click.Context(
        cli, info_name="graders", max_content_width=80, terminal_width=78, **cli.context_settings
    ) as top:
        parts.append(f"## graders\n\n```text\n{_help(cli, top)}\n```\n")
        for name, command in commands().items():
            parts += _command(f"graders {name}", command, top)
    return "\n".join(parts)


def _command(title: str, command: click.Command, parent: click.Context) -> list[str]:
    context = click.Context(
        command,
        info_name=title.rsplit(maxsplit=1)[-1],
        parent=parent,
        max_content_width=80,
        terminal_width=78,
    )
    parts = [f"## {title}\n\n```text\n{_help(command, context)}\n```\n"]
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            parts += _command(f"{title} {name}", sub, context)
    return parts


def _help(command: click.Command, context: click.Context) -> str:
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def architecture_page() -> str:
    """Return docs/explanation/architecture.md with the floors that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {one["id"]: one for one in project["tool"]["importlinter"]["contracts"]}
    floors = "\n".join(
        line for floor in contracts["floors"]["layers"] for line in _floor(floor.split(" | "))
    )
    doors = sorted(
        one.partition(" -> ")[2].removeprefix("graders.").replace(".", "/")
        for one in contracts["waist"]["ignore_imports"]
        if one.startswith("graders.** ")
    )
    text = _between(
        ARCHITECTURE.read_text(), "floors", f"<!-- not run: a drawing -->\n```text\n{floors}\n```"
    )
    return _between(text, "doors", ", ".join(f"`{one}`" for one in doors))


def api_page() -> str:
    """Return docs/reference/api.md with the options that are declared."""
    rows = ["| keyword | field | default | |", "|---|---|---|---|"]
    for kind in (
        graders.Reading,
        graders.PythonOptions,
        graders.JudgeOptions,
        graders.ScoreOptions,
    ):
        for one in options_of(kind):
            default = "" if one.default is None else f"`{one.default}`"
            # What None stands for, a command says in its own way.
            said = one.help.partition("  [default: ")[0]
            values = " · ".join(f"`{value}`" for value in one.allowed)
            where = "" if one.suite or kind is graders.ScoreOptions else " Not in suites."
            rows.append(
                f"| `{one.name}` | `{kind.__name__}.{one.field}` | {default} | {said}"
                f"{' ' + values if values else ''}{where} |"
            )
    return _between(API.read_text(), "options", "\n".join(rows), API)


def _json(value: typing.Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _floor(names: list[str]) -> typing.Iterator[str]:
    """Yield a line for each room or module of a floor: its name, and what it says it is."""
    for name in names:
        path = ROOT / "graders" / name
        room = path.is_dir()
        module = path / "__init__.py" if room else path.with_suffix(".py")
        said = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]
        yield f"{name + ('/' if room else '.py'):17} {said}"
        if name == "api":
            yield "─" * 100


def _between(text: str, mark: str, made: str, path: Path = ARCHITECTURE) -> str:
    head, start, rest = text.partition(f"<!-- {mark}: made by make docs -->\n")
    _, end, tail = rest.partition(f"<!-- end of {mark} -->\n")
    if not (start and end):
        raise SystemExit(f"{path} has no place for {mark}")
    return f"{head}{start}{made}\n{end}{tail}"


def main() -> int:
    """Write the pages, or check them."""
    pages = {
        REFERENCE / "config.md": config_page(),
        REFERENCE / "command.md": command_page(),
        REFERENCE / "lint.md": lint_page(MADE),
        REFERENCE / "python.md": python_page(MADE),
        API: api_page(),
        ARCHITECTURE: architecture_page(),
        ROOT / "llms.txt": llms_page(),
        ROOT / "graders" / "config" / PUBLISHED.name: _json(config.schema()),
        ROOT / "graders" / "suite" / SUITE.name: _json(suite.schema()),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        name = path.relative_to(ROOT)
        if "--check" in sys.argv[1:]:
            sys.stderr.write(f"{name} is not fresh; run make docs\n")
        else:
            path.write_text(pages[path])
            sys.stdout.write(f"wrote {name}\n")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
