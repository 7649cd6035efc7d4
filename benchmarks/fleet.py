"""What many machines take and give: costs measured here, and a simulation of 64 nodes with faults.

    python -m benchmarks.fleet              the tables of docs/explanation/cost-model.md, from FIGURES
    python -m benchmarks.fleet --measure    measure FIGURES anew: CPU seconds, so a busy machine will do

The simulation follows `graders.batch.flow`: blocks go out in order to whichever lane is free, results
come back in order, and what may wait behind a slow block is bounded as it is there. A node that dies
takes its blocks along, which others score again; so does a straggler's slowness hold up what waits.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import io
import json
import random
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks import corpus
from benchmarks.timing import table

__all__ = ["FIGURES", "Costs", "Fleet", "measure", "model_seconds", "simulate", "tables"]

DAY: Final = 86_400
NODES, CORES = 64, 8
WAITING, WAITING_BYTES, MANY = 512, 16 << 20, 64
"""As `graders.batch.flow` bounds what is finished and waits for a slow block, and for how many lanes."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a row of one kind of grader costs; measured.

    Attributes:
        worker: CPU seconds of a worker, the reading of JSON and the writing of result lines included.
        driver: CPU seconds of the process that reads, sends, takes back and writes.
        over_ray: the same where blocks go over Ray.
        bytes_in: bytes of its input line.
        bytes_out: bytes of its result line.
        block: bytes of input in a block.
    """

    worker: float
    driver: float
    over_ray: float
    bytes_in: float
    bytes_out: float
    block: int

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return max(1, round(self.block / self.bytes_in))


FIGURES: Final = {
    "text": Costs(5.51e-5, 9.6e-6, 1.11e-5, 492, 155, 1 << 20),
    "python": Costs(7.28e-5, 6.3e-6, 2.36e-5, 492, 70, 1 << 16),
}
"""Of the main workload (four metrics, texts of 8 to 60 words) and of a python grader of two lines."""
JUDGE_CPU: Final = 8.7e-4
"""CPU seconds of the asking process for a row that one judge is asked about."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Nodes with what befalls them.

    Attributes:
        nodes: how many.
        cores: lanes of each.
        slow: the share of nodes that are stragglers.
        slowness: how many times longer they take.
        lives: seconds after which a node dies on average; 0 for never.
        absent: seconds until it is known and another stands in its place.
        seed: of chance.
    """

    nodes: int = NODES
    cores: int = CORES
    slow: float = 0.0
    slowness: float = 4.0
    lives: float = 0.0
    absent: float = 60.0
    seed: int = 0


@dataclass(slots=True)
class _State:
    """A simulation under way: lanes, events (time, number, what, lane), blocks by number."""

    fleet: Fleet
    free: deque[int] = field(default_factory=deque)
    events: list[tuple[float, int, str, int]] = field(default_factory=list)
    doing: dict[int, int] = field(default_factory=dict)
    again: deque[int] = field(default_factory=deque)
    done: set[int] = field(default_factory=set)
    numbers: int = 0

    def add(self, time: float, what: str, where: int) -> None:
        heapq.heappush(self.events, (time, self.numbers, what, where))
        self.numbers += 1


def simulate(
    blocks: int, worker: float, driver: float, fleet: Fleet, *, block_bytes: int
) -> tuple[float, int]:
    """Return after how many seconds the last block is written, and how many were scored twice.

    Args:
        blocks: how many.
        worker: seconds of a lane for a block.
        driver: seconds of the one process that sends, takes back and writes, for a block.
        fleet: the lanes.
        block_bytes: bytes of a block.
    """
    chance, state = random.Random(fleet.seed), _State(fleet)
    slow = {one for one in range(fleet.nodes) if chance.random() < fleet.slow}
    lanes = fleet.nodes * fleet.cores
    state.free.extend(range(lanes))
    chance.shuffle(state.free)
    alive, ends = [True] * fleet.nodes, dict[int, int]()
    for node in range(fleet.nodes if fleet.lives else 0):
        state.add(chance.expovariate(1 / fleet.lives), "dies", node)
    now = busy_until = 0.0
    sent = written = twice = 0
    while written < blocks:
        while state.free and (
            state.again or (sent < blocks and _has_room(state, sent - written, lanes, block_bytes))
        ):
            lane = state.free.popleft()
            if not alive[lane // fleet.cores]:
                continue
            if state.again:
                block = state.again.popleft()
            else:
                block, sent = sent, sent + 1
            busy_until = max(busy_until, now) + driver
            took = worker * chance.uniform(0.7, 1.3)
            took *= fleet.slowness if lane // fleet.cores in slow else 1.0
            state.doing[lane], ends[lane] = block, state.numbers
            state.add(busy_until + took, "done", lane)
        now, number, what, where = heapq.heappop(state.events)
        if what == "done":
            if ends.get(where) != number:
                continue  # Its node died.
            state.done.add(state.doing.pop(where))
            del ends[where]
            state.free.append(where)
            while written in state.done:
                state.done.discard(written)
                written += 1
        elif what == "dies":
            alive[where] = False
            for lane in range(where * fleet.cores, (where + 1) * fleet.cores):
                if lane in state.doing:
                    state.again.append(state.doing.pop(lane))
                    del ends[lane]
                    twice += 1
            state.add(now + fleet.absent, "joins", where)
        else:
            alive[where] = True
            first = where * fleet.cores
            state.free = deque(one for one in state.free if one // fleet.cores != where)
            state.free.extend(range(first, first + fleet.cores))
            state.add(now + chance.expovariate(1 / fleet.lives), "dies", where)
    return max(now, busy_until), twice


def _has_room(state: _State, ahead: int, lanes: int, block_bytes: int) -> bool:
    """Whether another block may be read, as `graders.batch.flow` asks."""
    most = lanes + 2
    if len(state.doing) + len(state.again) >= most:
        return False
    if ahead < most or not block_bytes:  # Parts stand by themselves, and wait for none.
        return True
    share = max(1.0, lanes / MANY)
    return ahead < most + WAITING * share and ahead * block_bytes <= WAITING_BYTES * share


def model_seconds(blocks: int, worker: float, driver: float, fleet: Fleet) -> float:
    """Return what the cost model says: the slower of all lanes and the one driver, and faults.

    A straggler counts as what it does in the time; a node that dies loses half a block a lane and
    its absence.
    """
    lanes = fleet.nodes * fleet.cores
    lanes *= 1 - fleet.slow + fleet.slow / fleet.slowness  # type: ignore[assignment]
    if fleet.lives:
        lanes *= fleet.lives / (fleet.lives + fleet.absent + worker / 2)  # type: ignore[assignment]
    return max(blocks * worker / lanes, blocks * driver)


SITUATIONS: Final = (
    ("nothing happens", Fleet()),
    ("1 node in 20 is 4 times slower", Fleet(slow=0.05)),
    ("a node dies every 10 seconds", Fleet(lives=NODES * 10.0)),
    ("both", Fleet(slow=0.05, lives=NODES * 10.0)),
)
BLOCKS: Final = 12_000
HEAVY: Final = 0.01
"""CPU seconds a row of a grader that parses or computes: where one driver keeps a fleet busy."""
SHARDS: Final = 16
"""Parts for each node where nodes score parts by themselves."""


def over_ray() -> list[tuple[str, ...]]:
    """Return a line for each grader and situation of one driver and 64 nodes."""
    lines = []
    kinds = {kind: (one, one.worker) for kind, one in FIGURES.items()}
    kinds["python, 10 ms a row"] = (FIGURES["python"], HEAVY)
    for kind, (cost, seconds) in kinds.items():
        worker, driver = seconds * cost.rows, cost.over_ray * cost.rows
        for name, fleet in SITUATIONS:
            took, twice = simulate(BLOCKS, worker, driver, fleet, block_bytes=cost.block)
            said = model_seconds(BLOCKS, worker, driver, fleet)
            used = 100 * BLOCKS * worker / took / (fleet.nodes * fleet.cores)
            lines.append(
                (kind, name, f"{BLOCKS * cost.rows / said:,.0f}", f"{BLOCKS * cost.rows / took:,.0f}",
                 f"{twice:,}", f"{used:.0f}%")
            )  # fmt: skip
    return lines


def by_shards(rows: int = 10**9) -> list[tuple[str, ...]]:
    """Return a line for each grader and situation of nodes that score parts by themselves."""
    lines = []
    parts = NODES * SHARDS
    for kind, cost in FIGURES.items():
        seconds = rows / parts * (cost.worker + cost.driver) / CORES
        for name, fleet in SITUATIONS:
            alone = replace(fleet, cores=1)
            took, _ = simulate(parts, seconds, 0.0, alone, block_bytes=0)
            said = model_seconds(parts, seconds, 0.0, alone)
            lines.append((kind, name, f"{said / 60:.1f}", f"{took / 60:.1f}"))
    return lines


def days() -> list[tuple[str, ...]]:
    """Return a line for each kind of grader: a core's day, the hours of 10 M and 1 B rows, the network."""
    lines = []
    for kind, cost in FIGURES.items():
        whole = cost.worker + cost.driver
        lines.append(
            (kind, f"{1e6 * cost.worker:.0f} / {1e6 * cost.driver:.1f} / {1e6 * cost.over_ray:.1f} µs",
             f"{DAY / whole / 1e9:.1f} B", f"{1e7 * whole / 60:.0f} min", f"{1e9 * whole / 3600:.0f} h",
             f"{1e7 * (cost.bytes_in + cost.bytes_out) / 1e9:.1f} / {(cost.bytes_in + cost.bytes_out):.0f} GB",
             f"{cost.worker / cost.over_ray:.0f}", f"{1 / cost.over_ray:,.0f}")
        )  # fmt: skip
    lines.append(
        ("one judge", f"- / {1e3 * JUDGE_CPU:.2f} ms / -", f"{DAY / JUDGE_CPU / 1e9:.2f} B",
         f"{1e7 * JUDGE_CPU / 3600:.1f} h", f"{1e9 * JUDGE_CPU / 3600:.0f} h", "-", "-",
         f"{1 / JUDGE_CPU:,.0f}")
    )  # fmt: skip
    return lines


HEADS: Final = {
    "costs": ("grader", "worker / driver / driver over Ray, a row", "rows a day, one core",
              "core time of 10 M rows", "of 1 B rows", "network, 10 M / 1 B rows",
              "workers one Ray driver feeds", "rows/s of one driver over Ray"),
    "ray": ("grader", "what happens", "rows/s, model", "rows/s, simulated", "blocks scored twice",
            "of the cores used"),
    "shards": ("grader", "what happens", "minutes, model", "minutes, simulated"),
}  # fmt: skip


def tables() -> str:
    """Return the tables of the page on costs."""
    lines = {"costs": days(), "ray": over_ray(), "shards": by_shards()}
    titles = {
        "costs": "What a row costs",
        "ray": f"One driver over Ray, {NODES} nodes of {CORES} cores",
        "shards": f"1 B rows in {NODES * SHARDS:,} parts, {NODES} nodes of {CORES} cores",
    }
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for name, heads in HEADS.items():
            table(titles[name], heads, lines[name])
    return said.getvalue().strip() + "\n"


PAGE: Final = Path(__file__).parents[1] / "docs/explanation/cost-model.md"
_BEGIN, _END = (
    "<!-- tables: made by python -m benchmarks.fleet --write -->\n",
    "<!-- end of tables -->",
)


def with_tables(page: str) -> str:
    """Return a page with the tables as they are now."""
    before, _, rest = page.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{tables()}\n{_END}{rest.partition(_END)[2]}"


PYTHON: Final = {
    "type": "python", "name": "p",
    "source": "def grade(sample, item):\n"
    "    said, right = sample['output_text'].split(), item['reference'].split()\n"
    "    return len(set(said) & set(right)) / max(len(set(right)), 1)\n",
}  # fmt: skip
JUDGE: Final = {
    "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
    "input": [{"role": "user", "content": "Rate {{ sample.output_text }} by {{ item.reference }}"}],
}  # fmt: skip
_SCORE: Final = """
import json, resource, sys, graders
given = json.loads(sys.argv[1])
with graders.load(given["grader"], **given["judge"]) as grader:
    graders.score_file(grader, given["rows"], given["out"], restart=True, **given["how"])
found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([one.ru_utime + one.ru_stime for one in found]))
"""


def _spent(
    folder: Path, grader: object, count: int, judge: object = None, **how: object
) -> list[float]:
    """CPU seconds of a process that scores so many rows, and of those it has started."""
    given = {"grader": grader, "rows": str(folder / f"{count}.jsonl"), "out": str(folder / "out"),
             "judge": judge or {}, "how": how}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _SCORE, json.dumps(given)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _each(folder: Path, grader: object, sizes: tuple[int, int], **how: object) -> list[float]:
    """CPU seconds a row, of a process and of those it has started, without what starting takes."""
    small, large = (_spent(folder, grader, count, **how) for count in sizes)  # type: ignore[arg-type]
    return [(b - a) / (sizes[1] - sizes[0]) for a, b in zip(small, large, strict=True)]


def measure(*, quick: bool = False) -> tuple[dict[str, Costs], float]:
    """Return FIGURES and JUDGE_CPU as this machine has them."""
    from benchmarks.chat_bench import SERVER

    sizes = (200, 400) if quick else (20_000, 60_000)
    few = (100, 200) if quick else (1_000, 5_000)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in {*sizes, *few}:
            corpus.write(folder / f"{count}.jsonl", corpus.rows(count))
        for kind, grader, block in (("text", corpus.GRADER, 1 << 20), ("python", PYTHON, 1 << 16)):
            driver, worker = _each(folder, grader, sizes, workers=1)
            over_ray = driver if quick else _each(folder, grader, sizes, engine="ray", workers=1)[0]
            _spent(folder, grader, sizes[1], workers=0)
            into = (folder / f"{sizes[1]}.jsonl").stat().st_size / sizes[1]
            out = (folder / "out").stat().st_size / sizes[1]
            found[kind] = Costs(worker, driver, over_ray, into, out, block)
        with subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None
                url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
                judge = {"base_url": url, "cache": "none"}
                asking = _each(folder, JUDGE, few, judge=judge)[0]
            finally:
                server.kill()
    return found, asking


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--measure", action="store_true", help="measure the figures anew")
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    parser.add_argument("--quick", action="store_true", help="of fewer rows, and without Ray")
    arguments = parser.parse_args()
    if arguments.measure:
        print(*measure(quick=arguments.quick), sep="\n")
    elif arguments.write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(tables(), end="")
