"""Running the server: its socket, its signals, its end."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import uvicorn

from graders.errors import OptionError
from graders.server.app import create_app
from graders.server.log import Log
from graders.server.option import ServeOptions
from graders.server.protocol import guarded

__all__ = ["serve"]


class _Lines(logging.Handler):
    """Writes what uvicorn has to say as lines of our log; of an exception only where it arose."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if "WebSocket" in record.msg or "upgrade" in record.msg:
            return  # There are none here, and none are missed.
        frames = None
        if record.exc_info and record.exc_info[2] is not None:
            frames = traceback.format_tb(record.exc_info[2])[-3:]
        self._log.write(
            "server", record.levelname.lower(), message=record.getMessage(), frames=frames
        )


class _Server(uvicorn.Server):
    """A server that ends quietly when it is told to."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for known, handler in before.items():
                signal.signal(known, handler)


def serve(options: ServeOptions, log: Log | None = None) -> None:
    """Serve until told to stop by SIGINT or SIGTERM; requests under way are answered first.

    Raises:
        OptionError: the address cannot be listened on.
        GradersError: the data folder cannot be used.
    """
    log = log or Log(texts=options.log_texts, form=options.log_form)
    _allow_files(options.limits.connections)
    listening = _listen(options)
    with contextlib.closing(listening):
        app = create_app(options, log)
        config = uvicorn.Config(
            app,
            http=guarded(options.limits),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=round(options.limits.shutdown_seconds),
            h11_max_incomplete_event_size=64 << 10,
        )
        for name in ("uvicorn.error", "asyncio"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [_Lines(log)], False
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        log.write("listening", url=f"http://{shown}:{port}", data_dir=str(options.data_dir))
        _Server(config).run(sockets=[listening])
        log.write("stopped")


def _listen(options: ServeOptions) -> socket.socket:
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, for asyncio answers without delay only where it is.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, options.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise OptionError(
            f"{options.host}:{options.port} cannot be listened on: {reason}; "
            "name another by --host and --port (0 is any free port)"
        ) from None
    return listening


def _allow_files(connections: int) -> None:
    """Let this process have as many files open as it may have connections, and some."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
