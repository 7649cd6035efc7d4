"""What went wrong in the training process, in a sentence."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

from graders.training import reason
from graders.training.reason import (
    killed_for_memory,
    lacks_memory,
    reason_of,
    short_of_memory,
    signal_of,
)
from graders.training.session import NotTrainableError

PLAN: dict[str, Any] = {
    "kind": "supervised", "base": "/models/mine",
    "schedule": {"rows_at_once": 4, "batch_size": 8},
    "settings": {"lora_rank": 16, "length": 2048},
}  # fmt: skip


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (raised(RuntimeError("[enforce fail] unexpected pos 64 vs 0"), OSError(errno.ENOSPC, "x")), "disk_full"),
        (RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed"), "disk_full"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "out_of_memory"),
        (RuntimeError("std::bad_alloc"), "out_of_memory"),
        (RuntimeError("can't start new thread"), "out_of_memory"),
        (ImportError("x.so: failed to map segment from shared object"), "out_of_memory"),
        (ModuleNotFoundError("No module named 'peft'", name="peft"), "training_unavailable"),
        (raised(RuntimeError("x"), NotTrainableError("diverged", "the loss")), "diverged"),
        (ValueError("odd\nmore"), "training_failed"),
    ],
)  # fmt: skip
def test_each_reason_has_its_code(error: BaseException, code: str) -> None:
    found, message = reason_of(error, Path("/job"), PLAN)
    assert found == code
    assert message
    assert "\n" not in message


def test_what_is_not_known_is_said_with_the_place_of_the_rest() -> None:
    assert reason_of(ValueError("odd\nmore"), Path("/job"), PLAN) == (
        "training_failed", "ValueError: odd (/job/worker.log says where)",
    )  # fmt: skip


def test_too_little_memory_says_what_was_tried_and_what_takes_less() -> None:
    assert short_of_memory(PLAN) == (
        "there is not enough memory for /models/mine with 4 rows of up to 2,048 tokens at once, training an adapter of "
        "rank 16 (batch size 8): set --train-rows 1 and resume the job: its steps stay the same. Else create it again "
        "with less (--train-length, --lora-rank), or take a smaller model; checkpoints that are there stay and can be used"
    )


def test_what_does_not_help_is_not_named() -> None:
    tried = {**PLAN, "kind": "reinforcement", "schedule": {"rows_at_once": 1, "batch_size": 8},
             "settings": {"lora_rank": None, "length": 512}}  # fmt: skip
    said = short_of_memory(tried)
    assert "1 answer of up to 512 tokens at once, training every weight" in said
    assert "--train-rows" not in said
    assert "(--train-length, --train-answer-tokens, without --train-full)" in said


@pytest.mark.parametrize(
    ("log", "is_so"),
    [
        ("memory allocation of 4096 bytes failed", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("Traceback:\nMemoryError", True),
        ("Loading weights: 100%", False),
        ("", False),
    ],
)
def test_a_process_that_its_libraries_end_for_memory_leaves_words(log: str, is_so: bool) -> None:
    assert lacks_memory(log) is is_so


def test_processes_that_the_system_killed_for_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "vmstat"
    monkeypatch.setattr(reason, "_COUNTER", counter)
    assert killed_for_memory() == 0
    counter.write_text("nr_free_pages 12\noom_kill 3\nswap_ra 0\n")
    assert killed_for_memory() == 3


def test_a_signal_has_its_name() -> None:
    assert signal_of(-signal.SIGKILL) == "SIGKILL"
    assert signal_of(-1000) == "signal 1000"
