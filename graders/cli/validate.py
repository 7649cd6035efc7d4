"""`graders validate`: every fault of a config, and whether the rows hold what it names."""

from __future__ import annotations

import sys
from typing import Any

import click

from graders.api import Grader, PythonOptions
from graders.chat import JudgeOptions
from graders.choices import Choices
from graders.cli.judge import model_map_option
from graders.cli.option import grader_argument, json_option, layout_options, python_options
from graders.cli.output import write_json
from graders.config import load_source
from graders.errors import ConfigError
from graders.inspection.variable import check_variables
from graders.report.terminal import console, variable_view
from graders.rows import Layout, decode_block, find_source

__all__ = ["validate"]

_EPILOG = """\b
Examples:
  graders validate grader.json
  graders validate grader.json --rows rows.jsonl
  graders validate job.json --rows train.jsonl --item-path . --sample-path answer"""


@click.command(
    epilog=_EPILOG, short_help="List every fault of a grader; check rows for its variables."
)
@grader_argument
@click.option("--rows", metavar="ROWS", help="Also look for every template variable in these rows.")
@layout_options
@click.option(
    "--dialect", type=click.Choice(["hosted", "jinja2"]), default="hosted", show_default=True,
    help="Template language.",
)  # fmt: skip
@json_option
@python_options
@model_map_option
def validate(  # noqa: C901
    grader: str,
    *,
    rows: str | None,
    item_path: str,
    sample_path: str,
    dialect: Any,
    as_json: bool,
    python: PythonOptions,
    model_map: dict[str, str],
) -> int:
    """Check a grader, and with --rows that the rows hold its variables.

    Exits with 2 for a config with faults, with 1 when rows lack variables.
    """
    if grader == "-" and rows == "-":
        raise click.UsageError("Standard input (-) can be read only once.")
    layout = Layout.parse(item_path, sample_path)
    try:
        loaded = load_source(grader, dialect=dialect)
        judge = JudgeOptions(model_map=model_map)
        with Grader(loaded, choices=Choices(dialect=dialect), python=python, judge=judge) as ready:
            ready.check()
            plan, missing = ready.plan, ready.missing_imports()
            retired = ready.retired_models()
    except ConfigError as error:
        if not as_json:
            raise
        faults = [
            {"code": one.code, "path": one.path, "line": one.line, "message": one.message}
            for one in error.faults
        ]
        write_json({"valid": False, "faults": faults})
        return 2
    body: dict[str, Any] = {
        "valid": True, "faults": [], "name": plan.name, "type": plan.type,
        "sub_graders": {leaf.key: leaf.config.type for leaf in plan.leaves if leaf.key},
        "variables": [str(path) for path in plan.paths],
    }  # fmt: skip
    body["missing_imports"] = [
        {"sub_grader": key, "module": one.module, "line": one.line}
        for key, found in missing.items()
        for one in found
    ]
    body["retired_models"] = [
        {"sub_grader": one.key, "model": one.model, "switched_off": one.day} for one in retired
    ]
    report = None
    if rows is not None:
        blocks = find_source([rows]).blocks(1 << 18)
        report = check_variables(plan, (decode_block(block, layout) for block in blocks))
        body["rows"] = report.to_dict()
    if as_json:
        write_json(body)
    else:
        out = console(sys.stdout)
        subs = ", ".join(f"{key} ({kind})" for key, kind in body["sub_graders"].items())
        out.print(f"{loaded.name}: a valid {plan.type} grader, {plan.name}")
        if subs:
            out.print(f"sub-graders: {subs}")
        for one in body["missing_imports"]:
            where = f"{one['sub_grader']}: " if one["sub_grader"] else ""
            out.print(f"{where}line {one['line']} imports {one['module']}, which is not there")
        for one in body["retired_models"]:
            where = f"{one['sub_grader']}: " if one["sub_grader"] else ""
            out.print(
                f"warning: {where}the hosted service switches {one['model']} off on "
                f"{one['switched_off']}; --model-map {one['model']}=NAME asks another"
            )
        if report is not None:
            out.print(variable_view(report))
        elif body["variables"]:
            out.print(f"variables: {', '.join(body['variables'])}")
    return 0 if report is None or report.complete else 1
