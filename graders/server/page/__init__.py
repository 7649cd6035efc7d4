"""The playground page: one document that loads nothing else."""

from __future__ import annotations

__all__ = ["page", "policy"]


def page() -> bytes:
    """Return the page."""
    return b"<!doctype html><title>graders</title>"


def policy() -> str:
    """Return the page's Content-Security-Policy."""
    return "default-src 'none'"
