"""A call done: the command in a process of its own, killed when its time is over or nobody waits."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.agent.place import lay_out
from graders.agent.tool import RESULTS, SUMMARY, Tool, ToolError, checked

__all__ = ["Caller"]

MOST_SAID: Final = 400_000
"""Bytes of an answer: what an agent reads, it reads whole."""
_MOST_READ: Final = 32_000_000


@dataclass(frozen=True)
class Caller:
    """Does the calls of tools.

    Attributes:
        root: the folder that calls may name files in; None for none.
        seconds: how long a call may take.
        asking: words for each command that may ask models.
    """

    root: Path | None
    seconds: float
    asking: Sequence[str] = ()

    async def call(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a tool gives.

        Raises:
            ToolError: it cannot; the message says why.
        """
        given = checked(tool, arguments, files=self.root is not None)
        with tempfile.TemporaryDirectory(prefix="graders-agent-") as name:
            folder = Path(name)
            words = lay_out(tool, given, folder, self.root)
            if tool.asks:
                words[1:1] = self.asking
            said, wrong = await self._run(words, folder)
            return _told(tool, said, wrong, folder)

    async def _run(self, words: Sequence[str], folder: Path) -> tuple[bytes, str]:
        # -P: what a call has laid out in the folder is not to be imported.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "graders", *words, cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "1000", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=os.name != "nt",
        )  # fmt: skip
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        assert process.stderr is not None  # noqa: S101
        try:
            async with asyncio.timeout(self.seconds):
                said, wrong = await asyncio.gather(
                    process.stdout.read(_MOST_READ), process.stderr.read(_MOST_READ)
                )
                said, wrong = (
                    said + await process.stdout.read(1),
                    wrong + await process.stderr.read(1),
                )
                await process.wait()
        except TimeoutError:
            raise ToolError(
                f"this took longer than {self.seconds:g} s and was stopped; give fewer rows, or ask the user for "
                f"graders mcp --timeout"
            ) from None
        finally:
            await _end(process)
        return said, wrong.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a command and all it started, where it still runs; its sandbox ends with it."""
    with suppress(ProcessLookupError):
        if process.returncode is None and os.name != "nt":
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
    await asyncio.shield(process.wait())


def _told(tool: Tool, said: bytes, wrong: str, folder: Path) -> dict[str, Any]:
    if tool.name == "score":
        return _scored(folder, wrong)
    try:
        body = jsontext.decode(said, allow_nan=True)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ToolError(_sentence(wrong))
    if tool.name == "validate":
        body.pop("findings", None)
    elif tool.name == "lint":
        body = {
            name: body[name] for name in ("valid", "faults", "findings", "rows") if name in body
        }
    if len(said) > MOST_SAID:
        raise ToolError(
            f"the answer has {len(said):,} bytes, {MOST_SAID:,} are the most; give fewer or shorter rows"
        )
    return body


def _scored(folder: Path, wrong: str) -> dict[str, Any]:
    """Return the summary and as many results as fit."""
    if not (folder / SUMMARY).exists():
        raise ToolError(_sentence(wrong))
    summary = (folder / SUMMARY).read_bytes()
    path = folder / RESULTS
    path = path if path.exists() else folder / f"{RESULTS}.partial"
    lines = path.read_bytes().splitlines() if path.exists() else []
    room, results = MOST_SAID - len(summary), []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        results.append(jsontext.decode(line))
    left = len(lines) - len(results)
    return {"summary": jsontext.decode(summary), "results": results, "left_out": left}


def _sentence(wrong: str) -> str:
    """Return what a command said of why it did not do what was asked, without its name."""
    lines = [re.sub(r"^graders: ", "", line) for line in wrong.strip().splitlines()]
    text = "\n".join(line for line in lines if not line.startswith(("Usage: ", "Try "))).strip()
    return text[:MOST_SAID] or "the command ended without saying why"
