"""The hosted image on this machine: a virtual environment with exactly its pinned packages.

Does: builds it once for each user under the cache folder, whole or not at all, and finds it
again. Does not: know the service's Python version (nobody outside does), nor fetch NLTK's
corpora, which are data and come by `graders data`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from graders.errors import OptionError, UnavailableError

__all__ = ["IMAGES", "LEFT_OUT", "build", "folder", "interpreter"]

IMAGES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        # As the hosted documentation lists them.
        "2025-05-08": MappingProxyType(
            {
                "numpy": "2.2.4",
                "scipy": "1.15.2",
                "sympy": "1.13.3",
                "pandas": "2.2.3",
                "rapidfuzz": "3.10.1",
                "scikit-learn": "1.6.1",
                "rouge-score": "0.1.2",
                "deepdiff": "8.4.2",
                "jsonschema": "4.23.0",
                "pydantic": "2.10.6",
                "pyyaml": "6.0.2",
                "nltk": "3.9.1",
                "sqlparse": "0.5.3",
                "rdkit": "2024.9.6",
                "scikit-bio": "0.6.3",
                "ast-grep-py": "0.36.2",
            }
        ),
    }
)

LEFT_OUT: Final = frozenset({"rdkit", "scikit-bio"})
"""What a lite image leaves out: the largest, and the one that needs a C compiler."""

_READY: Final = "graders-image-ready"


def folder() -> Path:
    """Return the folder of this user's images."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.name == "nt":  # pragma: no cover  (there is no sandbox on Windows)
        cache = cache or os.environ.get("LOCALAPPDATA", "")
    root = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"  # noqa: PTH117
    return root / "local-graders" / "images"


def _place(tag: str, *, lite: bool) -> Path:
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return folder() / f"{tag}{'-lite' if lite else ''}-{version}"


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def interpreter(tag: str) -> Path | None:
    """Return the interpreter of a built image (the full one before the lite one), or None."""
    if tag not in IMAGES:
        return None
    for lite in (False, True):
        place = _place(tag, lite=lite)
        if (place / _READY).is_file() and _python(place).exists():
            return _python(place)
    return None


def build(tag: str, *, lite: bool = False, progress: Callable[[str], object] | None = None) -> Path:
    """Build an image, or find it built; return its python.

    Args:
        tag: a key of `IMAGES`.
        lite: leave out `LEFT_OUT`.
        progress: is told each step, one line a call.

    Raises:
        OptionError: the tag is unknown.
        UnavailableError: the packages could not be installed; says what the installer said.
    """
    if tag not in IMAGES:
        known = ", ".join(repr(name) for name in IMAGES)
        raise OptionError(f"there is no image {tag!r}; known: {known}")
    tell = progress or (lambda _: None)
    place = _place(tag, lite=lite)
    if (place / _READY).is_file() and _python(place).exists():
        tell(f"{place} is there already")
        return _python(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    pins = [
        f"{name}=={version}"
        for name, version in IMAGES[tag].items()
        if not (lite and name in LEFT_OUT)
    ]
    with _alone(place):
        if (place / _READY).is_file() and _python(place).exists():
            return _python(place)  # another process built it meanwhile
        # A virtual environment cannot be moved, so it is built in place and counts only once
        # its mark is written; what an interrupted build left is thrown away.
        shutil.rmtree(place, ignore_errors=True)
        tell(f"making a virtual environment in {place}")
        _run([sys.executable, "-m", "venv", str(place)], tell)
        tell(f"installing {len(pins)} packages")
        # Wheels where there are any: only scikit-bio and rouge-score come as sources.
        _run(
            [str(_python(place)), "-m", "pip", "install", "--disable-pip-version-check",
             "--no-input", "--prefer-binary", *pins],
            tell,
        )  # fmt: skip
        (place / _READY).write_text("\n".join(pins) + "\n", encoding="utf-8")
    tell(f"done: {_python(place)}")
    return _python(place)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold a lock, so that two builds of one image do not meet."""
    import fcntl  # noqa: PLC0415  (absent on Windows)

    with open(f"{place}.lock", "w", encoding="utf-8") as lock:  # noqa: PTH123
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(order: list[str], tell: Callable[[str], object]) -> None:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(
            order, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None  # noqa: S101
            for line in process.stdout:
                log.write(line)
                tell(line.rstrip())
        if process.returncode != 0:
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()]
            said = next(
                (line for line in lines if "error:" in line.lower()), lines[-1] if lines else ""
            )
            raise UnavailableError(f"the image could not be built: {said[:500]}")
