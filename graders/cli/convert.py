"""`graders convert`: a grader from one vendor's format to another's."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import click

from graders import jsontext
from graders.cli.option import file_name, json_option
from graders.cli.output import say, say_notes, write_bytes, write_json
from graders.config import read_document
from graders.convert import READS, WRITES, Converted, format_of
from graders.convert import convert as converted
from graders.errors import OptionError, RowsError, quoted
from graders.remote import Place, named

__all__ = ["convert"]

_EPILOG = """\b
Examples:
  graders convert rewards.json --to graders -o grader.json
  graders convert grader.json --to gemini
  graders convert promptfooconfig.yaml --to graders --accept-loss
  graders convert grader.json --to bedrock -o function.zip

What cannot be carried over as it was is named on standard error, and the exit code is
1; what could be is written all the same. Programs that run code get a folder, or a .zip."""


def _failed(_: click.Context, __: click.Parameter, value: str) -> float | str:
    if value == "raise":
        return value
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise click.BadParameter(f"a number or raise is expected, got {quoted(value)}")
    return number


@click.command(epilog=_EPILOG, short_help="Move a grader between vendors and frameworks.")
@click.argument("source", metavar="IN", type=file_name)
@click.option(
    "--from",
    "read_as",
    metavar="FORMAT",
    help=f"What IN is: {', '.join(READS)}.  [default: told by IN]",
)
@click.option("--to", required=True, metavar="FORMAT", help=f"One of {', '.join(WRITES)}.")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=file_name,
    help="A file; of a script a folder, or a .zip.  [default: -]",
)
@click.option(
    "--rows",
    metavar="FILE",
    type=file_name,
    help="Write the rows that IN has, as JSON Lines: a promptfoo's tests.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option(
    "--accept-loss", is_flag=True, help="Exit with 0 though something is not carried over."
)
@click.option(
    "--failed",
    default="raise",
    show_default=True,
    metavar="X",
    callback=_failed,
    help="What a row without a reward gets in scripts that need one: a number, or raise.",
)
@json_option
def convert(
    source: str,
    *,
    read_as: str | None,
    to: str,
    output: str | None,
    rows: str | None,
    force: bool,
    accept_loss: bool,
    failed: float | str,
    as_json: bool,
) -> int:
    """Write a grader in another vendor's format, or another's as a grader."""
    _check_readable(source)
    value = read_document(source)
    known = format_of(value) if read_as is None else read_as
    done = converted(value, to, read_as=known, failed=failed)
    written = _written(done, output, to, force=force, shown=not as_json)
    if rows is not None:
        if not done.rows:
            raise RowsError(f"{source} has no rows; --rows is for promptfoo's tests")
        written.append(
            _write(
                named(rows),
                b"".join(jsontext.encode(one) + b"\n" for one in done.rows),
                force=force,
            )
        )
    if as_json:
        write_json(
            {
                "from": known, "to": to, "losses": [one.to_dict() for one in done.losses],
                "notes": list(done.notes), "written": written,
                "document": done.document, "files": dict(done.files),
            }
        )  # fmt: skip
    for loss in done.losses:
        say(f"not carried over: {loss}")
    say_notes(done.notes)
    if done.losses and not accept_loss:
        count = len(done.losses)
        say(
            f"{count} {'thing is' if count == 1 else 'things are'} not carried over; --accept-loss takes that"
        )
        return 1
    return 0


def _check_readable(source: str) -> None:
    """Say of code, and of folders, that they are not read."""
    place, folder = Path(source), False
    with contextlib.suppress(OSError, ValueError):  # A text of JSON may stand there, too.
        folder = place.is_dir()
    if source in {"", "-"} or not (folder or place.suffix in {".py", ".zip"}):
        return
    there = folder and (place / "grader.json").is_file()
    near = f"; convert {place / 'grader.json'}" if there else ""
    raise OptionError(f"{source} is code or a folder, which cannot be read as a grader{near}")


def _written(
    done: Converted, output: str | None, to: str, *, force: bool, shown: bool
) -> list[str]:
    """Write what was made; return the paths."""
    if not done.files:
        data = jsontext.encode(done.document, indent=True) + b"\n"
        if output in (None, "-"):
            if shown:
                write_json(done.document)
            return []
        return [_write(named(str(output)), data, force=force)]
    if output is None or output == "-":
        if shown:
            raise click.UsageError(
                f"{to} is a folder of {len(done.files)} files: say -o DIR, or a .zip."
            )
        return []
    place = named(output)
    if place.suffix == ".zip":
        return [_write(place, _zipped(done), force=force)]
    there = [str(place / name) for name in done.files if (place / name).exists()]
    if there and not force:
        raise RowsError(f"{there[0]} is there already; --force writes over it")
    return [_write(place / name, text.encode(), force=force) for name, text in done.files.items()]


def _zipped(done: Converted) -> bytes:
    """Return a folder as a zip that is the same whenever it is made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in done.files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            packed.writestr(info, text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _write(place: Place, data: bytes, *, force: bool) -> str:
    if not force and place.exists():
        raise RowsError(f"{place} is there already; --force writes over it")
    write_bytes(place, [data], make_folder=True)
    return str(place)
