"""Models of this machine that can be asked: those of --train-model and what jobs have trained.

A process of its own answers, one call after the other; it is started by the first call, and again where it was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.errors import nearest, quoted
from graders.jobs import Store
from graders.program import kill, program, settings
from graders.training.ask import Ask
from graders.training.base import base_of, hub_name
from graders.training.option import TrainingOptions
from graders.training.process import environment
from graders.training.said import Said
from graders.training.trained import remove, trained
from graders.wire.error import ApiError

__all__ = ["LocalModels"]

_MOST: Final = 64
_IDLE: Final = 300.0
"""Seconds without a call after which the process ends."""
_LINE: Final = 1 << 20


class LocalModels:
    """Asks local models.

    Args:
        options: names models.
        store: where what was trained stands.
    """

    def __init__(self, options: TrainingOptions, store: Store) -> None:
        self._options, self._store = options, store
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = self._waiting = 0

    def listed(self) -> list[dict[str, Any]]:
        """Return every model that can be asked, as the API lists them."""
        ours = [(one.name, one.at, "org-local") for one in trained(self._store).values()]
        known = {name for name, _, _ in ours}
        named = dict.fromkeys((*self._options.models, *self._options.urls))
        bases = [(name, 0, "system") for name in named if name not in known]
        return [
            {"id": name, "object": "model", "created": at, "owned_by": owner}
            for name, at, owner in (*bases, *ours)
        ]

    def knows(self, name: Any) -> bool:
        """Return whether a model of that name can be asked in this process."""
        if not isinstance(name, str):
            return False
        return name in self._options.models or name in trained(self._store)

    def no_model(self, name: Any) -> ApiError:
        """Return the error of a name that stands for no model; it names the nearest that does."""
        known = [one["id"] for one in self.listed()]
        near = nearest(name, known) if isinstance(name, str) else None
        hint = f"; did you mean {near}?" if near else "; GET /v1/models lists those that there are"
        return ApiError(
            404,
            f"there is no model {quoted(name)} here{hint}",
            param="model",
            code="model_not_found",
        )

    def delete(self, name: str) -> None:
        """Remove what was trained under a name.

        Raises:
            ApiError: nothing was (404), it is one of --train-model (403), or something needs it (409).
        """
        if name in self._options.models or name in self._options.urls:
            if name not in trained(self._store):
                raise ApiError(
                    403, f"{quoted(name)} was not trained here, it is named by the server's options; only "
                    "trained models are deleted", param="model", code="model_not_deletable",
                )  # fmt: skip
        elif not self.knows(name):
            raise self.no_model(name)
        remove(self._store, name)

    def _place(self, name: str) -> dict[str, Any]:
        """Return where a model stands.

        Raises:
            ApiError: it is not there.
        """
        if name in self._options.models:
            found = base_of(name, self._options.models, {})
            return {"folder": found.path, "base": None, "hub": found.hub}
        one = trained(self._store).get(name)
        if one is None:
            raise self.no_model(name)
        hub = one.base is not None and not Path(one.base).is_dir() and hub_name(one.base)
        return {"folder": str(one.folder), "base": one.base, "hub": hub}

    async def answer(self, ask: Ask) -> Said:
        """Return the whole answer to a call; errors as of `ask`."""
        said = Said(ask.said["choices"])
        async with aclosing(self.ask(ask.model, ask.said)) as pieces:
            async for one in pieces:
                said.add(one)
        return said

    async def ask(self, name: str, said: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Yield what the process says to a call, up to its end.

        Raises:
            ApiError: too many wait (429), the model cannot answer (400), or the process is lost (503).
        """
        place = await asyncio.to_thread(self._place, name)
        if self._waiting >= _MOST:
            raise ApiError(
                429,
                f"{_MOST} calls wait for local models already; ask again later",
                code="rate_limit_exceeded",
            )
        self._waiting += 1
        try:
            async with self._turn:
                self._number += 1
                call = {"number": self._number, "of": place, **said}
                async with aclosing(self._asked(call)) as pieces:
                    async for one in pieces:
                        yield one
        finally:
            self._waiting -= 1
            asyncio.get_running_loop().call_later(_IDLE, self._rest, self._number)

    def _rest(self, number: int) -> None:
        """End the process that nobody has asked since: what it holds of a GPU, training may need."""
        if number == self._number and not self._waiting and self._process is not None:
            kill(self._process)
            self._process = None

    async def _asked(self, said: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        process = await self._started()
        number, over = said["number"], False
        if process.stdin is None or process.stdout is None:
            raise TypeError("the process has pipes")
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(jsontext.encode(said) + b"\n")
                await process.stdin.drain()
            while line := await process.stdout.readline():
                one = jsontext.decode(line)
                if one["number"] != number:
                    continue  # Of a call that was given up.
                over = "done" in one or "error" in one
                if "error" in one:
                    raise ApiError(400, one["error"], code=one["code"])
                yield one
                if over:
                    return
            over = True
            raise ApiError(
                503, "the process of local models was lost, for memory perhaps; ask again", "server_error",
                code="model_lost",
            )  # fmt: skip
        finally:
            if not over:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(jsontext.encode({"drop": number}) + b"\n")

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            said = settings()
            ours = {**environment(self._store.folder, online=True)}
            ours.pop("TMPDIR")
            said["env"] = {**said["env"], **ours}
            self._process = await asyncio.create_subprocess_exec(
                *program("graders.training.sampler"), stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=_LINE, **said,
            )  # fmt: skip
        return self._process

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            kill(self._process)
            await self._process.wait()
