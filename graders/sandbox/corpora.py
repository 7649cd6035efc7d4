"""NLTK's data that this package has anyway, in the form in which NLTK looks for it.

Does: writes the English Punkt model, which `word_tokenize` and `sent_tokenize` need, once for each
user under the cache folder. Does not: fetch anything. Stopwords, WordNet and the rest of the hosted
image's corpora are not ours to give: the metrics' table of synonyms is a part of WordNet only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from graders.sandbox.image import folder as images

__all__ = ["nltk_data"]

_NAME: Final = "nltk-data-1"
"""Another number where the files change."""


def nltk_data() -> Path | None:
    """Return a folder of NLTK's data with the English Punkt model; None where it cannot be written."""
    place = images().parent / _NAME
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Whole or not at all: another process may look for it meanwhile.
        made = Path(tempfile.mkdtemp(prefix=f"{_NAME}-", dir=place.parent))
    except OSError:
        return None
    try:
        _write(made / "tokenizers" / "punkt_tab" / "english")
        with contextlib.suppress(OSError):
            os.rename(made, place)  # noqa: PTH104  (fails where another process was first)
    except OSError:
        pass
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return place if place.is_dir() else None


def _write(english: Path) -> None:
    from graders.metrics.sentence import punkt_model  # noqa: PLC0415  (most sources need none)

    model = punkt_model()
    english.mkdir(parents=True)
    files = {
        "abbrev_types.txt": sorted(model.abbreviations),
        "collocations.tab": sorted("\t".join(pair) for pair in model.collocations),
        "sent_starters.txt": sorted(model.starters),
        "ortho_context.tab": [f"{word}\t{bits}" for word, bits in sorted(model.seen.items())],
    }
    for name, lines in files.items():
        (english / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
