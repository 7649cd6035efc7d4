"""The command line of a worker process: `keeper`, `scan`, `find` or `namespaces`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Do what the engine's command line says."""
    what = arguments[0]
    if what == "keeper":
        from . import keeper  # noqa: PLC0415  (each command imports what it needs)

        keeper.main(int(arguments[1]), int(arguments[2]))
    elif what == "scan":
        from . import find  # noqa: PLC0415

        sys.path += arguments[1:]
        find.main()
    else:
        from . import lockdown  # noqa: PLC0415

        sys.stdout.write(lockdown.try_namespaces())
