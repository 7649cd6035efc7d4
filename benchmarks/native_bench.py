"""The native core: texts of several kinds, file to file, against the script a careful user writes.

    python -m benchmarks native           some minutes; make native first
    python -m benchmarks native --quick   values are checked, not times

Ours are whole processes over so many rows, start included, with the core (the lesser of two runs, one
before the script and one after) and without. The script takes a part of the rows and its time is scaled:
it grows with rows and nothing else, but for its start, which is measured by a single row. Results are asserted to be equal over that part, row for row
and bit for bit, and the results with the core and without to be the same bytes over all rows.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.end_to_end import SCRIPT, results
from benchmarks.timing import GRADERS, compiled, process_time, table
from graders.metrics import native_core

__all__ = ["main"]

_MANY_WORDS = 30_000
_LETTERS = {
    "German": "enisratdhulcgmobwfkzpvüäßöjyxq",
    "Russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
}


def _falling(count: int) -> list[float]:
    """Weights added up, each 1 over its place."""
    return list(accumulate(1 / place for place in range(1, count + 1)))


def _spoken(letters: str, random_: random.Random) -> Callable[[], str]:
    """Words of a language's letters, few of them often and many of them seldom, with punctuation."""
    often, seldom = _falling(len(letters)), _falling(_MANY_WORDS)
    words = [
        "".join(random_.choices(letters, cum_weights=often, k=random_.randint(2, 11)))
        for _ in range(_MANY_WORDS)
    ]

    def text() -> str:
        found = random_.choices(words, cum_weights=seldom, k=random_.randint(30, 100))
        ends = (word + random_.choice(("", "", "", "", "", "", ",", ".")) for word in found)
        return " ".join(ends).capitalize()

    return text


def _written(characters: str, random_: random.Random) -> Callable[[], str]:
    """Text without spaces: characters, few of them often, and a full stop now and then."""
    often = _falling(len(characters))

    def text() -> str:
        found = random_.choices(characters, cum_weights=often, k=random_.randint(60, 300))
        return "".join(one + ("。" if random_.random() < 0.06 else "") for one in found)

    return text


def _kinds(random_: random.Random) -> dict[str, Callable[[], str]]:
    source = [
        line for module in (inspect, json, random) for line in inspect.getsource(module).split("\n")
    ]

    def code() -> str:
        start = random_.randrange(len(source) - 20)
        return "\n".join(source[start : start + random_.randint(4, 14)])

    def ids() -> str:
        return " ".join(f"{random_.getrandbits(64):x}" for _ in range(random_.randint(15, 50)))

    def mathematics() -> str:
        terms = (
            random_.choice((rf"\frac{{{a}}}{{{b}x}}", f"x^{{{a}}} + {b}y", f"{a}.{b}", f"({a} - {b})^2", rf"\sqrt{{{b}}}"))
            for a, b in ((random_.randint(1, 99), random_.randint(1, 99)) for _ in range(12))
        )  # fmt: skip
        steps = (f"Hence ${term} = {random_.randint(1, 999)}$, so" for term in terms)
        return " ".join([*steps, rf"the answer is \boxed{{{random_.randint(1, 999)}}}."])

    han = "".join(map(chr, range(0x4E00, 0x5A00)))
    kana = "".join(map(chr, [*range(0x3041, 0x3097), *range(0x30A1, 0x30F7)])) + han[:600]
    return {
        **{name: _spoken(letters, random_) for name, letters in _LETTERS.items()},
        "Chinese": _written(han, random_), "Japanese": _written(kana, random_), "code": code,
        "mathematics": mathematics, "random ids": ids,
    }  # fmt: skip


def _rows(text: Callable[[], str], count: int, random_: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of a text and the same text edited; some equal, some of another text."""
    for _ in range(count):
        reference, dice = text(), random_.random()
        cut = random_.randrange(1, len(reference))
        answer = (
            reference
            if dice < 0.1
            else text()
            if dice < 0.2
            else text()[:20] + reference[cut // 3 :]
        )
        yield {"item": {"reference": reference}, "sample": {"output_text": answer}}


def _scored(grader: Path, rows: Path, out: Path, wish: str) -> float:
    """CPU seconds of `graders score`, one process."""
    os.environ["GRADERS_NATIVE"] = wish
    return process_time(
        [GRADERS, "score", str(grader), str(rows), "-o", str(out), "--workers", "0"]
    )


def _compare(name: str, source: Iterator[dict[str, Any]], count: int, part: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        grader, every, some, one = (here / name for name in ("grader", "every", "some", "one"))
        grader.write_text(json.dumps(corpus.GRADER))
        corpus.write(every, source)
        for path, size in ((some, part), (one, 1)):
            with every.open(encoding="utf-8") as lines:
                path.write_text("".join(islice(lines, size)), encoding="utf-8")
        print(f"{name}, {count:,} rows", file=sys.stderr, flush=True)
        native = _scored(grader, every, here / "native", "1")
        python = _scored(grader, every, here / "python", "0")
        assert (here / "native").read_bytes() == (here / "python").read_bytes(), name
        script = [sys.executable, SCRIPT]
        start = process_time([*script, str(one), str(here / "theirs")])
        theirs = process_time([*script, str(some), str(here / "theirs")])
        for mine, other in zip(results(here / "native"), results(here / "theirs"), strict=False):
            assert mine == other, f"{name}: {mine} differs from {other}"
        native = min(native, _scored(grader, every, here / "native", "1"))
    whole = start + (theirs - start) / (part - 1) * (count - 1)
    return (
        name, f"{count:,}", f"{native:.2f} s", f"{python:.2f} s", f"{whole:.1f} s",
        f"{whole / native:.1f}x", f"{whole / python:.1f}x",
    )  # fmt: skip


def main(*, quick: bool) -> None:
    """Print the table."""
    assert not native_core().problem, f"the native core: {native_core().problem}; make native"
    compiled()
    before = os.environ.get("GRADERS_NATIVE", "")
    part, lines = (100, []) if quick else (2_000, [])
    for count in (200,) if quick else (20_000, 100_000):
        lines.append(_compare("English", corpus.rows(count), count, part))
        random_ = random.Random(27)
        for name, text in _kinds(random_).items():
            lines.append(_compare(name, _rows(text, count, random_), count, part))
    os.environ["GRADERS_NATIVE"] = before
    heads = ("texts", "rows", "with the core", "without", "careful script", "ratio with", "without")
    table(
        "The native core: string_check, fuzzy_match, rouge_l and bleu (CPU time, processes)",
        heads,
        lines,
    )


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
