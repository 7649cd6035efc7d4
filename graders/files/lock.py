"""Who runs a job: whoever holds its lock, which the system lets go of at any death."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, Self

from graders.files.disk import unusable
from graders.privacy import opener

__all__ = ["Claim"]


class Claim:
    """The right to run one job, held until it is released or the process is gone.

    Args:
        path: the lock's file.
        inherited: a descriptor that holds the right, from the process that started this one.

    Attributes:
        held: whether the right was free.

    Raises:
        ApiError: the file cannot be made.
    """

    def __init__(self, path: Path, *, inherited: int | None = None) -> None:
        import fcntl  # noqa: PLC0415  (absent on Windows, which has no sandbox either)

        self._path = path
        self._file: IO[bytes] | None = None
        if inherited is not None:
            os.set_inheritable(
                inherited, False
            )  # It ends with this process, not with its children.
            self._file = os.fdopen(inherited, "ab")
            return
        try:
            while True:
                opened = open(path, "ab", opener=_opener)  # noqa: SIM115  (Path.open has none)
                try:
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    stands = path.stat().st_ino == os.fstat(opened.fileno()).st_ino
                except BlockingIOError:
                    opened.close()
                    break
                except FileNotFoundError:
                    stands = False
                except BaseException:
                    opened.close()
                    raise
                if stands:
                    self._file = opened
                    break
                opened.close()  # Its holder took it away between our opening and our lock.
        except OSError as error:
            raise unusable(path, error) from None

    def descriptor(self) -> int:
        """Return the descriptor that holds the right, for a process that is to hold it too.

        Raises:
            ValueError: the right is not this one's.
        """
        if self._file is None:
            raise ValueError("the right is not held")
        return self._file.fileno()

    @property
    def held(self) -> bool:
        """Whether the right is this one's."""
        return self._file is not None

    def release(self, *, finished: bool = False) -> None:
        """Let go; where the job is finished, take the lock away, for nobody will need it."""
        if self._file is None:
            return
        if finished:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._file.close()
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def _opener(path: str, flags: int) -> int:
    return opener(path, flags | getattr(os, "O_NOFOLLOW", 0))
