"""Many rows over a Ray cluster of three nodes on this machine: memory of each process, bytes as without Ray.

    make bench-nodes                 ten million rows
    make bench-nodes ROWS=1000000    fewer

Every row is another text, so that what grows with what was seen shows. Each process's own memory is looked
at twice a second, and its peak while the second half of the results was written may be no higher than before by more
than a little. Fails where it is, or where a byte differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.timing import GRADERS, process_time, table
from tests.scale.cluster import RayCluster
from tests.waiting import children_of, command_of

__all__ = ["main"]

GRADER: Final = {
    "type": "multi", "name": "m", "calculate_output": "(same + near) / 2",
    "graders": {
        "same": {"type": "string_check", "name": "s", "operation": "eq",
                 "input": "{{ sample.output_text }}", "reference": "{{ item.a }}"},
        "near": {"type": "text_similarity", "name": "n", "evaluation_metric": "fuzzy_match",
                 "input": "{{ sample.output_text }}", "reference": "{{ item.a }}"},
    },
}  # fmt: skip
EVERY: Final = 0.5
LITTLE: Final = (1.05, 8 << 20)
"""How much higher a peak may be: a factor, and bytes more."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Watched:
    """A process: its own memory by the bytes of results that were there, and its CPU seconds."""

    role: str
    samples: list[tuple[int, int]] = field(default_factory=list)
    cpu: float = 0.0

    def peaks(self, middle: int) -> tuple[int, int] | None:
        """Return the peaks before and after so many bytes of results; None where one half has no sample."""
        before = [memory for done, memory in self.samples if done < middle]
        after = [memory for done, memory in self.samples if done >= middle]
        return (max(before), max(after)) if before and after else None


def own_memory(pid: int) -> int:
    """Bytes of a process's own memory, without what it shares with others (Ray's object store)."""
    found = Path(f"/proc/{pid}/status").read_text()
    kinds = dict(line.split(":", 1) for line in found.splitlines() if ":" in line)
    return 1024 * sum(int(kinds[one].split()[0]) for one in ("RssAnon", "RssFile"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def processes(driver: int, cluster: RayCluster) -> Iterator[tuple[int, str]]:
    """Yield the processes of a run, and what each is."""
    yield driver, "the command"
    for pid in children_of(driver):
        yield pid, "driver"
    for number, node in enumerate(cluster.nodes, 1):
        raylet = node.all_processes["raylet"][0].process.pid
        yield raylet, f"raylet of node {number}"
        for pid in children_of(raylet):
            if command_of(pid).startswith(b"ray::_Actor"):
                yield pid, f"worker on node {number}"


def watched(running: subprocess.Popen[Any], cluster: RayCluster, out: Path) -> list[Watched]:
    """Look at all processes until the run is over."""
    partial, found = out.with_name(out.name + ".partial"), dict[int, Watched]()
    while running.poll() is None:
        try:
            done = partial.stat().st_size
        except FileNotFoundError:
            done = 0
        for pid, role in processes(running.pid, cluster):
            try:
                memory, cpu = own_memory(pid), cpu_seconds(pid)
            except (OSError, KeyError):
                continue  # It has ended.
            one = found.setdefault(pid, Watched(role))
            one.samples.append((done, memory))
            one.cpu = cpu
        time.sleep(EVERY)
    assert running.returncode == 0
    return [one for one in found.values() if one.role != "the command"]


def write_rows(path: Path, count: int) -> None:
    with path.open("w") as out:
        for n in range(count):
            text = f"answer {n} of {n % 977}"
            sample = text if n % 3 else text.replace("1", "7")
            out.write(f'{{"item": {{"a": "{text}"}}, "sample": "{sample}"}}\n')


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(rows: int, nodes: int) -> None:
    """Print the table; fail where memory grew, or a byte is another one."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        grader, source, out = folder / "grader.json", folder / "rows.jsonl", folder / "out.jsonl"
        grader.write_text(json.dumps(GRADER))
        write_rows(source, rows)
        words = [GRADERS, "score", str(grader), str(source), "-o", str(out)]
        alone = process_time([*words, "--workers", "0"])
        expected, size = digest(out), out.stat().st_size
        out.unlink()
        cluster = RayCluster(nodes)
        try:
            begun = time.perf_counter()
            over = [*words, "--restart", "--engine", "ray", "--ray-address", cluster.address]
            with subprocess.Popen(over, stdout=subprocess.DEVNULL) as running:
                found = watched(running, cluster, out)
            wall = time.perf_counter() - begun
        finally:
            cluster.stop()
        assert digest(out) == expected, "another byte than without Ray"
    lines, grown = [], []
    for one in sorted(found, key=lambda one: one.role):
        if (peaks := one.peaks(size // 2)) is None:
            continue  # It was gone before the middle, or began after.
        before, after = peaks
        lines.append(
            (one.role, f"{before / 1e6:.0f} MB", f"{after / 1e6:.0f} MB", f"{one.cpu:.0f} s")
        )
        if after > LITTLE[0] * before + LITTLE[1]:
            grown.append(one.role)
    total = sum(one.cpu for one in found)
    title = (
        f"{rows:,} rows over {nodes} nodes: {wall:.0f} s, {total:.0f} s of CPU; "
        f"{alone:.0f} s of CPU without Ray in one process; the same {size:,} bytes"
    )
    table(title, ("process", "peak, first half", "second half", "CPU"), lines)
    assert {line[0] for line in lines} >= {
        "driver",
        *(f"worker on node {n + 1}" for n in range(nodes)),
    }
    assert not grown, f"memory grew: {', '.join(grown)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--nodes", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.rows, arguments.nodes)
