"""A document that loads nothing: its style and script stand in it, and its policy allows no others."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from importlib.resources import files

__all__ = ["block", "packaged", "policy", "run_page"]

_HTML = "graders.report.html"
_RUN = (
    "text.js", "element.js", "theme.js", "reply.js", "verdict.js", "sheet.js", "item.js", "grid.js", "run.js",
)  # fmt: skip


def packaged(name: str, package: str = _HTML) -> str:
    """Return a file of a package."""
    return (files(package) / name).read_text(encoding="utf-8")


def block(scripts: Iterable[str]) -> str:
    """Return scripts as one, in a block of its own: no name of theirs is a global one."""
    return '"use strict";\n{\n' + "\n".join(scripts) + "}\n"


def policy(style: str, script: str, *more: str) -> str:
    """Return the Content-Security-Policy under which this style and this script run alone."""
    allowed = [
        "default-src 'none'", f"script-src '{_digest(script)}'", f"style-src '{_digest(style)}'",
        *more, "img-src data:", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    return "; ".join(allowed)


def run_page(scripts: Iterable[str], data: str, said: str, token: str = "") -> tuple[str, str, str]:
    """Return the page of a run, with a mark where its policy may stand, and its style and script.

    Args:
        scripts: what brings the data to the page, beside the parts that all such pages have.
        data: the data as it may stand in a script element.
        said: the last sentence of the page.
        token: the dialog that asks for a token, where the page asks a server.
    """
    style = "".join(map(packaged, ("edge.css", "page.css", "run.css")))
    script = block([*map(packaged, _RUN), *scripts])
    text = packaged("run.html")
    # What rows hold comes last: no mark in it is taken for one of these.
    parts = (
        ("/*style*/", style),
        ("/*script*/", script),
        ("<!--token-->", token),
        ("<!--said-->", said),
    )
    for mark, content in (*parts, ("/*data*/", data)):
        text = text.replace(mark, content, 1)
    return text, style, script


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
