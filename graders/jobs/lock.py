"""Who runs a job: whoever holds its lock, which the system lets go of at any death."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, Self

from graders.jobs.database import unusable

__all__ = ["Claim"]


class Claim:
    """The right to run one job, held until it is released or the process is gone.

    Args:
        path: the lock's file.

    Attributes:
        held: whether the right was free.

    Raises:
        ApiError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        import fcntl  # noqa: PLC0415  (absent on Windows, which has no sandbox either)

        self._path = path
        self._file: IO[bytes] | None = None
        try:
            while True:
                opened = path.open("ab")
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
