"""Packages that extend graders, on a search path of their own: installed by pip, or written by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SAMPLE", "install", "write"]

SAMPLE = Path(__file__).parents[2] / "samples" / "extension"


def install(source: Path, site: Path) -> None:
    """Let pip build a package and install it into a folder; nothing comes over the network."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
            "--no-build-isolation", "--disable-pip-version-check", "--target", str(site),
            str(source.absolute()),
        ],
        check=True, env={**os.environ, "PYTHONPATH": ""}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def write(
    site: Path,
    points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    package: str = "acme-graders",
    version: str = "1.2",
) -> None:
    """Write a package as an installer leaves it.

    Args:
        site: the folder it is installed into.
        points: its entry points: names and values, by group without `graders.`.
        modules: its modules' code, by name.
    """
    about = site / f"{package.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    (about / "METADATA").write_text(head)
    lines = []
    for group, some in points.items():
        lines += [f"[graders.{group}]", *(f"{name} = {value}" for name, value in some.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, code in modules.items():
        (site / f"{name}.py").write_text(code)
