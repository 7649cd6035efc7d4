"""The playground: one document that loads nothing and asks only the server it came from."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["page", "policy"]

_SCRIPTS: Final = (
    "text.js", "element.js", "talk.js", "link.js", "editor.js", "result.js", "rows.js", "curve.js",
    "job.js", "page.js",
)  # fmt: skip


def page() -> bytes:
    """Return the document, with its style and scripts in it."""
    return _made()[0]


def policy() -> str:
    """Return the Content-Security-Policy to send with it: only its own style and script run."""
    return _made()[1]


@cache
def _made() -> tuple[bytes, str]:
    style = _packaged("page.css")
    # In a block of its own, no name of the scripts is a global one.
    script = '"use strict";\n{\n' + "\n".join(map(_packaged, _SCRIPTS)) + "}\n"
    text = _packaged("index.html")
    for mark, content in (("/*style*/", style), ("/*script*/", script)):
        text = text.replace(mark, content)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text.encode(), policy


def _packaged(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
