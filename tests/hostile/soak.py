"""Very many calls with 1 % hostile rows: every score right, nothing leaked, nothing left."""

# A program that prints; and /proc is read as it is.
# ruff: noqa: T201, PTH115, PTH208

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

from graders.calls import PythonCall
from graders.sandbox import Limits, PythonSandbox

# One source whose hostile rows crash, hang, forge, flood, exit; `os` makes it one process a row.
ROW_SOURCE = """
import os, sys
def grade(sample, item):
    act = item["act"]
    if act == "exit":
        os._exit(3)
    if act == "abort":
        os.abort()
    if act == "loop":
        while True:
            pass
    if act == "forge":
        for number in range(3, 64):
            try:
                os.write(number, b"garbage" * 1000)
            except OSError:
                pass
    if act == "raise":
        raise ValueError(item["value"])
    if act == "flood":
        print("x" * 1000000)
        return None
    return item["value"] / 7
"""
# A source that shares a process between rows: what it can do without reaching out.
TAME_SOURCE = """
def grade(sample, item):
    act = item["act"]
    if act in ("exit", "raise"):
        raise ValueError(item["value"])
    if act == "abort":
        return float(bytearray(1 << 40)[0])
    if act == "loop":
        while True:
            pass
    if act in ("flood", "forge"):
        print("x" * 1000000)
        return None
    return item["value"] / 7
"""
ACTS = ("exit", "abort", "forge", "raise", "flood", "exit", "abort", "forge", "raise", "loop")


def soak(source: str, calls: int, isolation: str, chunk: int) -> list[str]:
    faults: list[str] = []
    began = time.monotonic()
    done = hostile = 0
    with PythonSandbox(
        limits=Limits(call_seconds=0.5, grace_seconds=0.5),
        workers=2,
        isolation=isolation,  # type: ignore[arg-type]
    ) as sandbox:
        while done < calls:
            rows = range(done, min(calls, done + chunk))
            # Loops cost half a second each: one hostile row in twenty of them.
            acts = [
                ACTS[(row // 100) % 9 if (row // 100) % 20 else 9] if row % 100 == 7 else ""
                for row in rows
            ]
            items = [{"act": act, "value": row} for act, row in zip(acts, rows, strict=True)]
            replies = sandbox.perform(PythonCall(source, [{}] * len(items), items))
            for row, act, reply in zip(rows, acts, replies, strict=True):
                hostile += bool(act)
                right = reply.error is not None if act else reply.score == row / 7
                if not right:
                    faults.append(f"row {row} {act}: {reply}"[:300])
            done += len(items)
        stats = sandbox.stats
    rate = done / (time.monotonic() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"  {isolation}: {done} calls, {hostile} hostile, {len(faults)} wrong, {rate:.0f} calls/s,"
        f" engine at most {memory} MB, {stats.workers_started} workers, {dict(stats.failures)}"
    )
    return faults


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("calls", type=int)
    parser.add_argument("--outside", required=True)
    options = parser.parse_args()
    if os.readlink("/proc/self/ns/pid") == options.outside:
        return 2
    before = len(os.listdir("/proc/self/fd"))
    faults = soak(TAME_SOURCE, options.calls * 3 // 4, "auto", 5000)
    faults += soak(ROW_SOURCE, options.calls // 4, "auto", 5000)
    if len(os.listdir("/proc/self/fd")) != before:
        faults.append("descriptors of the engine leaked")
    children = [name for name in os.listdir("/proc") if name.isdigit()]
    if len(children) > 3:  # init, the shell, this
        faults.append(f"processes left: {children}")
    for fault in faults[:20]:
        print("  FAIL", fault)
    user = "root" if os.getuid() == 0 else f"uid {os.getuid()}"
    print(f"{user}: {options.calls} calls, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
