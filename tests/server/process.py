"""A real `graders serve` in a process of its own, and what is needed to ask it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import forks
from tests.waiting import PATIENCE

__all__ = ["BEARER", "TOKEN", "Answer", "Serving"]

TOKEN = "a-token-of-some-length-0123"
"""What the server `guarded` demands."""
BEARER = {"Authorization": f"Bearer {TOKEN}"}
"""The header that shows it."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass
class Serving:
    """A server that was started; its log is read as it writes it."""

    folder: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    lines: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | forks.Fork = field(init=False)
    port: int = 0

    def __post_init__(self) -> None:
        given = any(one.startswith("--port") for one in self.options)
        port = () if given else ("--port", "0")
        words = ["serve", *port, "--data-dir", str(self.folder), *self.options]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", **self.environment}
        if self.before or any(name.startswith("PYTHON") for name in self.environment):
            self.process = subprocess.Popen(
                [*self.before, sys.executable, "-m", "graders", *words], env=environment, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        else:
            self.process = forks.start(words, environment)
        self._listening = threading.Event()
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._listening.wait(PATIENCE), "the server does not start"
        if not self.port:
            self.close()
            raise AssertionError("the server ended: " + "".join(self._said))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)
            if line.startswith("{"):
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == "listening":
                    self.port = int(self.lines[-1].get("url", ":-1").rpartition(":")[2])
                    self._listening.set()
        self._listening.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """Everything the server has written on standard error."""
        return "".join(self._said)

    def ask(
        self, method: str, path: str, body: Any = None, *, timeout: float = PATIENCE, **headers: str
    ) -> Answer:
        """Return the answer to a request; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if "--unix-socket" in self.options:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(timeout)
            connection.sock.connect(self.options[self.options.index("--unix-socket") + 1])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def run(self, grader: Any, sample: Any = "", item: Any = None, **headers: str) -> Answer:
        """Return the answer of graders.run."""
        body = {"grader": grader, "model_sample": sample}
        if item is not None:
            body["item"] = item
        return self.ask(
            "POST", "/v1/fine_tuning/alpha/graders/run", body, timeout=PATIENCE, **headers
        )

    def upload(
        self, content: bytes, name: str = "rows.jsonl", purpose: str = "fine-tune", **headers: str
    ) -> Answer:
        """Return the answer to an upload."""
        parts = (
            b'--frontier\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n'
            + purpose.encode()
            + b'\r\n--frontier\r\ncontent-disposition: form-data; name="file"; filename="'
            + name.encode()
            + b'"\r\ncontent-type: application/octet-stream\r\n\r\n'
            + content
            + b"\r\n--frontier--\r\n"
        )
        kind = "multipart/form-data; boundary=frontier"
        return self.ask(
            "POST", "/v1/files", parts, timeout=PATIENCE, **{"Content_Type": kind, **headers}
        )

    def is_busy_with(self, requests: int) -> bool:
        """Whether so many grading requests are under way or wait."""
        return bool(self.ask("GET", "/readyz").json["waiting"] == requests)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.close()
        return code

    def close(self) -> None:
        """End the server whatever it does, and read its log to the end."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
