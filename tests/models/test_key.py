"""The key stands in no output, whoever says it aloud."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.sandbox import probe
from graders.wire.endpoint import ApiKey
from tests.models.server import Asked, Told, completion, error

KEY = "sk-very/secret+key==0123456789"
MAIN = """
import json, sys
from graders.cli import _main
for arguments in json.load(sys.stdin):
    _main(arguments)
"""
SOURCE = """
import glob, os
def grade(sample, item):
    seen = [dict(os.environ)]
    for place in ["/proc/self/environ", f"/proc/{os.getppid()}/environ", *glob.glob("/proc/[0-9]*/environ")]:
        try:
            seen.append(open(place, "rb").read())
        except OSError as error:
            seen.append(str(error))
    print(seen)
    raise ValueError(str(seen))
"""
GRADER = {
    "type": "multi", "name": "m", "calculate_output": "judge + code",
    "graders": {
        "judge": {"type": "score_model", "name": "j", "model": "judge",
                  "input": [{"role": "user", "content": "{{ sample.output_text }}"}]},
        "code": {"type": "python", "name": "p", "source": SOURCE},
    },
}  # fmt: skip


def echo(asked: Asked, count: int) -> Told:
    """Say the key back, in each way a server or a proxy may."""
    header = asked.headers["authorization"]
    page = {"content-type": "text/html"}
    said = [
        error(401, f"bad key {header}"),
        Told(500, json.dumps({"error": {"message": "x", "headers": {"Authorization": header}}}).encode()),
        Told(400, json.dumps({"error": header.replace("Bearer ", "")}).replace("/", "\\/").encode()),
        Told(502, f"<html><title>{header}</title>".encode(), page),
        Told(307, b"", {"location": "https://elsewhere.example/?key=sk-very%2Fsecret%2Bkey%3D%3D0123456789"}),
        Told(200, f"<html>{header}".encode(), page),
        Told(200, header.encode("utf-16")),
        Told(200, json.dumps({"choices": [], "model": KEY, "error": {"message": KEY}}).encode()),
        Told(200, b"x", {"content-type": KEY}),
        Told(200, b"x", {"content-encoding": KEY}),
        completion(f"the key is {header}"),
        completion(None, refusal=header),
        completion(None, reasoning_content=header),
        completion(None, tool_calls=[{"function": {"name": KEY}}]),
        completion(header, "length"),
        completion(header, "content_filter"),
        completion(json.dumps({"steps": [{"description": KEY, "conclusion": KEY}], "result": 1})),
        Told(422, json.dumps({"detail": [{"loc": [KEY], "msg": KEY}]}).encode()),
    ]  # fmt: skip
    return said[count % len(said)]


@pytest.mark.more
def test_no_output_of_any_command_holds_the_key(serve, tmp_path, monkeypatch):
    if probe().default is None:
        pytest.skip("this machine does not give the level `standard`")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve(echo)
    (tmp_path / "g.json").write_text(json.dumps(GRADER))
    rows = [json.dumps({"item": {}, "sample": str(n)}) for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    (tmp_path / "tmp").mkdir()
    commands = []
    for command in (
        ["score", "g.json", "rows.jsonl", "-o", "one.jsonl", "--json"],
        ["score", "g.json", "rows.jsonl", "-o", "-", "--refresh"],
        ["score", "g.json", "rows.jsonl", "-o", "three.jsonl", "--offline"],
        *[["run", "g.json", "--sample", str(n)] for n in range(3, 5)],
        ["run", "g.json", "--sample", "4", "--json"],
        ["run", "g.json", "--sample", "5", "--hosted"],
        ["validate", "g.json"],
        ["doctor", "--json"],
    ):
        asks = command[0] in ("run", "score")
        more = (
            ["--base-url", server.url, "--cache-file", "c.sqlite", "--attempts", "2"]
            if asks
            else []
        )
        if asks and not {"--refresh", "--offline"} & set(command):
            more.append("--cache")
        commands.append([*command, *more])
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", MAIN], input=json.dumps(commands).encode(),
        cwd=tmp_path, capture_output=True, check=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    assert len(server.asked) >= 18  # Each way to say it back was taken.
    shown = done.stdout + done.stderr
    assert b"model_grader" in shown
    assert b"[key]" in shown
    assert b"PATH" in shown  # The python grader's own environment was printed.
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"one.jsonl", "three.jsonl", "c.sqlite"} <= {path.name for path in files}
    everything = shown + b"".join(path.read_bytes() for path in files)
    for form in (KEY, KEY.replace("/", "\\/"), KEY[:20], "%2Fsecret%2Bkey", "0123456789",
                 base64.b64encode(KEY.encode()).decode()):  # fmt: skip
        assert form.encode() not in everything, form
        assert form.encode("utf-16-le") not in everything, form


def test_the_key_stands_in_no_traceback_and_no_object(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve(echo)
    code = f"""
import pickle, sys, traceback
import graders
from graders.calls import ChatCall
from graders.models.client import ChatClient
client = ChatClient(graders.JudgeOptions(base_url={server.url!r}, cache="none"))
client.perform(ChatCall("m", [[{{"role": "user", "content": "x"}}]], "v", {{}}, {{}}))
print(vars(client), client._endpoint, client._endpoint.key, client.options, client.stats)
try:
    pickle.dumps(client._endpoint)
except TypeError:
    traceback.print_exc()
def deep(client, options):
    endpoint = client._endpoint
    raise ValueError(endpoint)
try:
    deep(client, client.options)
except ValueError as error:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    print("".join(shown.format()))
client.close()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=True
    )
    assert "<ApiKey>" in done.stdout
    assert "a key is not pickled" in done.stderr
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("text", ["\nkey", "ключ-secret", "two secret words"])
def test_a_key_that_no_header_carries_is_not_shown_either(tmp_path: Path, text: str):
    (tmp_path / "key").write_text(f"secret{text}secret")
    with pytest.raises(graders.GradersError) as caught:
        graders.load(
            {"type": "score_model", "name": "j", "model": "m", "input": [{"role": "user", "content": "x"}]},
            judge=graders.JudgeOptions(base_url="http://127.0.0.1:1/v1", api_key_file=tmp_path / "key"),
        ).grade(sample="x")  # fmt: skip
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "said", [KEY, KEY.replace("/", "\\/"), "sk-very%2Fsecret%2Bkey%3D%3D0123456789", f"{KEY}{KEY}"]
)
def test_each_way_to_write_a_key_is_redacted(said: Any):
    assert set(ApiKey(KEY).redact(f"a {said} b").split()) <= {"a", "b", "[key]", "[key][key]"}
