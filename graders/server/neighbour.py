"""Whom this machine is shared with, and whose a connection on it is.

Every user of a machine reaches its loopback. On Linux the kernel says whose socket is at the other
end, so that the server's own user needs no token where others do.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from graders.server.option import ServeOptions

__all__ = ["can_tell", "is_own", "others", "trusts_of"]

_FIRST_LOGIN: Final = 1000
_NOBODY: Final = 65534
_NO_SHELLS: Final = ("nologin", "false", "sync", "halt", "shutdown")
_SHOWN: Final = 3

_SOCK_DIAG: Final = (
    4  # NETLINK_SOCK_DIAG, and the one request and answer it has (linux/sock_diag.h).
)
_BY_FAMILY: Final = 20
_REQUEST: Final = 1


def others() -> str | None:
    """Return who besides this user can reach the loopback, in words; None where nobody seems to."""
    if os.name == "nt":
        return None
    import pwd  # noqa: PLC0415  (not on Windows)

    names = [
        one.pw_name
        for one in pwd.getpwall()
        if one.pw_uid >= _FIRST_LOGIN
        and one.pw_uid not in (_NOBODY, os.geteuid())
        and Path(one.pw_shell).name not in _NO_SHELLS
    ]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        word = "users" if len(names) > 1 else "user"
        return f"other {word} of this machine ({', '.join(names[:_SHOWN])}{more})"
    for one in Path("/proc/sys/net/ipv4/conf").glob("*/route_localnet"):
        try:
            routed = one.read_text().strip() == "1"
        except OSError:
            continue
        if routed:
            return f"machines of its network ({one.parent.name} routes to the loopback)"
    return None


def trusts_of(options: ServeOptions) -> Callable[[socket.socket], bool]:
    """Return whether a connection needs no token, as the options have it."""
    if not options.token:
        return lambda _: True
    return is_own if options.trusts_own else lambda _: False


def can_tell() -> bool:
    """Whether this machine says whose a connection is."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname(), timeout=5),
        ):
            connected, _ = listening.accept()
            with connected:
                return is_own(connected)
    except OSError:
        return False


def is_own(connected: socket.socket) -> bool:
    """Whether the socket at the other end of a loopback connection is this user's."""
    try:
        return _user_at(connected.getpeername(), connected.getsockname()) == os.geteuid()
    except (OSError, struct.error, AttributeError, ValueError):
        return False


def _user_at(address: tuple[str, int], other: tuple[str, int]) -> int | None:
    """Return the uid of the socket that is connected from one address to another.

    None where there is none, or nobody holds it any more: the kernel says 0 then, which is root.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    packed = [socket.inet_pton(family, one[0]).ljust(16, b"\0") for one in (address, other)]
    wanted = struct.pack("!HH16s16s", address[1], other[1], *packed)
    wanted += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # Any interface, any cookie.
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + wanted
    head = struct.pack("=IHHII", 16 + len(body), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asked:
        asked.settimeout(1)
        asked.send(head + body)
        answer = asked.recv(8192)
    _, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
    if kind != _BY_FAMILY or answer[20:56] != wanted[:36]:
        return None
    user, inode = struct.unpack_from("=II", answer, 16 + 64)
    return user if inode else None
