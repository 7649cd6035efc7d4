"""Writing to standard output and error, whatever stands behind them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, TypeVar

from graders import jsontext
from graders.errors import RowsError
from graders.remote import Place, Remote, whole

__all__ = [
    "abandon_stdout", "as_wide_as", "prepare_streams", "progress_bar", "say", "say_notes",
    "write_bytes", "write_file", "write_json", "write_lines",
]  # fmt: skip

Now = TypeVar("Now")


def prepare_streams() -> bool:
    """Make the standard streams fit to be written; return whether there is a standard output.

    A terminal that cannot show a character gets its escape. A closed input is empty, a closed error
    stream swallows what is said.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  (for the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return sys.stdout is not None


def write_json(body: Any, stream: IO[str] | None = None) -> None:
    """Write a JSON value and a newline, in UTF-8 whatever the terminal's encoding."""
    stream = sys.stdout if stream is None else stream
    data = jsontext.encode(body, indent=True) + b"\n"
    if hasattr(stream, "buffer"):
        stream.flush()
        stream.buffer.write(data)
    else:
        stream.write(data.decode())


def write_file(place: Place, body: Any) -> None:
    """Write a JSON value to a file, here or elsewhere.

    Raises:
        RowsError: it cannot be written.
    """
    write_bytes(place, [jsontext.encode(body, indent=True) + b"\n"])


def write_bytes(place: Place, content: Iterable[bytes], *, make_folder: bool = False) -> None:
    """Write a file, here or elsewhere, whole or not at all.

    Args:
        place: the file.
        content: what it is to hold, in pieces.
        make_folder: make the folder that it stands in, too.

    Raises:
        RowsError: it cannot be written.
    """
    try:
        if make_folder and not isinstance(place, Remote):
            place.parent.mkdir(parents=True, exist_ok=True)
        with whole(place) as stream:
            stream.writelines(content)
    except OSError as error:
        raise RowsError(f"{place}: cannot be written: {error.strerror or error}") from None


def as_wide_as(stream: IO[str], text: str, otherwise: int | None = None) -> str:
    """Return a text for people, wrapped to the width of a stream's terminal.

    Args:
        stream: where it goes.
        text: of one line or several.
        otherwise: the width where nobody looks and `COLUMNS` does not say one; None for lines as
            they are, as logs want them.
    """
    width = _width(stream) or otherwise
    if (
        width is None or 2 * max(map(len, text.split("\n"))) <= width
    ):  # No character has more than two.
        return text
    from graders.report.text import wrapped  # noqa: PLC0415  (rich)

    return "\n".join(wrapped(text, width))


def _width(stream: IO[str]) -> int | None:
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (AttributeError, OSError, ValueError):  # No terminal, or no file.
        return None


def write_lines(lines: Iterable[str], stream: IO[str]) -> None:
    """Write lines for people, each as wide as the terminal, or as most terminals are."""
    for line in lines:
        stream.write(as_wide_as(stream, line, 80) + "\n")


def say(message: str) -> None:
    """Say one thing on standard error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(as_wide_as(sys.stderr, f"graders: {message}") + "\n")
        sys.stderr.flush()


def say_notes(notes: Iterable[str]) -> None:
    """Say what is as nobody may expect, on standard error."""
    for note in notes:
        say(f"note: {note}")


def abandon_stdout() -> None:
    """Let nothing more be written to a standard output that takes nothing more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def progress_bar(
    what: str, told: Callable[[Now], Mapping[str, Any]]
) -> Iterator[Callable[[Now], None] | None]:
    """Show a bar on standard error, and give what moves it on; None where nobody looks.

    Args:
        what: what is going on, until more is known.
        told: returns total, completed and description of the bar.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn("{task.description}"), bars.BarColumn(bar_width=20),
        bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda now: shown.update(task, **told(now))
