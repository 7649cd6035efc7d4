"""`graders validate`: the linter. Faults of a config, findings, and what rows show of a grader."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Group, RenderableType

from graders.api import Grader, PythonOptions, ScoreOptions
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options
from graders.cli.option import file_name, flags, json_option, layout_options, python_options
from graders.cli.output import say, write_json
from graders.config import Loaded, load_source
from graders.errors import ConfigError, RowsError, shown
from graders.inspection.lint import (
    RULES,
    TARGETS,
    Finding,
    Measured,
    Subject,
    Target,
    TrainingFile,
    askable,
    check_codes,
    chosen,
    github,
    lint,
    measure,
    of_faults,
    read_training,
    rules,
    sarif,
)
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.report.lint import findings_view
from graders.report.markdown import markdown
from graders.report.terminal import variable_view, write_view
from graders.rows import Layout, decode_block, find_source

__all__ = ["validate"]

_EPILOG = """\b
Examples:
  graders validate grader.json
  graders validate grader.json --target openai --format github
  graders validate grader.json --rows rows.jsonl
  graders validate grader.json --format sarif > graders.sarif
  graders validate job.json --training-file train.jsonl
  graders validate job.json --rows train.jsonl --item-path ."""

Form = Literal["text", "json", "sarif", "github", "markdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the command line says about the run.

    Attributes:
        target: where the grader will run.
        form: how findings are written.
        select: codes to report; all when empty.
        ignore: codes not to report.
        strict: whether warnings fail too.
        limit: how many rows are graded.
        rows: the rows, None for none.
        files: paths of training and validation files, "" for none.
    """

    target: Target
    form: Form
    select: Sequence[str]
    ignore: Sequence[str]
    strict: bool
    limit: int
    rows: str | None
    layout: Layout
    files: dict[Literal["training", "validation"], str]

    def exit_code(self, findings: Sequence[Finding]) -> int:
        """Return 1 where a finding fails the command, else 0."""
        failing = ("error", "warning") if self.strict else ("error",)
        return int(any(one.severity in failing for one in findings))


def _codes(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    codes = [code.strip().upper() for value in values for code in value.split(",") if code.strip()]
    check_codes(codes)
    return tuple(codes)


@click.command(
    cls=Command,
    first=("rows", "target", "training_file", "validation_file", "item_path", "sample_path", "ignore", "strict", "form", "base_url"),
    epilog=_EPILOG, short_help="Lint a grader, a job body and its files; check rows.",
)  # fmt: skip
@click.argument("sources", metavar="GRADER...", type=file_name, nargs=-1, required=True)
@click.option(
    "--rows",
    metavar="ROWS",
    help="Also grade these rows and look at what they show.",
    cls=Flag,
    group="Rows and samples",
)
@layout_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Grade at most so many rows; 0 only looks for variables.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--training-file",
    default="",
    metavar="FILE",
    help="Check this training file of a job.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--validation-file",
    default="",
    metavar="FILE",
    help="Check this validation file.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="local",
    show_default=True,
    help="Where the grader will run.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--select",
    multiple=True,
    metavar="CODES",
    callback=_codes,
    help="Report only these codes or beginnings of codes, such as G1,G405.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="CODES",
    callback=_codes,
    help="Do not report these.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--strict", is_flag=True, help="Exit with 1 for warnings too.", cls=Flag, group="Checks"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github", "markdown"]),
    default="text",
    show_default=True,
    help="How findings are written.",
    cls=Flag,
    group="Results",
)
@flags(Reading, "dialect")
@json_option
@python_options
@judge_options
def validate(
    sources: Sequence[str],
    *,
    rows: str | None,
    reads: ScoreOptions,
    training_file: str,
    validation_file: str,
    dialect: Any,
    as_json: bool,
    form: Form,
    python: PythonOptions,
    judge: JudgeOptions,
    **more: Any,
) -> int:
    """Check graders: their configs, what they will do, and with --rows what they give.

    Exits with 0 for nothing worse than warnings, with 1 for errors (with --strict
    for warnings too), with 2 for a config with faults. Every finding has a code:
    docs/reference/lint.md. Models are asked only with --base-url or --offline.
    """
    if [*sources, rows].count("-") > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    options = _Options(
        form="json" if as_json else form, rows=rows, layout=reads.layout,
        files={"training": training_file, "validation": validation_file}, **more,
    )  # fmt: skip
    looked = [_look(one, options, Reading(dialect=dialect), python, judge) for one in sources]
    _write(looked, options.form)
    return max(one.code for one in looked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What was seen of a grader.

    Attributes:
        findings: of the linter, or the faults of its config.
        code: what to exit with.
        subject: what was looked at; None where the config has faults.
        error: those faults.
    """

    findings: Sequence[Finding]
    code: int
    subject: Subject | None = None
    error: ConfigError | None = None

    @property
    def body(self) -> dict[str, Any]:
        """It as JSON."""
        if self.subject is not None:
            return _body(self.subject, self.findings)
        faults = [
            {"code": one.code, "path": one.path, "line": one.line, "message": one.message}
            for one in (self.error.faults if self.error else ())
        ]
        listed = [one.to_dict() for one in self.findings]
        return {"valid": False, "faults": faults, "findings": listed}

    @property
    def view(self) -> RenderableType:
        """It for people."""
        if self.subject is None:
            return findings_view(self.findings)
        return _view(self.subject, self.findings)


def _look(
    source: str, options: _Options, reading: Reading, python: PythonOptions, judge: JudgeOptions
) -> _Looked:
    try:
        loaded = load_source(source, dialect=reading.dialect)
        with Grader(loaded, reading=reading, python=python, judge=judge) as ready:
            ready.check()
            subject = Subject.of(
                loaded, ready, target=options.target, model_map=judge.model_map,
                files=_files(loaded, ready, options),
                measured=None if options.rows is None else _measured(loaded, ready, options, python, judge),
            )  # fmt: skip
    except ConfigError as error:
        return _Looked(findings=list(of_faults(error.faults, error.source)), code=2, error=error)
    findings = chosen(lint(subject), options.select, options.ignore)
    return _Looked(findings=findings, code=options.exit_code(findings), subject=subject)


def _write(looked: Sequence[_Looked], form: Form) -> None:
    """Tell of the graders in the form asked for."""
    findings = [one for seen in looked for one in seen.findings]
    if form == "json":
        bodies = [one.body for one in looked]
        write_json(bodies if len(bodies) > 1 else bodies[0])
    elif form == "sarif":
        some = any(one.subject is not None for one in looked)
        write_json(sarif(findings, rules() if some else RULES))
    elif form == "github":
        click.echo(github(findings), nl=False)
    elif form == "markdown":
        sys.stdout.write(markdown(Group(*(one.view for one in looked)), "graders validate"))
    else:
        for one in looked:
            if one.error is not None and len(looked) == 1:
                raise one.error
            if one.error is not None:
                say(str(one.error))
            else:
                write_view(one.view, sys.stdout)


def _measured(
    loaded: Loaded, ready: Grader, options: _Options, python: PythonOptions, judge: JudgeOptions
) -> Measured:
    ask = bool(judge.base_url or judge.embedding_url) or judge.cache == "offline"
    part, skipped = askable(loaded, ready.plan, models=ask, endpoints=bool(judge.allow_endpoint))
    blocks = find_source([options.rows or ""]).blocks(1 << 18)
    chunks = (decode_block(block, options.layout) for block in blocks)
    name = "standard input" if options.rows == "-" else str(options.rows)
    if part is None:
        found = measure(ready.plan, chunks, name, grader=None, skipped=skipped, limit=0)
    else:
        reading = ready.plan.reading
        with Grader(part, reading=reading, python=python, judge=judge) as grader:
            found = measure(
                ready.plan, chunks, name, grader=grader, skipped=skipped, limit=options.limit
            )
    if not (found.variables.rows or found.variables.unreadable_count):
        raise RowsError(f"{name}: there are no rows in it")
    return found


def _files(loaded: Loaded, ready: Grader, options: _Options) -> list[TrainingFile]:
    """Return the job's files: those of the command line, else those the body names by path."""
    found: list[TrainingFile] = []
    for use, given in options.files.items():
        path = given or _path_in_body(loaded, f"{use}_file")
        if path:
            other = found[0] if found else None
            found.append(read_training(path, use, ready.plan.paths, other=other))
    return found


def _path_in_body(loaded: Loaded, name: str) -> str:
    """Return the file a job body names, where it is a path and not the id of an upload."""
    body = loaded.body
    value = body.get(name) if isinstance(body, dict) and "method" in body else None
    if not isinstance(value, str) or not value.endswith((".jsonl", ".json")):
        return ""
    beside = Path(loaded.file).parent / value
    return next((str(path) for path in (beside, Path(value)) if path.is_file()), "")


def _body(subject: Subject, findings: Sequence[Finding]) -> dict[str, Any]:
    plan, measured = subject.plan, subject.measured
    body: dict[str, Any] = {
        "valid": True, "faults": [], "name": plan.name, "type": plan.type,
        "sub_graders": {leaf.key: leaf.config.type for leaf in plan.leaves if leaf.key},
        "variables": [str(path) for path in plan.paths],
        "missing_imports": [
            {"sub_grader": key, "module": one.module, "line": one.line}
            for key, found in subject.missing.items()
            for one in found
        ],
        "retired_models": [
            {"sub_grader": one.key, "model": one.model, "switched_off": one.day}
            for one in subject.retired
        ],
        "target": subject.target,
        "findings": [one.to_dict() for one in findings],
    }  # fmt: skip
    if measured is not None:
        body["rows"] = {**measured.variables.to_dict(), "graded": measured.graded}
    return body


def _view(subject: Subject, findings: Sequence[Finding]) -> RenderableType:
    plan = subject.plan
    parts: list[Any] = [f"{subject.loaded.name}: a valid {plan.type} grader, {shown(plan.name)}"]
    if subs := ", ".join(
        f"{shown(leaf.key)} ({leaf.config.type})" for leaf in plan.leaves if leaf.key
    ):
        parts.append(f"sub-graders: {subs}")
    if subject.measured is not None:
        parts.append(variable_view(subject.measured.variables))
    elif plan.paths:
        parts.append(f"variables: {', '.join(map(str, plan.paths))}")
    return Group(*parts, findings_view(findings))
