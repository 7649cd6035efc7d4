"""Running the server: its socket, its signals, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import stat
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from anyio import to_thread

from graders.errors import OptionError
from graders.sandbox import check_held, lacks
from graders.server.app import create_app
from graders.server.door import Door, Room, room_for
from graders.server.log import Log
from graders.server.neighbour import trusts_of
from graders.server.option import ServeOptions
from graders.server.places import Places
from graders.server.protocol import Guarded

__all__ = ["serve"]


class _Lines(logging.Handler):
    """Writes what uvicorn has to say as lines of our log; of an exception only where it arose."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if any(one in record.msg for one in ("WebSocket", "upgrade", "CancelledError")):
            return  # There are none here, and none are missed; told twice to end, it leaves all as it is.
        frames = None
        if record.exc_info and record.exc_info[2] is not None:
            frames = traceback.format_tb(record.exc_info[2])[-3:]
        level, message = record.levelname.lower(), record.getMessage()
        self._log.seldom(record.msg, "server", level, seconds=1.0, message=message, frames=frames)


class _Server(uvicorn.Server):
    """A server with a door of its own, that ends quietly when it is told to."""

    def __init__(
        self,
        config: uvicorn.Config,
        options: ServeOptions,
        log: Log,
        listening: socket.socket,
        room: Room,
    ) -> None:
        super().__init__(config)
        self._options, self._log, self._room = options, log, room
        self._listening = listening
        self._door: Door | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as any, but let connections in by a door that counts them."""
        del sockets
        to_thread.current_default_thread_limiter().total_tokens = self._room.threads
        await super().startup(sockets=[])  # Its own way in logs a thousand times what it lacks.
        places, trusts = Places(self._room.connections), trusts_of(self._options)

        def make(peer: str, connected: socket.socket) -> Guarded:
            return Guarded(
                limits=self._options.limits, places=places, peer=peer, trusted=trusts(connected),
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state,
            )  # fmt: skip

        self._door = Door(
            listening=self._listening, places=places, make=make, log=self._log,
            room=self._room,
        )  # fmt: skip
        self._door.open()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End when all are answered, soon where somebody sits there and waits; at once when told again."""
        if sig == signal.SIGINT:
            left = self._options.limits.interrupt_seconds
            self.config.timeout_graceful_shutdown = round(
                min(left, self._options.limits.shutdown_seconds)
            )
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, and end when all are answered."""
        del sockets
        if self.server_state.tasks and not self.force_exit:
            seconds = self.config.timeout_graceful_shutdown
            says = f"requests under way have {seconds} seconds to be answered; Ctrl-C again ends at once"
            self._log.write("stopping", requests=len(self.server_state.tasks), message=says)
        if self._door is not None:
            await self._door.close()
        await super().shutdown(sockets=[self._listening])
        if self._door is not None:
            self._door.stop()

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
        UnavailableError: python graders are to be held at a level that this machine does not give.
        GradersError: the data folder cannot be used.
    """
    log = log or Log(texts=options.log_texts, form=options.log_form)
    check_held(options.python)
    room = room_for(options)
    listening = _listen(options)
    with contextlib.closing(listening):
        app = create_app(options, log)
        config = uvicorn.Config(
            app,
            loop="asyncio",  # uvloop, where trainers brought it, cannot start processes as ours are.
            http="h11",
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
        # What is wrong with a form is said in the answer; the parser's lines would stand in no form.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        log.write(
            "listening", **_address(options, listening), data_dir=str(options.data_dir),
            graders=", ".join(options.graders) or None,
        )  # fmt: skip
        threading.Thread(target=_tell_lacks, args=(options, log), daemon=True).start()
        _Server(config, options, log, listening, room).run()
        if options.unix_socket is not None:
            options.unix_socket.unlink(missing_ok=True)
        log.write("stopped")


def _tell_lacks(options: ServeOptions, log: Log) -> None:
    """Say what python graders lack here; what is tried for that takes a moment, for which nobody waits."""
    for one in lacks(options.python):
        log.write("sandbox", "warning", lacks=one)


def _address(options: ServeOptions, listening: socket.socket) -> dict[str, str]:
    if options.unix_socket is not None:
        return {"unix_socket": str(options.unix_socket)}
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return {"url": f"http://{shown}:{port}"}


def _listen(options: ServeOptions) -> socket.socket:
    if options.unix_socket is not None:
        return _listen_beside(options.unix_socket)
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


def _listen_beside(path: Path) -> socket.socket:
    """Listen on a socket in the file system that only this user can connect to."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode) and not _is_answered(path):
                path.unlink()  # Of a server that was killed.
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise OptionError(f"{path} cannot be listened on: {reason}; name another path") from None
    return listening


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        try:
            asked.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
