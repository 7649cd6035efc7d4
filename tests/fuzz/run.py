"""Fuzz the readers: `python -m tests.fuzz.run [--seconds N] [--keep] [TARGET ...]` (make fuzz).

Each target runs in a process of its own, one after the other. With atheris installed its engine
chooses the inputs by what they cover; else changes of the kept ones do, with Python's own tracing.
What makes a target fail is written to `tests/fuzz/corpus/<target>/fault-…`, which the ordinary tests
replay; what covers something new to `out/fuzz/<target>/`, from which `--keep` takes the few files that
are worth committing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
import traceback
from random import Random
from typing import Any, Final

from tests.fuzz import kept

OUT: Final = kept.HERE.parents[1] / "out" / "fuzz"
_HANG: Final = 20.0
"""Seconds of processor time that no input may take."""
_MEMORY: Final = 3072
_MOST_FAULTS: Final = 20
_PROGRESS: Final = 60.0


class HangError(BaseException):
    """An input took too long; not an Exception, so that nobody takes it for one of its own."""


class Watched:
    """A target that notes its faults, each kind once, goes on, and ends the process in time."""

    def __init__(self, name: str, target: kept.Target, seconds: float) -> None:
        self.name = name
        self.target = target
        self.count = 0
        self.faults: set[tuple[str, str]] = set()
        self.started = self.said = time.monotonic()
        self.ends = self.started + seconds
        signal.signal(signal.SIGPROF, _hang)

    def __call__(self, data: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, _HANG)
        try:
            self.target(data)
        except (Exception, HangError) as error:  # noqa: BLE001  (any fault at all)
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._note(data, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.count += 1
        now = time.monotonic()
        if now >= self.ends or len(self.faults) >= _MOST_FAULTS:
            self.say(now)
            os._exit(1 if self.faults else 0)
        if now - self.said >= _PROGRESS:
            self.say(now)

    def say(self, now: float) -> None:
        """Tell how far it is."""
        self.said = now
        folder = OUT / self.name
        grown = len(list(folder.iterdir())) if folder.is_dir() else 0
        _say(
            f"{self.name}: {now - self.started:.0f} s, {self.count:,} executions, "
            f"{grown} new inputs, {len(self.faults)} faults"
        )

    def _note(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/graders/" in frame.filename] or frames
        sort = (type(error).__name__, f"{own[-1].filename}:{own[-1].lineno}")
        if sort in self.faults:
            return
        self.faults.add(sort)
        path = kept.CORPUS / self.name / f"{kept.FAULT}{kept.named(data)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        _say(f"{self.name}: FAULT, written to {path}")
        traceback.print_exception(error, limit=-12, file=sys.stderr)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _hang(*_: Any) -> None:
    raise HangError(f"more than {_HANG:.0f} s of processor time")


def _fuzz(name: str, seconds: float, engine: str, seed: int | None) -> None:
    """Run one target until its time is over; does not return."""
    seeds, new = kept.CORPUS / name, OUT / name
    new.mkdir(parents=True, exist_ok=True)
    if engine == "atheris":
        atheris: Any = importlib.import_module("atheris")  # there is none for every Python

        with atheris.instrument_imports(include=["graders"], enable_loader_override=False):
            target, tokens = kept.found(name)
        words = OUT / f"{name}.dict"
        words.write_text("".join(f'"{_escaped(one)}"\n' for one in tokens))
        watched = Watched(name, target, seconds)
        folders = [str(one) for one in (new, seeds) if one.is_dir()]
        options = [
            f"-dict={words}", "-verbosity=0", f"-timeout={_HANG * 10:.0f}", "-max_len=4096",
            f"-rss_limit_mb={_MEMORY}", f"-artifact_prefix={OUT / name}-", f"-seed={seed or 0}",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options, *folders], watched)
        atheris.Fuzz()
        return
    target, tokens = kept.found(name)
    watched = Watched(name, target, seconds)
    random = Random(seed)
    pool, seen = kept.inputs(seeds, new) or [b""], set[Any]()
    waiting = list(pool)
    steps: set[Any] = set()

    def traced(data: bytes) -> None:
        nonlocal steps
        steps = set()
        steps = kept.run_covered(target, data)

    watched.target = traced
    while True:
        first = bool(waiting)
        data = waiting.pop() if first else kept.mutated(
            random.choice(pool), random, tokens, random.choice(pool)
        )  # fmt: skip
        watched(data)
        if not steps <= seen:
            seen |= steps
            if not first:
                pool.append(data)
                (new / kept.named(data)).write_bytes(data)


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _keep(name: str) -> None:
    """Leave the inputs that are worth keeping in a target's corpus."""
    folder = kept.CORPUS / name
    target, _ = kept.found(name)
    best = kept.worth_keeping(target, kept.inputs(folder, OUT / name))
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if not path.name.startswith(kept.FAULT):
            path.unlink()
    faults = set(kept.inputs(folder))
    for data in best:
        if data not in faults:
            (folder / kept.named(data)).write_bytes(data)
    _say(f"{name}: keeps {len(best)} inputs of {sum(map(len, best)):,} bytes")


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(kept.names()))
    parser.add_argument("--seconds", type=float, default=1200.0, help="for each target")
    parser.add_argument(
        "--engine", choices=("atheris", "own"), help="default: atheris if installed"
    )
    parser.add_argument("--seed", type=int, help="the same inputs each time, as far as it gets")
    parser.add_argument("--keep", action="store_true", help="only choose what is worth keeping")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.targets) - set(kept.names()):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(kept.names())}")
    engine = given.engine or ("atheris" if importlib.util.find_spec("atheris") else "own")
    if given.here:
        _fuzz(given.targets[0], given.seconds, engine, given.seed)
        return 0
    bad = []
    for name in given.targets or kept.names():
        if given.keep:
            _keep(name)
            continue
        _say(f"==> {name}, {given.seconds:.0f} s, engine {engine}")
        command = [sys.executable, "-m", "tests.fuzz.run", name, "--here", "--engine", engine]
        order = [*command, "--seconds", str(given.seconds)]
        order += [] if given.seed is None else ["--seed", str(given.seed)]
        if subprocess.run(order, cwd=kept.HERE.parents[1], check=False).returncode:
            bad.append(name)
    if bad:
        _say(f"faults in {', '.join(bad)}: see tests/fuzz/corpus/*/fault-*")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
