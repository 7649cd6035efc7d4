"""Build the table of NLTK's English Punkt model that bleu, gleu and meteor split sentences by.

    python tools/fetch_nltk_data.py .cache/nltk_data
    python tools/build_punkt_table.py .cache/nltk_data graders/metrics/data/punkt-english.txt.xz

The table is text, one line an entry, sorted; the first field says what it is:

    a <TAB> abbreviation               without its full stop
    c <TAB> word <TAB> word            a collocation: no sentence ends between the two
    o <TAB> word <TAB> number          how it was seen in the training texts, as bits
    s <TAB> word                       often the first word of a sentence
"""

from __future__ import annotations

import argparse
import lzma
from pathlib import Path


def lines(folder: Path) -> list[str]:
    """Return the table's lines from the files of NLTK's model."""
    found = []
    for kind, name in (
        ("a", "abbrev_types.txt"), ("c", "collocations.tab"), ("o", "ortho_context.tab"),
        ("s", "sent_starters.txt"),
    ):  # fmt: skip
        text = (folder / name).read_text(encoding="utf-8")
        found += [f"{kind}\t{line}" for line in text.split("\n") if line]
    return sorted(found)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="where NLTK's data stands")
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    text = "\n".join(lines(given.data / "tokenizers" / "punkt_tab" / "english"))
    given.target.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
