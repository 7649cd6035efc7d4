"""How the server is run, as its caller says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from graders.errors import OptionError
from graders.models import JudgeOptions
from graders.sandbox import PythonOptions
from graders.server.log import LogForm

__all__ = ["Limits", "ServeOptions", "is_loopback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may take.

    Attributes:
        body_bytes: the longest JSON body.
        file_bytes: the largest uploaded file.
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
    """

    body_bytes: int = 4 << 20
    file_bytes: int = 512 << 20
    stored_bytes: int = 16 << 30
    requests: int = 1024
    connections: int = 2048
    header_seconds: float = 10.0
    body_seconds: float = 20.0
    write_seconds: float = 20.0
    metric_seconds: float = 20.0
    request_seconds: float = 310.0
    overdue_seconds: float = 20.0
    shutdown_seconds: float = 20.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} is more than 0, got {getattr(self, name)}")


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
        processes: processes for metrics and formulas.
        jobs: jobs that run at the same time; 0 for none.
        log_texts: whether the log shows what requests hold.
        log_form: `json` for machines, `text` for people.
        python: how python graders are run.
        judge: how model graders are asked.
        rollout_url: where jobs get samples that their rows do not record; None for nowhere.
        rollout_model: the model asked there; None for the job's own.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    token: str = field(default="", repr=False)
    trusts_own: bool = False
    unix_socket: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    processes: int = 2
    jobs: int = 1
    log_texts: bool = False
    log_form: LogForm = "json"
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    rollout_url: str | None = None
    rollout_model: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port is from 0 to 65535, got {self.port}")
        if self.processes < 1 or self.jobs < 0:
            raise OptionError(
                f"processes is at least 1 and jobs at least 0, got {self.processes} and {self.jobs}"
            )
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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
