"""How many examples hypothesis makes: some on every run, which differ each time, many when asked."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(count: int) -> int:
    """Return so many where GRADERS_LARGE is set (`make test-large` does), else a tenth of them."""
    return count if "GRADERS_LARGE" in os.environ else max(count // 10, 1)
