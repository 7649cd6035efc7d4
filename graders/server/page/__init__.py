"""The playground and the page of a run: documents that load nothing and ask only their own server."""

from __future__ import annotations

from functools import cache
from typing import Final

from graders.report.html.document import block, packaged, policy, run_page

__all__ = ["playground", "run_report"]

_OURS: Final = __name__
_SHARED: Final = ("text.js", "element.js", "theme.js", "reply.js", "verdict.js")
_SCRIPTS: Final = (
    "talk.js", "link.js", "colour.js", "editor.js", "help.js", "result.js", "rows.js", "rowview.js", "batch.js", "curve.js",
    "job.js", "jobmake.js", "evals.js", "evalmake.js", "page.js",
)  # fmt: skip
_SAID: Final = "This page loads nothing and sends nothing anywhere but to the server it came from."


@cache
def playground() -> tuple[bytes, str]:
    """Return the document with its style and scripts in it, and the policy to send with it."""
    style = packaged("edge.css") + packaged("page.css", _OURS)
    ours = [packaged(name, _OURS) for name in _SCRIPTS]
    script = block([*map(packaged, _SHARED), *ours])
    text = packaged("index.html", _OURS)
    token = packaged("token.html", _OURS)
    for mark, content in (("/*style*/", style), ("/*script*/", script), ("<!--token-->", token)):
        text = text.replace(mark, content)
    return text.encode(), _policy(style, script)


@cache
def run_report() -> tuple[bytes, str]:
    """Return the page of any run, and the policy to send with it: it holds nothing of the run."""
    ours = [packaged(name, _OURS) for name in ("talk.js", "served.js")]
    text, style, script = run_page(ours, "null", _SAID, packaged("token.html", _OURS))
    return text.encode(), _policy(style, script)


def _policy(style: str, script: str) -> str:
    return policy(style, script, "connect-src 'self'") + "; frame-ancestors 'none'"
