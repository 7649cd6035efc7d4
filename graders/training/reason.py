"""Why a training process came to an end that was not its own wish, in a sentence. Reads what it is given.

A process that lacks memory may say so, be ended by its own libraries (abort), or by the system (SIGKILL).
"""

from __future__ import annotations

import contextlib
import errno
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graders.errors import GradersError, shown
from graders.training.session import NotTrainableError

__all__ = ["killed_for_memory", "lacks_memory", "no_room", "reason_of", "short_of_memory", "signal_of"]  # fmt: skip

_FULL: Final = ("no space left on device", "os error 28", "disk quota exceeded", "storagefull",
                "pytorchstreamwriter failed", "unexpected pos")  # fmt: skip
_MEMORY: Final = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cannot allocate memory",
    "bad_alloc",
    "memoryerror",
    "memory allocation of",  # What Rust says before it aborts.
    "can't start new thread",
    "thread creation failed",
    "pthread_create failed",
    "failed to map segment",
)
_KEPT: Final = "checkpoints that are there stay and can be used"
_COUNTER: Final = Path("/proc/vmstat")


def reason_of(error: BaseException, folder: Path, plan: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the sentence of what went wrong.

    Args:
        error: what was raised; what it came from is looked at too.
        folder: the job's folder.
        plan: the job's plan.
    """
    chain, one = list[BaseException](), error
    while one not in chain:
        chain.append(one)
        one = one.__cause__ or one.__context__ or one
    for one in chain:
        if isinstance(one, NotTrainableError):
            return one.code, str(one)
    said = " ".join(f"{type(one).__name__}: {one}" for one in chain)
    full = any(
        isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in chain
    )
    if full or any(text in said.lower() for text in _FULL):
        return "disk_full", no_room(folder)
    if lacks_memory(said):
        return "out_of_memory", short_of_memory(plan)
    if isinstance(error, ModuleNotFoundError):
        return "training_unavailable", (
            f"{error.name} is not installed: pip install 'local-graders[train]'"
        )
    text = str(error).partition("\n")[0]
    if isinstance(error, GradersError):
        return "training_failed", shown(text, 400)
    return "training_failed", (
        f"{type(error).__name__}: {shown(text, 400)} ({folder / 'worker.log'} says where)"
    )


def no_room(folder: Path) -> str:
    """Return what is said of a disk that is full."""
    return f"there is no room on the disk of {folder}: make room, and resume the job; {_KEPT}"


def lacks_memory(said: str) -> bool:
    """Return whether an error's words, or the end of a log, tell of too little memory."""
    return any(text in said.lower() for text in _MEMORY)


def short_of_memory(plan: Mapping[str, Any]) -> str:
    """Return what was tried and what takes less memory; what changes no result is named first."""
    numbers, settings = plan["schedule"], plan["settings"]
    reinforced = plan["kind"] == "reinforcement"
    at_once, rank = numbers["rows_at_once"], settings["lora_rank"]
    kind = "answer" if reinforced else "row"
    what = "every weight" if rank is None else f"an adapter of rank {rank}"
    less = ["--train-length"] + ["--train-answer-tokens"] * reinforced
    less += ["without --train-full"] if rank is None else ["--lora-rank"]
    first = "set --train-rows 1 and resume the job: its steps stay the same. Else " * (at_once > 1)
    return (
        f"there is not enough memory for {plan['base']} with {at_once:,} {kind}{'s' * (at_once > 1)} of up to "
        f"{settings['length']:,} tokens at once, training {what} (batch size {numbers['batch_size']}): {first}create it "
        f"again with less ({', '.join(less)}), or take a smaller model; {_KEPT}"
    )


def killed_for_memory() -> int:
    """Return how many processes this system has killed since its start because memory ran out.

    0 where it does not say so.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in _COUNTER.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def signal_of(code: int) -> str:
    """Return the name of the signal that ended a process, from its exit code below 0."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
