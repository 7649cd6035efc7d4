"""What went wrong in the training process, in a sentence."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from graders.training.session import NotTrainableError
from graders.training.worker import reason_of


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
        (ModuleNotFoundError("No module named 'peft'", name="peft"), "training_unavailable"),
        (raised(RuntimeError("x"), NotTrainableError("diverged", "the loss")), "diverged"),
        (ValueError("odd\nmore"), "training_failed"),
    ],
)  # fmt: skip
def test_each_reason_has_its_code(error: BaseException, code: str) -> None:
    found, message = reason_of(error, Path("/job"))
    assert found == code
    assert message
    assert "\n" not in message


def test_what_is_not_known_is_said_with_the_place_of_the_rest() -> None:
    assert reason_of(ValueError("odd\nmore"), Path("/job")) == (
        "training_failed", "ValueError: odd (/job/worker.log says where)",
    )  # fmt: skip
