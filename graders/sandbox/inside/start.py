"""The command line of a process of the sandbox: `keeper`, `scan`, `remove`, `namespaces`, `mounts`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Do what the engine's command line says."""
    what = arguments[0]
    if what == "keeper":
        # Compiled once for all workers to come, as any import is; of what a grader imports, nothing
        # is written.
        from . import keeper  # noqa: PLC0415  (each command imports what it needs)

        sys.dont_write_bytecode = True
        keeper.main(int(arguments[1]), int(arguments[2]))
    elif what == "scan":
        from . import find  # noqa: PLC0415

        sys.dont_write_bytecode = True
        sys.path += arguments[1:]
        find.main()
    elif what == "remove":
        from . import scratch  # noqa: PLC0415

        if os.fork() == 0:  # nobody waits for it, so nobody may be its parent
            scratch.empty(arguments[1], 3600.0, last=arguments[2])
            os.rmdir(arguments[1])  # noqa: PTH106
    else:
        import tempfile  # noqa: PLC0415

        from . import lockdown  # noqa: PLC0415

        sys.stdout.write(
            lockdown.try_out(mounts_alone=what == "mounts", folder=tempfile.gettempdir())
        )
