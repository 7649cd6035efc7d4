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
from graders.agent.advice import NOT_GRADED, in_its_words, next_step
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
            body = _told(tool, said, wrong, folder)
            return {**body, "next": next_step(tool, body)}

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
                said, wrong = await asyncio.gather(_read(process.stdout), _read(process.stderr))
                await process.wait()
        except TimeoutError:
            raise ToolError(
                f"this took longer than {self.seconds:g} s and was stopped; give fewer rows, or ask the user for "
                f"graders mcp --timeout"
            ) from None
        finally:
            await _end(process)
        return said, wrong.decode(errors="replace")


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Return all that comes: one `read` gives what there is, which is less.

    Raises:
        ToolError: it is more than anybody reads.
    """
    parts, size = [], 0
    while part := await stream.read(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _MOST_READ:
            raise _too_long(f"more than {_MOST_READ:,}")
    return b"".join(parts)


def _too_long(size: str) -> ToolError:
    return ToolError(
        f"the answer has {size} bytes, {MOST_SAID:,} are the most; give fewer or shorter rows"
    )


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
        return _scored(tool, folder, wrong)
    try:
        body = jsontext.decode(said, allow_nan=True)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ToolError(in_its_words(_sentence(wrong), tool))
    body = _shortened(tool, body)
    if (size := len(jsontext.encode(body))) > MOST_SAID:
        raise _too_long(f"{size:,}")
    return body


def _shortened(tool: Tool, body: dict[str, Any]) -> dict[str, Any]:
    """Return what an agent has a use for: it reads all of it, and pays for each word."""
    if tool.name == "validate":
        body.pop("findings", None)
    elif tool.name == "lint":
        body = {
            name: body[name] for name in ("valid", "faults", "findings", "rows") if name in body
        }
        for one in body.get("findings", ()):
            one["fix"] = NOT_GRADED if one["code"] == "G612" else in_its_words(one["fix"], tool)
    elif tool.name == "probe":
        body["attacks"] = [_attack(one) for one in body["attacks"]]
    else:
        for one in body.get("failures", ()):
            one["message"] = in_its_words(one["message"], tool)
    return body


def _attack(one: dict[str, Any]) -> dict[str, Any]:
    """Return an attack with the row that paid most for it; without any, where none paid as for its own answer."""
    left_out = {"variants", "honest"} | (set() if one.get("reached") else {"worst", "paid_by"})
    kept = {name: value for name, value in one.items() if name not in left_out}
    return {**kept, "worst": kept["worst"][:1]} if "worst" in kept else kept


def _scored(tool: Tool, folder: Path, wrong: str) -> dict[str, Any]:
    """Return the summary and as many results as fit."""
    if not (folder / SUMMARY).exists():
        raise ToolError(in_its_words(_sentence(wrong), tool))
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
    body = {"summary": jsontext.decode(summary), "results": results, "left_out": left}
    firsts = (one for kind in body["summary"]["failures"].values() for one in kind["first"])
    for one in (*firsts, *(one for row in results for one in row["failures"])):
        one["message"] = in_its_words(one["message"], tool)
    return body


def _sentence(wrong: str) -> str:
    """Return what a command said of why it did not do what was asked, without its name."""
    lines = [re.sub(r"^graders: ", "", line) for line in wrong.strip().splitlines()]
    text = "\n".join(line for line in lines if not line.startswith(("Usage: ", "Try "))).strip()
    return text[:MOST_SAID] or "the command ended without saying why"
