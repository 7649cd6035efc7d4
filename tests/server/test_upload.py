"""/v1/uploads over HTTP, by the official SDK's own helper and by hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Answer, Serving


def _create(server: Serving, size: int, **change: Any) -> Answer:
    body = {
        "filename": "rows.jsonl",
        "purpose": "fine-tune",
        "bytes": size,
        "mime_type": "text/jsonl",
    }
    return server.ask("POST", "/v1/uploads", {**body, **change})


def _add(server: Serving, name: str, content: bytes) -> Answer:
    head = b'--b\r\ncontent-disposition: form-data; name="data"; filename="x"\r\n\r\n'
    kind = "multipart/form-data; boundary=b"
    body = head + content + b"\r\n--b--\r\n"
    return server.ask("POST", f"/v1/uploads/{name}/parts", body, Content_Type=kind)


# The SDK takes a second to import, and what it asks for others ask by hand; so does `make test-clients`.
@pytest.mark.slow
def test_sdk_uploads_in_chunks(server: Serving, tmp_path: Path) -> None:
    import openai

    content = os.urandom(5 << 20)
    (tmp_path / "rows.jsonl").write_bytes(content)
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="-")
    upload = client.uploads.upload_file_chunked(
        file=tmp_path / "rows.jsonl", mime_type="text/jsonl", purpose="fine-tune", part_size=1 << 20
    )
    assert upload.status == "completed"
    assert upload.file is not None
    assert client.files.content(upload.file.id).read() == content
    client.close()


def test_parts_stand_in_the_order_given(server: Serving) -> None:
    name = _create(server, 6).json["id"]
    first, second = (_add(server, name, one).json["id"] for one in (b"abc", b"def"))
    path = f"/v1/uploads/{name}/complete"
    for parts, said in (
        ([], "list of ids"), ([first], "3 bytes"), ([first, first], "twice"),
        ([first, "part_x"], "no part"), ([first, "../upload.json"], "no part"), (None, "list"),
    ):  # fmt: skip
        answer = server.ask("POST", path, {"part_ids": parts})
        assert answer.status == 400
        assert said in answer.error["message"]
    wrong = server.ask("POST", path, {"part_ids": [second, first], "md5": "0"})
    assert (wrong.status, wrong.error["param"]) == (400, "md5")
    md5 = hashlib.md5(b"defabc", usedforsecurity=False).hexdigest()
    done = server.ask("POST", path, {"part_ids": [second, first], "md5": md5}).json
    assert done["status"] == "completed"
    assert server.ask("GET", f"/v1/files/{done['file']['id']}/content").body == b"defabc"
    again = server.ask("POST", path, {"part_ids": [second, first]})
    assert (again.status, "completed" in again.error["message"]) == (400, True)
    assert _add(server, name, b"x").status == 400


def test_files_of_uploads_expire_when_asked_to(server: Serving) -> None:
    wrong = _create(server, 3, expires_after={"anchor": "created_at", "seconds": 5})
    assert (wrong.status, wrong.error["param"]) == (400, "expires_after.seconds")
    name = _create(server, 3, expires_after={"anchor": "created_at", "seconds": 3600}).json["id"]
    part = _add(server, name, b"abc").json["id"]
    done = server.ask("POST", f"/v1/uploads/{name}/complete", {"part_ids": [part]}).json
    assert done["file"]["expires_at"] == done["file"]["created_at"] + 3600
    assert "expires_after" not in done


def test_cancelled_uploads_take_nothing_more(server: Serving) -> None:
    name = _create(server, 3).json["id"]
    assert server.ask("POST", f"/v1/uploads/{name}/cancel").json["status"] == "cancelled"
    assert _add(server, name, b"abc").status == 400
    assert server.ask("POST", f"/v1/uploads/{name}/cancel").status == 400


@pytest.mark.parametrize(
    ("change", "param"),
    [({"bytes": -1}, "bytes"), ({"bytes": "3"}, "bytes"), ({"purpose": "x"}, "purpose"),
     ({"filename": None}, "filename"), ({"mime_type": 5}, "mime_type")],
)  # fmt: skip
def test_wrong_fields_are_named(server: Serving, change: Any, param: str) -> None:
    answer = _create(server, 3, **change)
    assert (answer.status, answer.error["param"]) == (400, param)


def test_sizes_are_limited(server: Serving) -> None:
    assert _create(server, 1 << 40).status == 413
    name = _create(server, 3).json["id"]
    assert _add(server, name, b"abcd").status == 413
    for name in ("upload_none", "..", "%2e%2e", "x" * 500):
        assert _add(server, name, b"abc").status == 404
