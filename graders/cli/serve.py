"""`graders serve`: hosted-compatible endpoints and the playground page."""

from __future__ import annotations

import os
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click

from graders.cli.judge import judge_options
from graders.cli.option import byte_size, data_dir_option, python_options, rollout_options
from graders.cli.output import say
from graders.errors import OptionError, UnavailableError
from graders.models import JudgeOptions
from graders.privacy import close_to_others, private_file, private_folder
from graders.sandbox import PythonOptions
from graders.wire.endpoint import secret_of

__all__ = ["serve"]

_EPILOG = """\b
Examples:
  graders serve
  graders serve --port 8123 --data-dir ./jobs --base-url http://127.0.0.1:8080/v1
  graders serve --host 0.0.0.0 --token-file token.txt
\b
Then point a client at it, and change nothing else:
  OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="-")"""

_NEEDED = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


@click.command(epilog=_EPILOG, short_help="Serve the hosted endpoints and a playground page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for any that is free.",
)
@data_dir_option
@click.option(
    "--token-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="File with the token that requests must carry.  [default: $GRADERS_SERVER_TOKEN]",
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Demand none, though other users of this machine can reach the server.",
)
@click.option(
    "--unix-socket",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Listen on a socket that only this user can open, in place of host and port.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name by which this server is called; may be given several times.",
)
@click.option(
    "--max-body",
    type=byte_size,
    default="4M",
    show_default=True,
    help="Longest JSON body of a request.",
)
@click.option(
    "--max-file", type=byte_size, default="512M", show_default=True, help="Largest uploaded file."
)
@click.option(
    "--max-stored",
    type=byte_size,
    default="16G",
    show_default=True,
    help="What all files and jobs may take on the disk; one more upload is refused.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    metavar="N",
    help="Grading requests under way or waiting; one more is answered with 429.",
)
@click.option(
    "--metric-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for one request's metrics and formula.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=310.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for one request with python graders or judges.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes for metrics.  [default: the cores]",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Fine-tuning jobs dry-run at the same time; 0 for none.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="Lines of the log; auto is text on a terminal, else JSON.",
)
@click.option("--log-texts", is_flag=True, help="Let the log show what requests hold.")
@rollout_options
@python_options
@judge_options
def serve(
    *,
    host: str,
    port: int,
    data_dir: Path,
    token_file: Path | None,
    no_token: bool,
    unix_socket: Path | None,
    allowed_hosts: tuple[str, ...],
    max_body: int,
    max_file: int,
    max_stored: int,
    max_requests: int,
    metric_timeout: float,
    timeout: float,
    processes: int | None,
    jobs: int,
    log_format: str,
    log_texts: bool,
    rollout_url: str | None,
    rollout_model: str | None,
    python: PythonOptions,
    judge: JudgeOptions,
) -> int:
    """Serve graders.run, graders.validate, files and fine-tuning jobs as the hosted API does.

    Jobs are dry runs: their rollouts are graded, nothing is trained. The page at / is a
    playground for graders. The log goes to standard error.
    """
    for name in _NEEDED:
        if find_spec(name) is None:
            raise UnavailableError(
                f"graders serve needs {name.replace('_', '-')}: pip install 'local-graders[server]'"
            )
    from graders.server.option import Limits, ServeOptions, is_loopback  # noqa: PLC0415  (an extra)
    from graders.server.run import serve as run_server  # noqa: PLC0415  (an extra)

    form = _log_form(log_format)
    token, own = _token(token_file), False
    if not (token or no_token or unix_socket) and is_loopback(host):
        token, own = _token_for_others(data_dir, form)
    options = ServeOptions(
        data_dir=data_dir, host=host, port=port, token=token, trusts_own=own,
        unix_socket=unix_socket, allowed_hosts=allowed_hosts, processes=processes or os.cpu_count() or 1, jobs=jobs,
        log_texts=log_texts, log_form=form, python=python, judge=judge,
        rollout_url=rollout_url, rollout_model=rollout_model,
        limits=Limits(
            body_bytes=max_body, file_bytes=max_file, stored_bytes=max_stored,
            requests=max_requests,
            metric_seconds=metric_timeout, request_seconds=timeout,
        ),
    )  # fmt: skip
    if log_texts:
        _tell("warning: the log shows what requests hold", form)
    run_server(options)
    return 0


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
