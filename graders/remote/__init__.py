"""Places that are not on this machine: objects in storage and pages, read in ranges and put whole."""

from __future__ import annotations

from graders.remote.fault import RemoteError
from graders.remote.place import Place, Remote, is_remote, named, scrubbed

__all__ = ["Place", "Remote", "RemoteError", "is_remote", "named", "scrubbed"]
