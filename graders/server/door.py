"""Letting connections in, one listening socket for all; never more than this process has room for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final

from graders.errors import OptionError
from graders.server.log import Log
from graders.server.option import ServeOptions
from graders.server.places import GUESTS, Places, client_of
from graders.server.protocol import Guarded

__all__ = ["Door", "Room", "room_for"]

_AT_ONCE: Final = 16
_MOST_AT_ONCE: Final = 256
_PAUSE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 1.0
_FEWEST: Final = 16
_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Make = Callable[[str, socket.socket], Guarded]
"""Makes the protocol of a connection to a peer."""


class Room:
    """What this process may have open.

    Attributes:
        connections: how many connections at once; each may hold a file besides.
        threads: how many threads work on the store, with a connection to its database each.
        files: the limit that both come from.
        at_once: how many connections are let in before those closed for them are gone.
    """

    def __init__(
        self, connections: int, threads: int, files: int = 0, at_once: int = _MOST_AT_ONCE
    ) -> None:
        self.connections, self.threads, self.files = connections, threads, files
        self.at_once = at_once


def room_for(options: ServeOptions) -> Room:
    """Raise this process's limit on open files as far as it goes, and share it out.

    The store comes first: it has to take what it is given, whoever connects.

    Raises:
        OptionError: the limit is too low to serve anybody.
    """
    wanted = options.limits.connections
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return Room(wanted, 40)
    own = 48 + 4 * (options.grading_processes + 1) + 8 * options.jobs + GUESTS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = own + _MOST_AT_ONCE + 6 * 40 + 2 * wanted
    if soft < enough and soft != resource.RLIM_INFINITY:
        most = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if soft == resource.RLIM_INFINITY:
        return Room(wanted, 40)
    at_once = min(max(soft // 16, _AT_ONCE), _MOST_AT_ONCE)
    own += at_once
    threads = min(max((soft - own) // 24, 4), 40)
    connections = min(wanted, (soft - own - 6 * threads) // 2)
    if connections < min(_FEWEST, wanted):
        least = own + 6 * 4 + 2 * _FEWEST
        raise OptionError(
            f"this process may have {soft} files open, too few to serve; raise the limit to "
            f"{least} at least, such as by: ulimit -n 1024"
        )
    return Room(connections, threads, soft, at_once)


class Door:
    """Accepts connections and looks after them. Opened and closed in a running loop.

    Args:
        listening: where they come in.
        places: what they get.
        make: makes a connection's protocol.
        log: writes down.
        room: what this process may have open.
    """

    def __init__(
        self,
        *,
        listening: socket.socket,
        places: Places,
        make: Make,
        log: Log,
        room: Room,
    ) -> None:
        self._listening, self._places, self._make = listening, places, make
        self._log, self._room = log, room
        self._told = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """Begin to let connections in."""
        self._listening.setblocking(False)
        self._accepting = self._loop.create_task(self._accept())
        self._looking = self._loop.create_task(self._look())

    async def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting

    def stop(self) -> None:
        """Look after nobody any more."""
        self._looking.cancel()

    async def _accept(self) -> None:
        while True:
            for _ in range(self._room.at_once):
                try:
                    connected, address = await self._loop.sock_accept(self._listening)
                except ConnectionAbortedError:
                    continue
                except OSError as error:
                    await self._pause(error)
                    break
                connected.setblocking(False)
                self._let_in(connected, address)
            await asyncio.sleep(0)  # Those who are in have a turn, however many knock.

    def _let_in(self, connected: socket.socket, address: object) -> None:
        one = self._make(client_of(address), connected)
        if not self._places.admit(one):
            connected.close()
            said = "connections were closed at once: all places are at work"
            self._log.seldom(said, "server", "warning", seconds=1.0, message=said)
            return
        task = self._loop.create_task(self._connect(one, connected))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, one: Guarded, connected: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: one, connected)
        except (OSError, ValueError):
            self._places.remove(one)
            connected.close()

    async def _pause(self, error: OSError) -> None:
        """Wait a moment where the system has nothing left, and let go of who waits longest."""
        if error.errno in _SCARCE:
            for _ in range(_AT_ONCE):
                self._places.close_longest()
        reason = error.strerror or str(error)
        said = (
            f"connections cannot be accepted: {reason} (limit on open files: {self._room.files:,})"
        )
        self._log.seldom(said, "server", "error", seconds=1.0, message=said)
        await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for one in self._places:
                one.look()
            if closed := self._places.closed - self._told:
                self._told += closed
                said = "closed for others, for their clients kept the server waiting longest"
                self._log.write("places", "warning", message=said, connections=closed)
