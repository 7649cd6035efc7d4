"""`graders serve`: hosted-compatible endpoints and the playground page."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import click

from graders.api import Grader, JudgeOptions, PythonOptions, Reading
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options
from graders.cli.option import (
    Read,
    data_dir_option,
    flags,
    flags_of,
    python_options,
    reading_options,
    rollout_options,
)
from graders.cli.output import say
from graders.cli.train import train_options
from graders.config import Loaded, load_source
from graders.errors import OptionError, UnavailableError
from graders.privacy import close_to_others, private_file, private_folder
from graders.server.option import RequestLimits, ServeOptions, is_loopback
from graders.wire.endpoint import secret_of

__all__ = ["serve"]

_EPILOG = """\b
Examples:
  graders serve
  graders serve --port 8123 --base-url http://127.0.0.1:8080/v1
  graders serve --host 0.0.0.0 --token-file token.txt
  graders serve --grader answer=grader.json --failed 0
\b
Then point a client at it, and change nothing else:
  OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="-")"""


def _named_path(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ValueError(f"{text!r} is not NAME=PATH, such as answer=grader.json")
    return name, path


_NEEDED = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


@click.command(
    cls=Command,
    first=("host", "port", "data_dir", "token_file", "unix_socket", "graders", "base_url", "model_map", "rollout_url", "record"),
    epilog=_EPILOG, short_help="Serve the hosted endpoints and a playground page.",
)  # fmt: skip
@flags(ServeOptions, "host", "port")
@data_dir_option
@click.option(
    "--token-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="File with the token that requests must carry.  [default: $GRADERS_SERVER_TOKEN]",
    cls=Flag,
    group="Server",
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Demand none, though other users of this machine can reach the server.",
    cls=Flag,
    group="Server",
)
@flags(ServeOptions, "unix_socket")
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name by which this server is called; may be given several times.",
    cls=Flag,
    group="Server",
)
@flags_of("limits", RequestLimits)
@click.option(
    "--grader",
    "graders",
    multiple=True,
    type=Read("NAME=PATH", _named_path),
    help="Give trainers this grader's rewards, at /v1/rewards; may be given several times.",
    cls=Flag,
    group="Server",
)
@flags(ServeOptions, "failed", "processes", "jobs", "target", "record")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="Lines of the log; auto is text on a terminal, else JSON.",
    cls=Flag,
    group="Server",
)
@flags(ServeOptions, "log_texts")
@train_options
@rollout_options
@reading_options
@python_options
@judge_options
def serve(
    *,
    data_dir: Path,
    token_file: Path | None,
    no_token: bool,
    log_format: str,
    graders: tuple[tuple[str, str], ...],
    **said: Any,
) -> int:
    """Serve graders.run, graders.validate, files and fine-tuning jobs as the hosted API does.

    Jobs are dry runs: their rollouts are graded, nothing is trained; with --train they train models
    of yours. The page at / is a playground for graders. How configs are read (--dialect and the like) is said for those of
    --grader alone. The log goes to standard error.
    """
    for name in _NEEDED:
        if find_spec(name) is None:
            raise UnavailableError(
                f"graders serve needs {name.replace('_', '-')}: pip install 'local-graders[server]'"
            )
    from graders.server.run import serve as run_server  # noqa: PLC0415  (an extra)

    said["graders"] = _read(graders, said["reading"], said["python"], said["judge"])
    form = _log_form(log_format)
    token, own = _token(token_file), False
    if not (token or no_token or said["unix_socket"]) and is_loopback(said["host"]):
        token, own = _token_for_others(data_dir, form)
    options = ServeOptions(data_dir=data_dir, token=token, trusts_own=own, log_form=form, **said)
    if options.log_texts:
        _tell("warning: the log shows what requests hold", form)
    run_server(options)
    return 0


def _read(
    graders: Sequence[tuple[str, str]],
    reading: Reading,
    python: PythonOptions,
    judge: JudgeOptions,
) -> dict[str, Loaded]:
    """Return the graders of files, each tried once: a faulty one ends the server before it begins."""
    from graders.server.reward import served as known_of  # noqa: PLC0415  (an extra)

    found: dict[str, Loaded] = {}
    for name, path in graders:
        if name in found:
            raise OptionError(f"--grader names {name} twice: each grader has a name of its own")
        found[name] = load_source(path, dialect=reading.dialect)
        with Grader(found[name], reading=reading, python=python, judge=judge) as ready:
            ready.check()
            ready.prepare()
            for note in ready.notes():
                say(f"{name}: {note}")
    known_of(found, reading)
    return found


def _log_form(chosen: str) -> Literal["json", "text"]:
    if chosen == "auto":
        return "text" if sys.stderr.isatty() else "json"
    return "text" if chosen == "text" else "json"


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("GRADERS_SERVER_TOKEN", "").strip()
    return secret_of(file, "token file")


def _tell(text: str, form: Literal["json", "text"]) -> None:
    """Say something before the log begins, in the log's own form."""
    from graders.server.log import Log  # noqa: PLC0415  (an extra)

    if form == "json":
        Log().write("notice", "warning", message=text)
    else:
        say(text)


def _token_for_others(folder: Path, form: Literal["json", "text"]) -> tuple[str, bool]:
    """Return a token, where other users can reach this machine's loopback, and whom it is for.

    It is made once and kept in the data folder.

    Returns:
        The token, "" where nobody else is seen, and whether this user's connections need none.
    """
    from graders.server.neighbour import can_tell, others  # noqa: PLC0415  (an extra)

    who = others()
    if who is None:
        return "", False
    file = folder / "token"
    try:
        private_folder(folder)
        if private_file(file):
            file.write_text(secrets.token_urlsafe() + "\n", encoding="ascii")
        close_to_others(file)
    except OSError as error:
        raise OptionError(f"{file} cannot be written: {error.strerror or error}") from None
    own = can_tell()
    needed = "their requests have to carry" if own else "every request has to carry"
    _tell(
        f"{who} can reach 127.0.0.1, so {needed} the token in {file} (--unix-socket is another "
        "way to keep them out; --no-token lets them read and change everything)",
        form,
    )
    return _token(file), own
