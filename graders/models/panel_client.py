"""The performer of a panel's calls: a client for each server, all at work at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from graders.calls import ChatCall, ChatReply
from graders.models.client import ChatClient
from graders.models.ledger import Ledger
from graders.models.option import JudgeOptions
from graders.models.panel import Panel, PanelJudge

__all__ = ["PanelClient"]


class PanelClient:
    """Asks each judge of a panel on its own server. Starts nothing before its first call.

    Args:
        options: how they are asked; its panel says which.

    Raises:
        OptionError: an option has a value it cannot have.
        UnavailableError: a server needs a key and there is none, or the cache cannot be opened.
    """

    def __init__(self, options: JudgeOptions) -> None:
        if options.panel is None:
            raise TypeError("a panel's client needs a panel")
        self._of = _clients(options, options.panel)
        self.clients: tuple[ChatClient, ...] = tuple(dict.fromkeys(self._of.values()))

    def perform(self, call: ChatCall, stop: threading.Event | None = None) -> list[ChatReply]:
        """Return one reply an entry, in order; as `ChatClient.perform`."""
        return self.perform_many([call], stop)[0]

    def perform_many(
        self, calls: Sequence[ChatCall], stop: threading.Event | None = None
    ) -> list[list[ChatReply]]:
        """Return one reply an entry, in order, of each call; as `ChatClient.perform_many`."""
        shares: dict[ChatClient, list[int]] = {}
        for at, call in enumerate(calls):
            shares.setdefault(self._of[call.judge], []).append(at)
        halt = threading.Event() if stop is None else stop
        found: dict[int, list[ChatReply]] = {}
        with ThreadPoolExecutor(len(shares), thread_name_prefix="graders-panel") as pool:
            asked = {
                pool.submit(one.perform_many, [calls[at] for at in share], halt): share
                for one, share in shares.items()
            }
            try:
                for future, share in asked.items():
                    found.update(zip(share, future.result(), strict=True))
            except KeyboardInterrupt:
                halt.set()  # Else the pool's end would wait for every judge.
                raise
        return [found[at] for at in range(len(calls))]

    @property
    def ledger(self) -> Ledger | None:
        """Where what is paid is written down; the same for all."""
        return self.clients[0].ledger

    @ledger.setter
    def ledger(self, ledger: Ledger | None) -> None:
        for one in self.clients:
            one.ledger = ledger

    def close(self) -> None:
        """Close every client."""
        for one in self.clients:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _clients(options: JudgeOptions, panel: Panel) -> dict[str, ChatClient]:
    """Return the client of each judge by its name, one for those of a server and a key."""
    made: dict[tuple[object, ...], ChatClient] = {}
    found = {}
    for judge in panel.judges:
        server = (judge.base_url, judge.api_key_file, judge.api_key_variable, judge.auth)
        if server not in made:
            made[server] = ChatClient(_options_of(options, judge), key_variable=_variable(judge))
        found[judge.called] = made[server]
    return found


def _options_of(options: JudgeOptions, judge: PanelJudge) -> JudgeOptions:
    own = judge.base_url is not None or judge.api_key_variable is not None
    return replace(
        options,
        base_url=judge.base_url or options.base_url,
        # The run's key is for the run's server.
        api_key_file=judge.api_key_file or (None if own else options.api_key_file),
        auth=options.auth if judge.auth == "auto" and not own else judge.auth,
        panel=None, panel_rule="auto", panel_quorum=None,
    )  # fmt: skip


def _variable(judge: PanelJudge) -> str | None:
    """Return the variable that holds a judge's key; "" for a key of OpenAI's alone, None for any."""
    if judge.api_key_variable is not None:
        return judge.api_key_variable
    return None if judge.base_url is None or judge.api_key_file is not None else ""
