"""Places that are not on this machine: objects in storage and pages, read in ranges and put whole."""

from __future__ import annotations

from graders.remote.fault import RemoteError
from graders.remote.place import Place, Remote, here, is_remote, named, same, scrubbed, whole

__all__ = [
    "Place",
    "Remote",
    "RemoteError",
    "here",
    "is_remote",
    "named",
    "same",
    "scrubbed",
    "whole",
]
