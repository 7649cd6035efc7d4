"""Places at the server: who has one, who loses it, and what nobody can hold for long."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.server.places import GUESTS, Places, client_of
from tests.server.process import BEARER, TOKEN, Serving
from tests.server.test_grader import ITEM, PYTHON
from tests.waiting import PATIENCE, children_of, is_gone, until

PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class One:
    """A connection that notes whether it was closed."""

    def __init__(self, peer: str = "a", *, known: bool = False) -> None:
        self.peer, self.known, self.guest, self.left = peer, known, False, False

    def leave(self) -> None:
        self.left = True

    def look(self) -> None: ...


def come(places: Places, *ones: One, waits: bool = True) -> list[bool]:
    found = []
    for one in ones:
        found.append(places.admit(one))
        if not waits:
            places.work_for(one)
    return found


def test_a_client_without_a_token_loses_its_own_places() -> None:
    places = Places(64)
    others = [One("b"), One("c", known=True)]
    come(places, *others)
    mine = [One("a") for _ in range(200)]
    assert all(come(places, *mine))
    assert [one.left for one in mine] == [True] * 184 + [False] * 16
    assert not any(one.left for one in others)


def test_of_many_that_come_at_once_none_keeps_the_next_out() -> None:
    """None of them has a word to say yet, and none is looked after before all are in."""
    places = Places(16)
    assert all(places.admit(One(f"{n % 40}")) for n in range(400))
    honest = One("b", known=True)
    assert places.admit(honest)
    assert not honest.guest
    assert not honest.left


def test_strangers_of_many_addresses_have_half_of_all_places() -> None:
    places = Places(64)
    holders = [One("x", known=True) for _ in range(30)]
    come(places, *holders)
    strangers = [One(f"s{n}") for n in range(500)]
    assert all(come(places, *strangers))
    assert [one.left for one in strangers] == [True] * 468 + [False] * 32
    assert not any(one.left for one in holders)


def test_whoever_is_waited_for_longest_goes_first_and_work_never() -> None:
    places = Places(8)
    at_work = [One(known=True) for _ in range(6)]
    come(places, *at_work, waits=False)
    first, second = One(known=True), One(known=True)
    come(places, first, second)
    places.wait_for(first)  # It has sent a request since.
    come(places, One(known=True))
    assert (first.left, second.left) == (False, True)
    assert not any(one.left for one in at_work)


def test_where_all_are_at_work_few_may_ask_after_health() -> None:
    places = Places(4)
    come(places, *(One(known=True) for _ in range(4)), waits=False)
    guests = [One(known=True) for _ in range(GUESTS + 3)]
    assert all(come(places, *guests))
    assert all(one.guest for one in guests)
    assert [one.left for one in guests] == [True] * 3 + [False] * GUESTS
    assert len(places) == 4 + GUESTS
    for one in guests[3:]:
        places.work_for(one)
    assert come(places, One(known=True)) == [False]


def test_a_guest_that_shows_the_token_is_one_no_more_where_there_is_room() -> None:
    places = Places(16)
    come(places, *(One(f"{n}") for n in range(places.strangers)), waits=False)
    guest, other = One("x"), One("x")
    come(places, guest, other)
    assert guest.guest
    places.know(guest)
    assert (guest.guest, guest.known, other.guest) == (False, True, True)


def test_a_token_takes_a_connection_out_of_the_strangers_share() -> None:
    places = Places(16)
    ones = [One() for _ in range(4)]
    come(places, *ones)
    for one in ones:
        places.know(one)
    come(places, *(One() for _ in range(50)))
    assert not any(one.left for one in ones)
    for one in ones:
        places.remove(one)
    assert len(places) == places.each


@pytest.mark.parametrize(
    ("address", "client"),
    [(("127.0.0.1", 1), "loopback"), (("::1", 1, 0, 0), "loopback"), ("", "loopback"),
     (("::ffff:127.0.0.1", 1, 0, 0), "loopback"), (("192.0.2.7", 1), "192.0.2.7"),
     (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"), (("2001:db8::1", 1, 0, 0), "2001:db8::/64"),
     (("fe80::1%eth0", 1, 0, 2), "fe80::/64")],
)  # fmt: skip
def test_clients_are_told_apart_by_address(address: Any, client: str) -> None:
    assert client_of(address) == client


def slow(server: Serving, data: bytes, count: int) -> list[socket.socket]:
    """Connections that have sent something and read nothing."""
    held = []
    for _ in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        one.connect(("127.0.0.1", server.port))
        with contextlib.suppress(OSError):
            one.sendall(data)
        held.append(one)
    return held


@pytest.mark.parametrize(
    "data", [PAGE * 40, b"", b"GET", b"\x16\x03\x01", PAGE * 3 + b"junk\r\n\r\n"]
)
def test_strangers_keep_nobody_out(guarded: Serving, data: bytes) -> None:
    held = slow(guarded, data, 150)
    try:
        assert guarded.ask("GET", "/healthz").status == 200
        answer = guarded.ask("GET", "/v1/files", Authorization=f"Bearer {TOKEN}")
        assert answer.status == 200
    finally:
        for one in held:
            one.close()


def test_connections_beyond_the_descriptors_cost_the_store_none(guarded: Serving) -> None:
    before = len(guarded.lines)
    held = slow(guarded, b"", 600)
    try:
        for n in range(5):
            parts = guarded.upload(b"x" * 2_000_000, f"{n}", **BEARER)
            assert parts.status == 200, parts.body
    finally:
        for one in held:
            one.close()
    said = [line for line in guarded.lines[before:] if line["event"] != "request"]
    assert len(said) < 60
    # Where all places are at work at that moment, that is said, too.
    others = [line for line in said if "all places are at work" not in line.get("message", "")]
    assert {line["event"] for line in others} <= {"places"}, others


def test_an_answer_nobody_reads_ends_its_connection(guarded: Serving) -> None:
    # All of it is written, or part of it, or the connection is being closed: none is waited for.
    held = [
        *slow(guarded, PAGE * 40, 1), *slow(guarded, PAGE, 1),
        *slow(guarded, PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 1),
    ]  # fmt: skip
    ours = {one.getsockname()[1] for one in held}
    until(lambda: not established(guarded.port) & ours)
    for one in held:
        one.close()


def established(port: int) -> set[int]:
    """The ports to which a server's port is connected, by the kernel's word."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if int(local.rpartition(":")[2], 16) == port and state == "01":
            found.add(int(remote.rpartition(":")[2], 16))
    return found


def test_too_few_descriptors_are_said_at_the_start(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, "-m", "graders", "serve",
         "--port", "0", "--data-dir", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2
    assert "64 files open, too few to serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_server_leaves_its_socket_and_files_to_the_next_and_no_process(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    path = tmp_path / "own.sock"
    first = start("--jobs", "0", "--unix-socket", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    made = first.upload(b'{"a": 1}\n').json
    assert first.run(PYTHON, "x", ITEM).json["reward"] > 0
    children = children_of(first.process.pid)
    assert children
    first.process.kill()
    first.process.wait()
    until(lambda: all(map(is_gone, children)))
    second = start("--jobs", "0", "--unix-socket", str(path), folder=first.folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert second.ask("GET", f"/v1/files/{made['id']}").json == made
