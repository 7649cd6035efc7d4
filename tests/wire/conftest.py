"""The store that tests of jobs have, for tests of pages of its lists."""

from __future__ import annotations

from tests.jobs.conftest import body, store, upload

__all__ = ["body", "store", "upload"]
