"""How the modules of `inside` are started in a process of their own, under any interpreter."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["FLAGS", "command", "environment"]

FLAGS: Final = ("-s",)
"""No user site. Not -I: it would ignore PYTHONHASHSEED, and the environment
is ours anyway (`environment`), with PYTHONSAFEPATH against the current folder."""

# A package made of one folder, so that its modules import one another without the engine's path.
_BOOT: Final = (
    "import sys,types;sys.path[:]=filter(None,sys.path);p=types.ModuleType('_inside');p.__path__=[sys.argv[1]];"
    "sys.modules['_inside']=p;from _inside.start import main;main(sys.argv[2:])"
)

_INSIDE: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")  # noqa: PTH100, PTH118, PTH120


def command(python: str) -> list[str]:
    """Return the start of a command line; the rest goes to `inside.start.main`."""
    return [python, *FLAGS, "-c", _BOOT, _INSIDE]


def environment(scratch: str, nltk_data: str) -> dict[str, str]:
    """Return the whole environment of a worker: nothing of the engine's but a search path.

    Fixed hashing, zone and language, one thread in numeric libraries: equal calls, equal scores.
    """
    threads = dict.fromkeys(
        (
            "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS",
        ),
        "1",
    )  # fmt: skip
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "grader",
        "LOGNAME": "grader",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "NLTK_DATA": nltk_data,
        **threads,
    }
