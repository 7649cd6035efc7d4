"""How many examples hypothesis makes: some on every run, the same each time; many, and others each time, when asked."""

from __future__ import annotations

import os

__all__ = ["LARGE", "examples"]

LARGE = "GRADERS_LARGE" in os.environ
"""Whether tests look for what is not known yet (`make test-large`); else what is green stays so on every day."""


def examples(count: int) -> int:
    """Return so many where GRADERS_LARGE is set, else a tenth of them."""
    return count if LARGE else max(count // 10, 1)
