"""One offline HTML file from a file of results: figures exact over all rows, rows to look at."""

from __future__ import annotations

from graders.report.html.build import build

__all__ = ["build"]
