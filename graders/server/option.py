"""How the server is run, as its caller says it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from graders.config import Loaded
from graders.errors import OptionError
from graders.inspection.lint import Target
from graders.models import JudgeOptions, RolloutOptions
from graders.option import check, option
from graders.reading import Reading
from graders.sandbox import PythonOptions
from graders.server.log import LogForm
from graders.training import TrainingOptions

__all__ = ["RequestLimits", "ServeOptions", "is_loopback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one request, and all of them together, may take.

    Attributes:
        body_bytes: the longest JSON body.
        file_bytes: the largest uploaded file.
        rows: rows of one request for rewards.
        requests: grading requests that are under way or wait; one more is answered with 429.
        connections: open connections; for one more, that is closed whose client keeps the server
            waiting longest.
        stored_bytes: what files, parts of files and the database may take together.
        header_seconds: time for a request's head to arrive.
        body_seconds: time for a JSON body to arrive; an upload needs 64 kB in each such time.
        write_seconds: time for a client to take 64 kB of its answer, or the rest of it.
        metric_seconds: time for string checks, text metrics and formulas of one request.
        request_seconds: time for one request, with python graders and judges.
        overdue_seconds: how long work may go on for a request that is over, until another process
            takes the place of the one that does so.
        shutdown_seconds: time for requests under way when the server is told to stop.
        interrupt_seconds: the same where it is told so by Ctrl-C.
    """

    body_bytes: int = option(
        4 << 20,
        "Longest JSON body of a request.",
        name="max_body",
        unit="bytes",
        above=0,
        group="Server",
    )
    file_bytes: int = option(
        512 << 20, "Largest uploaded file.", name="max_file", unit="bytes", above=0, group="Server"
    )
    stored_bytes: int = option(
        16 << 30, "What all files and jobs may take on the disk; one more upload is refused.",
        name="max_stored", unit="bytes", above=0, group="Server",
    )  # fmt: skip
    rows: int = option(
        1024,
        "Rows of one request for rewards.",
        name="max_rows",
        metavar="N",
        least=1,
        group="Server",
    )
    requests: int = option(
        1024, "Grading requests under way or waiting; one more is answered with 429.",
        name="max_requests", metavar="N", least=1, group="Server",
    )  # fmt: skip
    connections: int = option(2048, least=1, flag=False)
    header_seconds: float = option(10.0, unit="seconds", above=0, flag=False)
    body_seconds: float = option(20.0, unit="seconds", above=0, flag=False)
    write_seconds: float = option(20.0, unit="seconds", above=0, flag=False)
    metric_seconds: float = option(
        20.0, "Time for one request's metrics and formula.",
        name="metric_timeout", metavar="SECONDS", unit="seconds", above=0, group="Server",
    )  # fmt: skip
    request_seconds: float = option(
        310.0, "Time for one request with python graders or judges.",
        name="timeout", metavar="SECONDS", unit="seconds", above=0, group="Server",
    )  # fmt: skip
    overdue_seconds: float = option(20.0, unit="seconds", above=0, flag=False)
    shutdown_seconds: float = option(20.0, unit="seconds", above=0, flag=False)
    interrupt_seconds: float = option(4.0, unit="seconds", above=0, flag=False)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How the server is run.

    Attributes:
        data_dir: the folder of files and jobs.
        host: the address to listen on; one that others can reach demands a token.
        port: the port; 0 for any that is free.
        token: what requests carry as `Authorization: Bearer` or `api-key`; "" for no token.
        trusts_own: whether connections of this process's own user need no token.
        unix_socket: the path of a socket to listen on in place of host and port; None for those.
        allowed_hosts: further names by which browsers and clients may call this server.
        limits: what requests may take.
        processes: processes for metrics and formulas; None for as many as there are cores.
        jobs: jobs that run at the same time; 0 for none.
        target: the service whose rules the verdicts of jobs count; `local` for none's.
        graders: graders whose rewards can be asked for, by name.
        reading: how those are read.
        failed: what rows without a reward get, in forms that know none without; None for an error.
        record: whether chat completions and responses are passed on to the model server, and recorded.
        log_texts: whether the log shows what requests hold.
        log_form: `json` for machines, `text` for people.
        python: how python graders are run.
        judge: how model graders are asked.
        rollout: where jobs get samples that their rows do not record.
        training: how jobs are trained; None where they are dry runs.
    """

    data_dir: Path
    host: str = option("127.0.0.1", "Address to listen on.", group="Server")
    port: int = option(
        8000, "Port to listen on; 0 for any that is free.", least=0, most=65535, group="Server"
    )
    token: str = field(default="", repr=False)
    trusts_own: bool = False
    unix_socket: Path | None = option(
        None, "Listen on a socket that only this user can open, in place of host and port.",
        metavar="PATH", group="Server",
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] = ()
    limits: RequestLimits = field(default_factory=RequestLimits)
    processes: int | None = option(
        None, "Processes for metrics.  [default: the cores]", metavar="N", least=1, group="Server"
    )
    jobs: int = option(
        1,
        "Fine-tuning jobs dry-run at the same time; 0 for none.",
        metavar="N",
        least=0,
        group="Server",
    )
    target: Target = option(
        "local", "Service whose rules the verdicts of jobs count.", group="Checks"
    )
    graders: Mapping[str, Loaded] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    failed: float | None = option(
        None,
        "What a row without a reward gets where a trainer wants a number.  [default: an error]",
        metavar="NUMBER",
        group="Server",
    )
    record: bool = option(
        False,
        "Pass /v1/chat/completions and /v1/responses on to the model server, and record them for evals.",
        group="Server",
    )
    log_texts: bool = option(False, "Let the log show what requests hold.", group="Server")
    log_form: LogForm = "json"
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    rollout: RolloutOptions = field(default_factory=RolloutOptions)
    training: TrainingOptions | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.failed is not None and not math.isfinite(self.failed):
            raise OptionError(f"failed is a finite number, got {self.failed}")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise OptionError("the token holds characters that no header can carry")
        if self.token and len(self.token) < 16:
            raise OptionError(
                "the token is shorter than 16 characters; make one by: "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if not self.token and not is_loopback(self.host):
            raise OptionError(
                f"{self.host} can be reached from other machines: give a token by --token-file or "
                "GRADERS_SERVER_TOKEN, or listen on 127.0.0.1"
            )

    @property
    def grading_processes(self) -> int:
        """Processes for metrics and formulas."""
        return self.processes or os.cpu_count() or 1


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
