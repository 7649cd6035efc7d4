"""Pairs of short texts from alphabets that have broken tokenizers: marks, surrogates, edges of tables.

    python -m tests.metrics.hostile 5000000 [SEED]

scores so many with the native core and without, by every metric that it counts (make test-native).
"""

from __future__ import annotations

import os
import sys
from random import Random

from graders.metrics import METRICS, Request, Scorer, native_core

__all__ = ["hostile_pairs", "hostile_text"]

ALPHABETS = (
    "abcXYZ 012",
    "ab AB.,:;!?'\"`()[]<>-«»  \xa0½²é19$%&@#*sdmntrevl_/\\^~|{}=+",
    "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)])),
    "".join(map(chr, range(0x100))),
    "e\u0301\u0300a\u0327 .\u20dd1\u0660",
    "\ud800\udfff\ud83d\ude00a .1😀",
    "😀\U00020000\U0010ffff\U0001d7d8 a1.\U0001f1eb",
    "\u212a\u0130\u0131\u017f\u00df\u1e9eΣσςΟΔ kKiI.1 ",
    "日本語。、，１２ 中文a1.,$€₿ \u3000\u2028\n",
    "Привет, мир! Ёё.1 \n",
    "\0\x01\x1c\x1d\x1e\x1f\x7f\x85\x9f \t\r\n\x0b\x0ca.1",
    "½¼¾²³¹ªºµ.a1 '\"",
)
WORDS = (
    "a the Dr. U.S. etc. e.g. ... . .. ! !!! ?! ? ' '' \" '\" can't cannot 'tis gonna d'ye more'n ( ) [x] ) "
    "3.5 $5 1,000 a,b a,,b : :: -- --- - « » ² ½ é É ß * b. No. 5 Mr. Smith She he x.) 's n't don't I'll "
    "'90s 're ` `a' i.e. Inc. & # @ % ; , 1. 2. A. J. Bach it's its' <a> </b> {x} a/b \\ _ ^ ~ | wanna gimme "
    "lemme gotta ''x \"' ...) ?) !\" \xa0 日本 。 — … “q” ’s 😀 running skies .\xa0.\xa0. 'Tis 'twas CANNOT "
    "gonna² ²gonna \x85 wanna\xa0 d'yes 'm 's' n'T N'T'll"
)


def hostile_text(random: Random) -> str:
    """Return a text of words that depend on their neighbours, or of one of the alphabets."""
    kind = random.random()
    if kind < 0.5:
        between = random.choice((" ", " ", "", "  ", "\n"))
        text = between.join(random.choices(WORDS.split(" "), k=random.randint(0, 12)))
        return text if kind < 0.45 else f"{' ' * random.randint(0, 2)}{text}."
    characters = random.choice(ALPHABETS) + (random.choice(ALPHABETS) if kind < 0.6 else "")
    return "".join(random.choices(characters, k=random.randint(0, 25)))


def hostile_pairs(random: Random, count: int) -> list[tuple[str, str]]:
    """Return pairs of texts, half of them alike."""
    pairs = []
    for _ in range(count):
        text, other = hostile_text(random), hostile_text(random)
        kind = random.random()
        if kind < 0.1:
            other = text
        elif kind < 0.5 and text:
            place = random.randrange(len(text))
            other = text[:place] + other[:4] + text[place + random.randint(0, 3) :]
        pairs.append((text, other))
    return pairs


def main() -> None:
    """Compare two scorers; says at the first pair that scores otherwise."""
    count = int(sys.argv[1])
    random = Random(int(sys.argv[2]) if len(sys.argv) > 2 else 20261128)
    metrics = [metric for metric in METRICS if metric != "fuzzy_match"]
    scorers = []
    for wish in ("1", "0"):
        os.environ["GRADERS_NATIVE"] = wish
        assert native_core().problem == ("" if wish == "1" else "turned off by GRADERS_NATIVE=0")
        scorers.append(Scorer())
        scorers[-1].score([Request(metric, ["a"], ["b"]) for metric in metrics])
    for start in range(0, count, 2_000):
        pairs = hostile_pairs(random, 2_000)
        columns = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        requests = [Request(metric, *columns) for metric in metrics]
        both = zip(metrics, *(scorer.score(requests) for scorer in scorers), strict=True)
        for metric, ours, theirs in both:
            for pair, one, other in zip(pairs, ours, theirs, strict=True):
                assert one == other, f"{metric} of {pair!r}: {one!r} natively, {other!r} in Python"
        if start % 500_000 == 0:
            print(f"{start + 2_000:,} pairs", flush=True)
    print(f"{count:,} pairs, {len(metrics)} metrics: the same floats")


if __name__ == "__main__":
    main()
