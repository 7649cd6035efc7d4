"""Who has a place at the server, and who loses it when places run out.

A connection without a token costs nothing to make, so it may cost nobody else a place: strangers
have a share of all places, each client a part of that, and where places run out the connection goes
for whose next word the server waits longest. Work under way is never cut off for a newcomer; where
there is nothing else, the newcomer gets one of few places that are kept for asking after the
server's health.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Final, Protocol

__all__ = ["GUESTS", "Member", "Places", "client_of"]

GUESTS: Final = 16
"""Places beyond all others, for `/healthz` and its like."""

_FEWEST: Final = 8
_LOOPBACK: Final = "loopback"


class Member(Protocol):
    """A connection, as far as places go.

    Attributes:
        peer: who is at its other end, for counting.
        known: whether it has shown the token, or needs none.
        guest: whether it has one of the places kept for health.
    """

    peer: str
    known: bool
    guest: bool

    def leave(self) -> None:
        """Close it at once, whatever is unsent."""

    def look(self) -> None:
        """Close it where its client has owed something for too long."""


class Places:
    """The places of a server.

    Args:
        most: connections at once, guests not counted.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.strangers = max(most // 2, 1)
        self.each = max(most // 4, min(_FEWEST, self.strangers))
        self._here: set[Member] = set()
        self._guests: set[Member] = set()
        self._counts: Counter[str] = Counter()
        # Those whose next word is waited for, in the order since when.
        self._waiting: dict[str, dict[Member, None]] = {"known": {}, "strangers": {}, "guests": {}}
        self._of_client: dict[str, dict[Member, None]] = {}
        self.closed = 0

    def __iter__(self) -> Iterator[Member]:
        return iter([*self._here, *self._guests])

    def __len__(self) -> int:
        return len(self._here) + len(self._guests)

    def admit(self, one: Member) -> bool:
        """Give a connection a place, at the cost of another where there is none; or refuse it."""
        mine = self._of_client.get(one.peer, {})
        if not one.known and self._counts[one.peer] >= self.each:
            self._close_first(mine)
        elif not one.known and self._counts.total() >= self.strangers:
            self._close_first(self._waiting["strangers"])
        if len(self._here) >= self.most:
            self.close_longest()
        if len(self._here) < self.most and self._is_below_share(one):
            self._here.add(one)
            if not one.known:
                self._counts[one.peer] += 1
            self.wait_for(one)  # From now on: of many that come at once, none has said a word yet.
            return True
        one.guest = True
        if len(self._guests) >= GUESTS:
            self._close_first(self._waiting["guests"])
        if len(self._guests) < GUESTS:
            self._guests.add(one)
            self.wait_for(one)
            return True
        return False

    def close_longest(self) -> None:
        """Close the connection that is waited for longest; strangers before all others."""
        self._close_first(self._waiting["strangers"] or self._waiting["known"])

    def wait_for(self, one: Member) -> None:
        """Note that the server waits for a connection's client, from now on."""
        self.work_for(one)
        if one in self._here or one in self._guests:
            self._waiting[_group(one)][one] = None
            if _group(one) == "strangers":
                self._of_client.setdefault(one.peer, {})[one] = None

    def work_for(self, one: Member) -> None:
        """Note that a connection's client waits for the server."""
        self._waiting[_group(one)].pop(one, None)
        if (mine := self._of_client.get(one.peer)) is not None:
            mine.pop(one, None)
            if not mine:
                del self._of_client[one.peer]

    def know(self, one: Member) -> None:
        """Note that a connection has shown the token; of a guest it makes one like others."""
        self.work_for(one)
        if one in self._guests:
            if len(self._here) >= self.most:
                self.close_longest()
            if len(self._here) < self.most:
                self._guests.discard(one)
                self._here.add(one)
                one.guest = False
        elif one in self._here and not one.known:
            self._uncount(one)
        one.known = True

    def remove(self, one: Member) -> None:
        """Free a connection's place."""
        self.work_for(one)
        self._guests.discard(one)
        if one in self._here:
            self._here.discard(one)
            if not one.known:
                self._uncount(one)

    def _is_below_share(self, one: Member) -> bool:
        return one.known or (
            self._counts[one.peer] < self.each and self._counts.total() < self.strangers
        )

    def _close_first(self, waiting: dict[Member, None]) -> None:
        first = next(iter(waiting), None)
        if first is not None:
            self.remove(first)
            self.closed += 1
            first.leave()

    def _uncount(self, one: Member) -> None:
        self._counts[one.peer] -= 1
        if not self._counts[one.peer]:
            del self._counts[one.peer]


def _group(one: Member) -> str:
    return "guests" if one.guest else "known" if one.known else "strangers"


def client_of(address: object) -> str:
    """Return whom a connection's address stands for: a machine, or all of an IPv6 subscriber's."""
    if not isinstance(address, tuple):
        return _LOOPBACK  # A Unix socket.
    try:
        found = ipaddress.ip_address(str(address[0]).partition("%")[0])
    except ValueError:
        return str(address[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif not found.is_loopback:
            return str(ipaddress.ip_network((found, 64), strict=False))
    return _LOOPBACK if found.is_loopback else str(found)
