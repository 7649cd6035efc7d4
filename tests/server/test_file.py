"""/v1/files over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from graders.server.option import ServeOptions
from graders.server.route.file import form_of
from graders.server.state import Spool
from graders.wire.error import ApiError
from tests.server.process import BEARER, Serving
from tests.waiting import until


def test_file_goes_there_and_back(server: Serving) -> None:
    content = os.urandom(3 << 20)
    made = server.upload(content, "rows é.jsonl".encode().decode("latin-1")).json
    assert made["object"] == "file"
    assert made["bytes"] == len(content)
    assert made["sha256"] == hashlib.sha256(content).hexdigest()
    assert server.ask("GET", f"/v1/files/{made['id']}").json == made
    answer = server.ask("GET", f"/v1/files/{made['id']}/content")
    assert answer.body == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    gone = server.ask("DELETE", f"/v1/files/{made['id']}").json
    assert gone == {"id": made["id"], "object": "file", "deleted": True}
    for path in ("", "/content"):
        answer = server.ask("GET", f"/v1/files/{made['id']}{path}")
        assert answer.status == 404
        assert made["id"] in answer.error["message"]


def test_files_are_listed_in_pages(server: Serving) -> None:
    older = [one["id"] for one in server.ask("GET", "/v1/files?order=asc").json["data"]]
    made = older + [server.upload(b"{}", f"{n}.jsonl").json["id"] for n in range(5)]
    found, after = [], ""
    while True:
        page = server.ask("GET", f"/v1/files?limit=2&after={after}").json
        found += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert found == made[::-1]
    ascending = server.ask("GET", "/v1/files?order=asc").json["data"]
    assert [one["id"] for one in ascending] == made
    assert server.ask("GET", "/v1/files?purpose=evals").json["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=10001", "order=up", "limit=1e3", "limit=٣"]
)
def test_wrong_queries_are_said(server: Serving, query: str) -> None:
    from urllib.parse import quote

    answer = server.ask("GET", "/v1/files?" + quote(query, safe="="))
    assert answer.status == 400
    assert answer.error["param"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%00",
        "file-%00",
        "a" * 5000,
        "é",
        "file-x%0d%0aX: 1",
        "*",
    ],
)
def test_odd_ids_find_nothing(server: Serving, name: str) -> None:
    from urllib.parse import quote

    path = f"/v1/files/{quote(name, safe='%')}"
    for one in (path, path + "/content"):
        answer = server.ask("GET", one)
        assert answer.status in (400, 404)
        assert answer.error["type"] == "invalid_request_error"
    assert server.ask("DELETE", path).status in (400, 404)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"{}", "multipart/form-data"),
        ("multipart/form-data", b"x", "faulty"),
        ("multipart/form-data; boundary=b", b"", "file is required"),
        ("multipart/form-data; boundary=b", b"x" * 1000, "faulty"),
        ("multipart/form-data; boundary=b",
         b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b--\r\n',
         "file is required"),
        ("multipart/form-data; boundary=b",
         b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n', "file is required"),
        ("multipart/form-data; boundary=b",
         b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n--b--\r\n',
         "purpose is required"),
        ("multipart/form-data; boundary=b",
         b'--b\r\ncontent-disposition: form-data; name="fiel"; filename="x"\r\n\r\nx\r\n--b--\r\n',
         "did you mean file"),
        ("multipart/form-data; boundary=b", b"--b\r\n" * 5000, ""),
    ],
)  # fmt: skip
def test_faulty_forms_get_a_sentence(server: Serving, kind: str, body: bytes, said: str) -> None:
    answer = server.ask("POST", "/v1/files", body, Content_Type=kind)
    assert answer.status == 400
    assert said in answer.error["message"]


def test_purposes_are_checked(server: Serving) -> None:
    answer = server.upload(b"{}", purpose="fine_tune")
    assert (answer.status, answer.error["param"]) == (400, "purpose")
    assert "fine-tune" in answer.error["message"]


def test_too_large_files_are_refused_and_not_kept(guarded: Serving) -> None:
    assert guarded.upload(b"x" * (2 << 20), **BEARER).status == 200
    kept = sorted((guarded.folder / "files").iterdir())
    assert kept
    answer = guarded.upload(b"x" * ((2 << 20) + 1), **BEARER)
    assert answer.status == 413
    assert "2,097,152" in answer.error["message"]
    assert sorted((guarded.folder / "files").iterdir()) == kept


def test_what_is_wrong_with_a_form_stands_in_the_answer_and_the_log_stays_json(
    server: Serving,
) -> None:
    answer = server.ask(
        "POST", "/v1/files", b"--x\r\nno \xff header\r\n", Content_Type="multipart/form-data; boundary=x"
    )  # fmt: skip
    assert answer.status == 400
    assert answer.error["code"] == "invalid_form"
    asked = answer.headers["x-request-id"]
    until(lambda: [line for line in server.lines if line.get("id") == asked])
    assert [line for line in server.said.splitlines() if not line.startswith("{")] == []


FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nrows'


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (FILE, "http.request"),
        (FILE, "http.disconnect"),
        (FILE + b"\r\n--x--\r\n", "http.request"),
        (FILE + b"\r\n" + FILE + b"\r\n--x--\r\n", "http.request"),
    ],
)
def test_the_temporary_file_of_an_upload_is_closed_however_it_ends(
    monkeypatch: pytest.MonkeyPatch, body: bytes, end: str
) -> None:
    """The disk it takes is free at once, also where its part never ended, or its client went."""
    files: list[Any] = []

    def spooled(**options: Any) -> Any:
        files.append(SpooledTemporaryFile(**options))  # noqa: SIM115  (the form's to close)
        return files[-1]

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", spooled)
    coming = iter(
        [{"type": "http.request", "body": body, "more_body": True}, {"type": end, "body": b""}]
    )

    async def receive() -> Any:
        return next(coming)

    async def taken() -> None:
        shared = SimpleNamespace(options=ServeOptions(data_dir=Path("/nowhere")), spool=Spool())
        scope = {
            "type": "http", "app": SimpleNamespace(state=SimpleNamespace(shared=shared)),
            "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
        }  # fmt: skip
        with contextlib.suppress(ApiError):
            async with form_of(Request(scope, receive), 1 << 20, ["file"]):
                assert not all(file.closed for file in files)
        assert shared.spool.bytes == 0

    asyncio.run(taken())
    assert files
    assert all(file.closed for file in files)
