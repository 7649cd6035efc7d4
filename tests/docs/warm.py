"""A warm `graders`: one process with everything imported, which forks for each command.

The documentation has a hundred commands, and the start of each costs more than what it does. So
`graders` on a page's PATH is a few lines that hand their words, folder, environment and open files
to this process, and a fork of it then is that command. `python -c` is the same; `pip` looks whether
what it is to install is ours; `graders serve` is left to world.py, which starts a real one.
"""

from __future__ import annotations

import array
import importlib
import json
import os
import re
import signal
import socket
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

from tests.extension.package import install

CLIENT = """\
import array, json, os, socket, sys
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
if words[0] == "python" and words[1:2] != ["-c"]:
    os.execv(sys.executable, [sys.executable, *words[1:]])
asked = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
with socket.socket(socket.AF_UNIX) as warm:
    warm.connect(os.environ["WARM"])
    files = array.array("i", [0, 1, 2])
    warm.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    warm.sendall(json.dumps(asked).encode())
    warm.shutdown(socket.SHUT_WR)
    sys.exit(int(warm.recv(16) or b"70"))
"""
"""What stands on PATH as graders, pip and python."""

_IMPORTED = (
    "numpy", "numpy.ma", "numpy.random", "numpy.typing", "rapidfuzz", "yaml", "httpx2", "httpcore2",
    "graders.metrics.band", "graders.metrics.fuzzy", "graders.metrics.rouge",
    "graders.metrics.translation", "regex", "rich.progress", "rich.table", "xml.etree.ElementTree",
    "graders.api", "graders.jobs", "graders.report", "graders.suite", "graders.inspection.lint",
    "graders.cli.run", "graders.cli.score", "graders.cli.validate", "graders.cli.job",
)  # fmt: skip
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def main() -> None:
    """Serve the socket named by the first argument until killed."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in _IMPORTED:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the commands here.
        print("warm", flush=True)  # noqa: T201
        while True:
            client, _ = listener.accept()
            with client:
                if os.fork() == 0:
                    listener.close()
                    _be_a_command(client)


def _be_a_command(client: socket.socket) -> None:
    """Be what the client asks for, and end as it."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, rights, _, _ = client.recvmsg(1, socket.CMSG_SPACE(12))
        asked = json.loads(b"".join(iter(lambda: client.recv(1 << 16), b"")))
        for number, file in enumerate(array.array("i", rights[0][2])):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        sys.path.insert(0, os.environ["PYTHONPATH"])  # Where what a page installs is.
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww")
        )
        _run(asked["words"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  (as the interpreter does)
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.sendall(str(code).encode())
        os._exit(code)


def _run(words: list[str]) -> None:
    sys.argv = words
    if words[0] == "pip":
        _pretend_to_install(words[1:])
    elif words[0] == "python":
        warnings.simplefilter("error")
        sys.path.insert(0, "")
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(words[2], "<page>", "exec"), names)
    elif words[1] == "serve":
        with Path(os.environ["SERVED"]).open("a") as file:
            file.write(json.dumps(words[2:]) + "\n")
    else:
        from graders import cli

        cli.main(words[1:])


def _pretend_to_install(words: list[str]) -> None:
    """Ask of an installation only that what it names of ours is there; a folder is installed."""
    extras = tomllib.loads(_PROJECT.read_text())["project"]["optional-dependencies"]
    assert words[0] == "install", words
    for word in words[1:]:
        if word.startswith("./"):
            install(Path(word), Path(os.environ["PYTHONPATH"]))
            continue
        found = re.fullmatch(r"(?:\.|local-graders)(?:\[(.+)\])?", word)
        asked = found[1].split(",") if found and found[1] else []
        assert set(asked) <= set(extras), f"{word}: there is no such extra"


if __name__ == "__main__":
    main()
