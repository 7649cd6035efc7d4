"""What a reader of a page has: a clone, a shell with `graders` on its PATH, and servers to ask."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.warm import CLIENT
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.server.process import Serving

__all__ = ["ROOT", "SERVE", "World", "warm_process"]

ROOT = Path(__file__).parents[2]
CLONED = (
    "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "README.md", "benchmarks", "docs", "graders",
    "pyproject.toml", "tests", "tools",
)  # fmt: skip

SERVE = "http://127.0.0.1:8000"
"""Where pages say that `graders serve` is; it gets a free port here."""

MODELS = ("http://127.0.0.1:8080/v1", "https://ME.openai.azure.com")
"""Where pages say that a model server is; one that answers by a script stands in for it."""


@contextmanager
def warm_process(folder: Path) -> Iterator[dict[str, str]]:
    """Start a warm `graders` whose place is the folder; yield the environment of its clients."""
    place = folder / "bin"
    place.mkdir()
    for name in ("graders", "pip", "python"):
        (place / name).write_text(f"#!{sys.executable} -IS\n{CLIENT}")
    make = f'#!/bin/sh\nexec {shutil.which("make")} --dry-run "$@"\n'
    (place / "make").write_text(make)
    (place / "pytest").write_text(f'#!/bin/sh\nexec {sys.executable} -m pytest "$@"\n')
    for one in place.iterdir():
        one.chmod(0o755)
    command = [sys.executable, str(Path(__file__).with_name("warm.py")), str(folder / "warm")]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path) as warm:
        try:
            assert warm.stdout is not None
            assert warm.stdout.readline() == "warm\n"
            yield {"WARM": str(folder / "warm"), "PATH": f"{place}:{os.environ['PATH']}"}
        finally:
            warm.kill()


@dataclass
class World:
    """A folder that looks like a clone, and what runs beside it until `close`.

    Attributes:
        folder: where the reader is.
        environment: of every command, and nothing besides.
        servers: each `graders serve` that a page started, by its words; pages share them.
        plain: gives the one without words, which many tests share.
        said: standard output and standard error of the last shell block.
    """

    folder: Path
    environment: dict[str, str]
    servers: dict[tuple[str, ...], Serving]
    plain: Callable[[], Serving]
    said: str = ""
    _stand_ins: dict[str, str] = field(default_factory=dict)
    _ends: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        clone, home = self.folder / "clone", self.folder / "home"
        home.mkdir()
        shutil.copytree(ROOT / "samples", clone / "samples")
        for name in CLONED:
            (clone / name).symlink_to(ROOT / name)
        self._served = self.folder / "served"
        self.environment = {
            **self.environment, "HOME": str(home), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1",
            "GRADERS_DATA_DIR": str(home / "data"), "SERVED": str(self._served),
            "PYTHONPATH": str(home / "site"),
        }  # fmt: skip
        self.folder = clone

    def shell(self, code: str) -> int:
        """Run commands up to the first that fails; return its exit code, or 0."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", self.put_right(code)], cwd=self.folder,
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )  # fmt: skip
        self.said = done.stdout
        if self._served.exists():
            for line in self._served.read_text().splitlines():
                self._serve(json.loads(line))
            self._served.unlink()
        return done.returncode

    def put_right(self, code: str) -> str:
        """Return code with the addresses of the servers that stand in for those it names."""
        for url in MODELS:
            if url in code and url not in self._stand_ins:
                self._stand_ins[url] = self.model_server()
        for url, other in self._stand_ins.items():
            code = code.replace(url, other)
        return code

    def model_server(self) -> str:
        """Start a model server that gives any verdict asked for, else a city; return its URL."""
        server = ScriptedServer(_answer)
        self._ends.append(server.stop)
        return server.url

    def _serve(self, words: list[str]) -> None:
        serving = self.servers.get(tuple(words)) if words else self.plain()
        if serving is None:
            # In the reader's folder, as its paths are relative to it.
            before = Path.cwd()
            os.chdir(self.folder)
            try:
                # One process that grades is as good as many, and sooner there; what a page creates
                # is not waited for, and runs in the tests of the server.
                options = (*words, "--processes", "1", "--jobs", "0")
                serving = Serving(self.folder.parent / "served-data", options)
            finally:
                os.chdir(before)
            self.servers[tuple(words)] = serving
        for path in ("/healthz", "/"):
            assert serving.ask("GET", path).status == 200, serving.said
        self._stand_ins[SERVE] = serving.url

    def close(self) -> None:
        """Stop what was started."""
        for end in self._ends:
            end()


def _answer(asked: Asked, _: int) -> Told:
    judged = "response_format" in asked.body
    return completion() if judged else completion("Paris")
