"""Answers of local models for evals: asked as a server is asked, without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from graders import jsontext
from graders.models.rollout import CHAT, Ask, Reader, Rollout
from graders.training.ask import asked
from graders.training.local import LocalModels
from graders.training.said import answer
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey
from graders.wire.error import ApiError
from graders.wire.loop import Loop

__all__ = ["LocalSampler"]

_NO_KEY: Final = ApiKey("")


class LocalSampler:
    """Asks a model of this machine for samples, one after the other, in the place of `Sampler`.

    Args:
        models: has the model.
        model: its name.
        read: what a chat completion gives.
    """

    def __init__(self, models: LocalModels, model: str, read: Reader) -> None:
        self._models, self._model, self._read = models, model, read
        self._loop: Loop | None = None

    def sample(self, asks: Sequence[Ask], keep: Callable[[tuple[int, ...], Rollout], None]) -> None:
        """Ask for samples; `keep` gets each as it comes, in another thread."""
        if asks:
            if self._loop is None:
                self._loop = Loop("graders-local", self)
                self._loop.at_end(self._models.close)
            self._loop.run(self._perform(asks, keep))

    async def _perform(
        self, asks: Sequence[Ask], keep: Callable[[tuple[int, ...], Rollout], None]
    ) -> None:
        for one in asks:
            keep(one.key, await self._one(one))

    async def _one(self, ask: Ask) -> Rollout:
        body = ask.body if ask.path == CHAT else ask.instead
        if body is None:
            says = "models of this machine call functions alone, and a tool of the run is none"
            return Rollout(None, "rollout_error", says)
        try:
            call = asked("chat", {**body, "model": self._model})
            said = await self._models.answer(call)
        except ApiError as error:
            return Rollout(None, "rollout_error", str(error))
        whole = jsontext.encode(answer(call, said.choices, said.prompt))
        return self._read(CHAT, HttpAnswer(200, "application/json", whole), _NO_KEY)

    def close(self) -> None:
        """End the process that answers."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None
