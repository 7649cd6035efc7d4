"""A cache that machines share: a request is paid for once among them, and whoever writes disturbs nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.calls import ChatCall, EmbedCall
from graders.errors import UnavailableError
from graders.models import JudgeOptions
from graders.models.cache import ReplyCache
from graders.models.client import ChatClient
from graders.models.embedding import EmbedClient
from graders.models.shared import SharedCache, front_of, open_cache
from tests.models.server import Asked, Told, completion, error

Machine = Callable[[str], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Be another machine: one with a cache folder of its own."""
    return lambda name: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "replies").mkdir()
    return tmp_path / "replies"


def call(texts: list[str]) -> ChatCall:
    return ChatCall("m", [[{"role": "user", "content": one}] for one in texts], "v", {})


def script(asked: Asked, _: int) -> Told:
    return completion(json.dumps({"said": asked.body["messages"][-1]["content"]}))


def options(server: Any, place: Any, **more: Any) -> JudgeOptions:
    return JudgeOptions(base_url=server.url, cache_file=place, **{"cache": "all", **more})


def said(server: Any, place: Any, texts: list[str], **more: Any) -> list[str]:
    with ChatClient(options(server, place, **more)) as client:
        return [json.loads(one.text)["said"] for one in client.perform(call(texts))]


def test_a_request_is_paid_for_once_among_machines(serve: Any, on: Machine, folder: Path) -> None:
    server, texts = serve(script), [f"text {one}" for one in range(20)]
    on("first")
    first = said(server, folder, texts[:12])
    on("second")
    assert said(server, folder, texts) == [*first, *texts[12:]]
    on("third")
    said(server, folder, texts)
    assert len(server.asked) == len(texts)
    names = [one for one in folder.rglob("*") if one.is_file()]
    assert len(names) == len(texts)
    assert all(one.stat().st_mode & 0o077 == 0 for one in names)


def test_one_machine_asks_the_same_only_once_at_a_time(
    serve: Any, on: Machine, folder: Path
) -> None:
    server = serve(script)
    on("first")
    assert said(server, folder, ["same"] * 30, concurrency=8) == ["same"] * 30
    assert len(server.asked) == 1


def test_what_was_looked_up_is_here_then(serve: Any, on: Machine, folder: Path) -> None:
    server = serve(script)
    for machine in ("first", "second"):
        on(machine)
        said(server, folder, ["x"])
    for one in folder.rglob("*"):
        if one.is_file():
            one.unlink()
    assert said(server, folder, ["x"]) == ["x"]
    assert len(server.asked) == 1


def test_a_refusal_is_known_to_all(serve: Any, on: Machine, folder: Path) -> None:
    def strict(asked: Asked, number: int) -> Told:
        if "temperature" in asked.body:
            return error(
                400, "Unsupported parameter: 'temperature' is not supported with this model."
            )
        return script(asked, number)

    server = serve(strict)
    asked = ChatCall(
        "m", [[{"role": "user", "content": "x"}]], "v", {}, sampling={"temperature": 0.5}
    )
    for machine in ("first", "second"):
        on(machine)
        with ChatClient(options(server, folder)) as client:
            assert client.perform(asked)[0].text == '{"said": "x"}'
    assert len(server.asked) == 2  # The refusal and the reply, of the first machine.


def test_offline_replays_what_all_have_asked(serve: Any, on: Machine, folder: Path) -> None:
    server = serve(script)
    on("first")
    said(server, folder, ["x"])
    on("second")
    with ChatClient(options(server, folder, cache="offline")) as client:
        found, missing = client.perform(call(["x", "y"]))
    assert found.text == '{"said": "x"}'
    assert missing.error is not None
    assert f"the reply is not in {folder}" in missing.error.message
    assert len(server.asked) == 1


def test_embeddings_are_shared_too(serve: Any, on: Machine, folder: Path) -> None:
    def embed(asked: Asked, _: int) -> Told:
        data = [{"index": at, "embedding": [1.0, 2.0]} for at, _ in enumerate(asked.body["input"])]
        return Told(200, json.dumps({"data": data, "usage": {"prompt_tokens": 1}}).encode())

    server = serve(embed)
    for machine in ("first", "second"):
        on(machine)
        with EmbedClient(options(server, folder)) as client:
            assert [one.vector is not None for one in client.perform(EmbedCall(["x"]))] == [True]
    assert len(server.asked) == 1


def test_many_writers_disturb_nobody(tmp_path: Path, folder: Path) -> None:
    keys = [bytes([one]) * 32 for one in range(40)]

    def write(number: int) -> None:
        with SharedCache(folder, ReplyCache(tmp_path / f"{number}.sqlite")) as cache:
            for key in keys:
                cache.put(key, b"reply of " + key)

    writers = [threading.Thread(target=write, args=[one]) for one in range(6)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    with SharedCache(folder, ReplyCache(tmp_path / "reader.sqlite")) as cache:
        assert [cache.get(key) for key in keys] == [b"reply of " + key for key in keys]
        assert cache.get(b"z" * 32) is None
        assert cache.refused(b"z" * 32) == []
    assert len([one for one in folder.rglob("*") if one.is_file()]) == len(keys)


def test_what_cannot_be_written_is_said(tmp_path: Path, folder: Path) -> None:
    (folder / "00").write_text("in the way")
    cache = SharedCache(folder, ReplyCache(tmp_path / "front.sqlite"))
    cache.put(bytes(32), b"reply")
    with pytest.raises(UnavailableError, match=r"the cache .*replies cannot be written: "):
        cache.close()


def test_a_file_stays_a_file(tmp_path: Path, on: Machine, folder: Path) -> None:
    on("here")
    with open_cache(tmp_path / "replies.sqlite") as cache:
        assert isinstance(cache, ReplyCache)
    with open_cache(folder) as cache:
        assert isinstance(cache, SharedCache)
    assert front_of(folder).is_file()
