"""The performer of cosine: an OpenAI-compatible server's `/embeddings`, or the embedded model.

No other model gives the values of the hosted service's; the signature names the model.
"""

from __future__ import annotations

import asyncio
import base64
import struct
import threading
from array import array
from collections.abc import Sequence
from typing import Any, Final, Self

from graders import jsontext
from graders.calls import ChatError, EmbedCall, EmbedReply
from graders.errors import OptionError, shown
from graders.models import minilm, request
from graders.models.cache import ReplyCache
from graders.models.completion import bad_field
from graders.models.ledger import Ledger
from graders.models.option import DEFAULT_EMBEDDING, JudgeOptions
from graders.models.shared import SharedCache, open_cache
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey, resolve
from graders.wire.exchange import Wire, WireError
from graders.wire.fault import error_of_status
from graders.wire.field import FieldError, bad, typed, usage_of
from graders.wire.loop import LEFT, LOOK_SECONDS, GivenUpError, Loop, all_or_none
from graders.wire.stats import JudgeStats

__all__ = ["EmbedClient"]

_PATH: Final = "/embeddings"
_BATCH: Final = 64
_BATCH_CHARACTERS: Final = 200_000
_LARGEST: Final = 1e100  # Its square is a float, too; embeddings are numbers of 32 bits.
_INDEX: Final = "the place of one text, once"


class EmbedClient:
    """Embeds texts on one OpenAI-compatible server or in this process; each distinct text once.

    Args:
        options: which server and model, and how.

    Attributes:
        ledger: where what is paid is written down; None for nowhere.

    Raises:
        OptionError: an option has a value it cannot have.
        UnavailableError: the server needs a key and there is none, the embedded model is not
            installed, or the cache cannot be opened.
    """

    def __init__(self, options: JudgeOptions | None = None) -> None:
        self.options = options or JudgeOptions()
        offline = self.options.cache == "offline"
        self._endpoint = resolve(
            self.options.embedding_url or self.options.base_url,
            self.options.api_key_file,
            self.options.auth,
            offline=offline,
        )
        self._is_local = self._endpoint.kind == "local"
        if self._is_local and not offline:
            minilm.model_file()  # Whether it is there is known before the first row.
        named = self.options.embedding_model
        if named is None and not self._is_local:
            named = DEFAULT_EMBEDDING
        named = self.options.model_map.get(named, named) if named else None
        if self._is_local and named not in (None, minilm.MODEL):
            raise OptionError(
                f"the embedding model {shown(named or '')} is not one of `local`, which has only "
                f"{minilm.MODEL}; leave it out, or name its server by --embedding-url"
            )
        self.model = named or minilm.MODEL
        self.stats = JudgeStats(server=self._endpoint.url)
        self.ledger: Ledger | None = None
        self._cache: ReplyCache | SharedCache | None = None
        if offline:
            self._cache = open_cache(self.options.cache_file, read_only=True)
        self._alone = threading.Lock()
        self._starting = threading.Lock()
        self._loop: Loop | None = None
        self._wire: Wire | None = None
        self._local: minilm.MiniLm | None = None

    @property
    def signature(self) -> str:
        """What makes the embeddings."""
        if self._is_local:
            return f"model:{self.model}|{minilm.library()}"
        return f"model:{self.model}|server:{self._endpoint.url}"

    def perform(self, call: EmbedCall, stop: threading.Event | None = None) -> list[EmbedReply]:
        """Return one reply a text, in order. Threads wait for each other: a call is many requests.

        Args:
            call: the texts.
            stop: set from another thread once nobody waits for the replies: requests under way are
                broken off, and every reply is an error.
        """
        try:
            while not self._alone.acquire(timeout=-1 if stop is None else LOOK_SECONDS):
                if stop is not None and stop.is_set():
                    raise GivenUpError(LEFT)  # noqa: TRY301  (as while it is at work)
            try:
                return self._performed(call, stop)
            finally:
                self._alone.release()
        except GivenUpError as reason:
            error = ChatError("deadline", f"there is no embedding: {reason}")
            return [EmbedReply(None, error) for _ in call.texts]

    def _performed(self, call: EmbedCall, stop: threading.Event | None) -> list[EmbedReply]:
        distinct = list(dict.fromkeys(call.texts))
        found: dict[str, EmbedReply] = {}
        missing = distinct
        if self.options.cache != "none":
            if self._cache is None:
                offline = self.options.cache == "offline"
                self._cache = open_cache(self.options.cache_file, read_only=offline)
            if self.options.cache != "refresh":
                missing = [text for text in distinct if not self._take(text, found)]
        if missing and self.options.cache == "offline":
            error = ChatError(
                "offline", "the embedding is not in the cache, and --offline asks nobody"
            )
            found.update(dict.fromkeys(missing, EmbedReply(None, error)))
        elif missing and self._is_local:
            self._embed(missing, found)
        elif missing:
            if self.ledger is not None:
                self.ledger.check()
            with self._starting:
                if self._loop is None:
                    self._loop = Loop("graders-embed", self)
                loop = self._loop
            found.update(loop.run(self._perform(missing), stop))
        return [found[text] for text in call.texts]

    def close(self) -> None:
        """Close connections, the cache, and the embedded model if there is one.

        Whoever waits for embeddings gets errors; whoever asks afterwards opens it all again.
        """
        with self._starting:
            self._local = None
            if self._loop is not None:
                self._loop.close()
                self._loop, self._wire = None, None
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _key(self, text: str) -> bytes:
        return request.key(self._endpoint.url, _PATH, {"model": self.model, "input": text}, 0)

    def _take(self, text: str, found: dict[str, EmbedReply]) -> bool:
        raw = self._cache.get(self._key(text)) if self._cache is not None else None
        if not raw or len(raw) % 8:  # What is there may be cut off, or no vector.
            self.stats.misses += 1
            return False
        self.stats.hits += 1
        found[text] = EmbedReply(_unpacked(raw))
        return True

    def _embed(self, texts: Sequence[str], found: dict[str, EmbedReply]) -> None:
        if self._local is None:
            self._local = minilm.MiniLm()
        vectors = self._local.embed(texts)
        self.stats.requests += len(texts)
        self.stats.answered += len(texts)
        for text, vector in zip(texts, vectors, strict=True):
            self._keep(text, vector, found)

    def _keep(self, text: str, vector: Sequence[float], found: dict[str, EmbedReply]) -> None:
        packed = array("d", vector)
        found[text] = EmbedReply(packed)
        if self._cache is not None:
            self._cache.put(self._key(text), packed.tobytes())

    async def _perform(self, texts: Sequence[str]) -> dict[str, EmbedReply]:
        if self._wire is None:
            options = self.options
            self._wire = Wire(
                self._endpoint,
                concurrency=min(options.concurrency, 8),
                deadline=options.deadline,
                attempts=options.attempts,
                max_reply=max(options.max_reply, 32 << 20),
                pay_once=options.pay_once,
                stats=self.stats,
            )
            if self._loop is not None:
                self._loop.at_end(self._wire.close)
        found: dict[str, EmbedReply] = {}
        wire = self._wire

        async def work(batch: Sequence[str]) -> None:
            await self._batch(wire, batch, found)

        await all_or_none([asyncio.create_task(work(batch)) for batch in _batches(texts)])
        return found

    async def _batch(self, wire: Wire, texts: Sequence[str], found: dict[str, EmbedReply]) -> None:
        body = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        try:
            answer = await wire.post(_PATH, jsontext.encode(body))
        except WireError as failure:
            found.update(dict.fromkeys(texts, EmbedReply(None, failure.error)))
            return
        if answer.status >= 300:
            if answer.status in (400, 413, 422) and len(texts) > 1:
                # One text may be at fault, such as an empty one: the others need not suffer.
                half = len(texts) // 2
                await self._batch(wire, texts[:half], found)
                await self._batch(wire, texts[half:], found)
                return
            error = error_of_status(answer, self._endpoint.key)
            found.update(dict.fromkeys(texts, EmbedReply(None, error)))
            return
        try:
            value = answer.read(reals=False)
            self.stats.count(self.model, used := usage_of(value), saved=False)
            if self.ledger is not None:
                asked = self.options.embedding_model or DEFAULT_EMBEDDING
                model = asked if self.ledger.knows(asked) else self.model
                self.ledger.add(model, sum(map(len, texts)), used)
            vectors = _vectors(value, len(texts))
        except FieldError as fault:
            error = bad_field(fault, self._endpoint.key, _details(answer, self._endpoint.key))
            found.update(dict.fromkeys(texts, EmbedReply(None, error)))
            return
        except ValueError:
            vectors = [None] * len(texts)
        for text, vector in zip(texts, vectors, strict=True):
            if vector is None:
                error = ChatError(
                    "server", "the server's answer holds no embedding for the text",
                    _details(answer, self._endpoint.key),
                )  # fmt: skip
                found[text] = EmbedReply(None, error)
                continue
            self._keep(text, vector, found)


def _details(answer: HttpAnswer, key: ApiKey) -> str:
    return key.redact(answer.body[:2000].decode(errors="replace"))


def _batches(texts: Sequence[str]) -> list[list[str]]:
    batches: list[list[str]] = []
    size = 0
    for text in texts:
        if not batches or len(batches[-1]) == _BATCH or size + len(text) > _BATCH_CHARACTERS:
            batches.append([])
            size = 0
        batches[-1].append(text)
        size += len(text)
    return batches


def _vectors(value: Any, count: int) -> list[list[float] | None]:
    """Return the embeddings in the order of the texts, by each one's index.

    Raises:
        FieldError: a field is not what it has to be.
    """
    found: list[list[float] | None] = [None] * count
    data = typed(value, "data", "", "a list", list) if isinstance(value, dict) else None
    for at, one in enumerate(data or ()):
        if not isinstance(one, dict):
            raise bad(f"data[{at}]", one, "an object")
        index = typed(one, "index", f"data[{at}].", _INDEX, int)
        index = at if index is None else index
        if not 0 <= index < count or found[index] is not None:
            raise bad(f"data[{at}].index", index, _INDEX)
        found[index] = _vector(one, f"data[{at}].")
    lengths = {len(one) for one in found if one is not None}
    if len(lengths) > 1:
        raise FieldError(f"data holds embeddings of {len(lengths)} lengths")
    return found


def _vector(one: dict[str, Any], place: str) -> list[float] | None:
    raw = typed(one, "embedding", place, "a list of numbers", list, str)
    if isinstance(raw, str):  # Some servers only speak base64.
        try:
            data = base64.b64decode(raw, validate=True)
            raw = list(struct.unpack(f"<{len(data) // 4}f", data))
        except (ValueError, struct.error):
            raise bad(f"{place}embedding", raw, "base64 of 32-bit floats") from None
    for at, number in enumerate(raw or ()):
        if type(number) not in (int, float) or not -_LARGEST <= number <= _LARGEST:
            raise bad(f"{place}embedding[{at}]", number, "a number that a float holds")
    return [float(number) for number in raw] if raw else None


def _unpacked(raw: bytes) -> Sequence[float]:
    vector = array("d")
    vector.frombytes(raw)
    return vector
