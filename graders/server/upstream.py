"""The model server behind this one: calls are passed on and answered as they come, and recorded afterwards.

Does: pass bytes through in both directions, streams as they come; keep what asked to be kept once the last byte is
sent. Does not: change a request or an answer, retry, or let the log hold up or break either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from graders.errors import GradersError
from graders.evals.recorded import answer_of, is_to_be_stored
from graders.evals.run import asked_of
from graders.evals.stored import Kind, keep_call
from graders.jobs import RunOptions, Store
from graders.server.log import Log
from graders.server.option import ServeOptions
from graders.wire.endpoint import ServerAddress, resolve
from graders.wire.error import ApiError
from graders.wire.exchange import client_of

if TYPE_CHECKING:
    import httpx2

__all__ = ["Upstream"]

_RECORDED: Final = 16 << 20
"""Bytes of an answer that are kept for the log; a longer one passes all the same."""
_WAITING: Final = 512
_HEADERS: Final = (
    "content-type",
    "retry-after",
    "x-request-id",
    "openai-processing-ms",
    "x-should-retry",
)
_KINDS: Final[dict[str, Kind]] = {"/chat/completions": "completions", "/responses": "responses"}


class Upstream:
    """Passes calls on. Nothing is connected before the first one.

    Args:
        endpoint: the model server.
        options: how this server is run.
        store: where calls are recorded.
        log: is told what could not be.
    """

    def __init__(
        self, endpoint: ServerAddress, options: ServeOptions, store: Store, log: Log
    ) -> None:
        self._endpoint, self._deadline = endpoint, options.rollout.deadline
        self._records = options.record
        self._store, self._log = store, log
        self._client: httpx2.AsyncClient | None = None
        self._writer = ThreadPoolExecutor(1, "graders-record")
        self._waiting = 0

    @classmethod
    def of_all(cls, options: ServeOptions, store: Store, log: Log) -> Self:
        """Return what passes calls on to the server of judges or rollouts.

        Raises:
            GradersError: there is none.
        """
        rollout, _ = asked_of(RunOptions(rollout=options.rollout, judge=options.judge), "")
        return cls(resolve(rollout.url, rollout.api_key_file, rollout.auth), options, store, log)

    @classmethod
    def by_model(cls, options: ServeOptions, store: Store, log: Log) -> dict[str, Self]:
        """Return what passes calls of models on to the servers that --model-url names for them.

        Raises:
            OptionError: one is no address.
        """
        urls = {} if options.training is None else options.training.urls
        return {
            name: cls(resolve(url, variable=""), options, store, log) for name, url in urls.items()
        }

    async def pass_on(
        self, request: Request, path: str, sent: dict[str, Any], raw: bytes
    ) -> Response:
        """Return the model server's answer to a call.

        Args:
            request: the call.
            path: where it goes, such as `/chat/completions`.
            sent: its body, read.
            raw: its body.

        Raises:
            ApiError: the server cannot be reached (502), or does not answer in time (504).
        """
        import httpx2  # noqa: PLC0415  (a server that records nothing needs none)

        if self._client is None:
            self._client = client_of(self._endpoint)
        asked = self._client.build_request(
            "POST", f"{self._endpoint.url}{path}{self._endpoint.query}", content=raw,
            headers={"accept": request.headers.get("accept", "*/*")},
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._client.send(asked, stream=True)
        except TimeoutError:
            raise ApiError(504, f"the model server did not answer within {self._deadline:g} seconds",
                           "server_error", code="upstream_timeout") from None  # fmt: skip
        except httpx2.HTTPError as error:
            raise ApiError(502, f"the model server cannot be reached ({type(error).__name__})", "server_error",
                           code="upstream_unreachable") from None  # fmt: skip
        headers = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
        if encoding := answer.headers.get("content-encoding"):
            headers["content-encoding"] = encoding
        return StreamingResponse(self._through(answer, path, sent), answer.status_code, headers)

    async def _through(
        self, answer: httpx2.Response, path: str, sent: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        """Yield an answer as it comes; recorded when its last byte has been taken."""
        kept = bytearray() if self._is_kept(answer, path, sent) else None
        try:
            async for piece in answer.aiter_raw():
                if kept is not None:
                    kept += piece
                    if len(kept) > _RECORDED:
                        kept = None  # It passes all the same.
                yield piece
        finally:
            await answer.aclose()
        if kept is not None:
            self._record(_KINDS[path], sent, bytes(kept), answer.headers.get("content-type", ""))

    def _is_kept(self, answer: httpx2.Response, path: str, sent: dict[str, Any]) -> bool:
        kind = _KINDS.get(path)
        if (
            not self._records
            or kind is None
            or answer.status_code != 200
            or "content-encoding" in answer.headers
        ):
            return False
        return is_to_be_stored(kind, sent)

    def _record(self, kind: Kind, sent: dict[str, Any], raw: bytes, said: str) -> None:
        """Have a call written down by another thread; one too many is counted, and said, not kept."""
        if self._waiting >= _WAITING:
            says = "calls come faster than they can be recorded; some are not kept"
            self._log.seldom("record", "record", "warning", seconds=10.0, message=says)
            return
        self._waiting += 1
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._writer, self._write, kind, sent, raw, said)
        done.add_done_callback(self._written)

    def _written(self, done: asyncio.Future[None]) -> None:
        self._waiting -= 1
        with contextlib.suppress(asyncio.CancelledError):
            if (error := done.exception()) is not None:
                says = str(error) if isinstance(error, GradersError) else type(error).__name__
                self._log.seldom(
                    "record",
                    "record",
                    "error",
                    seconds=10.0,
                    message=f"a call was not recorded: {says}",
                )

    def _write(self, kind: Kind, sent: dict[str, Any], raw: bytes, said: str) -> None:
        answer = answer_of(kind, raw, events=said.startswith("text/event-stream"))
        if answer is None:
            return  # It broke off, or says what went wrong: there is no answer to keep.
        with self._store.database.reading() as base:
            self._store.check_room(base)
        keep_call(self._store.database, kind, sent, answer)

    async def close(self) -> None:
        """Close the connections, once what was answered is written down."""
        await asyncio.to_thread(self._writer.shutdown)
        if self._client is not None:
            await self._client.aclose()
