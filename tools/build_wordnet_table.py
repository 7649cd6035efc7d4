"""Build the synonym table that METEOR uses from WordNet 3.0, as NLTK's reader sees it.

    python tools/fetch_nltk_data.py .cache/nltk_data
    python tools/build_wordnet_table.py .cache/nltk_data graders/metrics/data/wordnet-3.0-synonyms.txt.xz

The table is text, one line a word form, sorted by bytes:

    form <TAB> p name name ... <TAB> P base base ...

`p` is a part of speech (n, v, a, r): the names of all synsets of the form with that part of speech.
Left out are names of several words (NLTK's METEOR skips names with "_") and names with capitals
(METEOR looks for lower-cased words, so they never match). `P` in upper case is the line of
WordNet's exception list: the base forms of an irregular inflection.
"""

from __future__ import annotations

import argparse
import lzma
from collections import defaultdict
from pathlib import Path
from typing import Any

PARTS_OF_SPEECH = "nvar"


def fields(reader: Any) -> dict[str, dict[str, set[str]]]:
    """Return the fields of each word form: names by part of speech, exceptions in upper case."""
    table: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for lemma in reader.all_lemma_names():
        for part in PARTS_OF_SPEECH:
            # Without exceptions and rules: morphy is applied when the table is read.
            for synset in _own_synsets(reader, lemma, part):
                names = {name for name in synset.lemma_names() if "_" not in name}
                table[lemma][part] |= {name for name in names if name == name.lower()}
    for part in PARTS_OF_SPEECH:
        for form, bases in reader._exception_map[part].items():  # noqa: SLF001 - no public door
            table[form][part.upper()] |= set(bases)
    return table


def _own_synsets(reader: Any, lemma: str, part: str) -> list[Any]:
    """Return the synsets listed under exactly this lemma."""
    offsets = reader._lemma_pos_offset_map[lemma].get(part, ())  # noqa: SLF001 - no public door
    return [reader.synset_from_pos_and_offset(part, offset) for offset in offsets]


def text(table: dict[str, dict[str, set[str]]]) -> str:
    """Return the table as text."""
    lines = []
    for form, by_part in table.items():
        filled = [f"{part} {' '.join(sorted(names))}" for part, names in by_part.items() if names]
        if filled:
            lines.append("\t".join([form, *sorted(filled)]))
    lines.sort(key=lambda line: line.split("\t", 1)[0].encode())
    return "\n".join(lines)


def reader_of(data: Path) -> Any:
    """Return NLTK's WordNet reader over `data`/corpora/wordnet."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    nltk.data.path.insert(0, str(data.resolve()))
    root = nltk.data.find("corpora/wordnet")
    return WordNetCorpusReader(root, None)


def main() -> None:
    """Read the arguments, write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder that holds corpora/wordnet")
    parser.add_argument("out", type=Path, help="the .txt.xz file to write")
    arguments = parser.parse_args()
    plain = text(fields(reader_of(arguments.data))).encode()
    packed = lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME)
    arguments.out.write_bytes(packed)
    print(f"{arguments.out}: {len(packed):,} bytes, {len(plain):,} unpacked")  # noqa: T201


if __name__ == "__main__":
    main()
