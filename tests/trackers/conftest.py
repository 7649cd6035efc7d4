"""The command, in this process and in a folder."""

from __future__ import annotations

from tests.models.conftest import command  # noqa: F401  (a fixture)
