"""Look every package of tools/lock up among the known vulnerabilities of the package index.

    python tools/audit.py        exit code 0: none known; 1: some are; 2: nothing could be looked up

The index says for a version what is known of it. Where it does not answer for single versions (some
mirrors do not), it is asked for the newest one, which is what a fresh lock holds nearly throughout;
a package whose locked version is another is named as not looked up, never passed over in silence.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from pip._internal.models.index import PyPI  # the index that pip was made for

LOCKS: Final = Path(__file__).resolve().parent / "lock"
PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
SECONDS: Final = 60

Package = tuple[str, str]
"""(name, version)"""


def locked() -> dict[Package, list[str]]:
    """Return every package of every lock, with the names of the locks that hold it."""
    found: dict[Package, list[str]] = {}
    for lock in sorted(LOCKS.glob("*.txt")):
        for name, version in PINNED.findall(lock.read_text(encoding="utf-8")):
            found.setdefault((name, version), []).append(lock.stem)
    return found


def _fetched(*path: str) -> Any:
    """Return a document of the index, None where it has none or does not answer."""
    address = "/".join((PyPI.pypi_url, *path, "json"))
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as reply:  # noqa: S310  (https)
            return json.load(reply)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def known(package: Package) -> list[str] | None:
    """Return a line for each known vulnerability of a package, None if it cannot be looked up."""
    name, version = package
    said = _fetched(name, version)
    if said is None:
        said = _fetched(name)
        if said is None or said["info"]["version"] != version:
            return None
    return [
        f"{name} {version}: {' '.join([hole['id'], *hole['aliases']])}, "
        f"mended in {', '.join(hole['fixed_in']) or 'no version yet'}"
        for hole in said["vulnerabilities"]
        if not hole.get("withdrawn")
    ]


def _lines(
    found: dict[Package, list[str] | None], locks: dict[Package, list[str]]
) -> Iterator[str]:
    for package, holes in found.items():
        for hole in holes or ():
            yield f"VULNERABLE  {hole} (in {', '.join(locks[package])})"
    for (name, version), holes in found.items():
        if holes is None:
            where = ", ".join(locks[name, version])
            yield f"not looked up  {name} {version} (in {where}): the index does not say"


def main() -> int:
    """Look them all up and say what is known."""
    locks = locked()
    with ThreadPoolExecutor(16) as pool:
        found = dict(zip(locks, pool.map(known, locks), strict=True))
    for line in _lines(found, locks):
        print(line)  # noqa: T201
    looked_up = sum(holes is not None for holes in found.values())
    bad = sum(bool(holes) for holes in found.values())
    print(f"{looked_up} of {len(found)} packages looked up, {bad} with known vulnerabilities")  # noqa: T201
    if not looked_up:
        return 2
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
