"""What Weights & Biases writes on this machine, read back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["records"]


def records(path: Path) -> Iterator[Any]:
    """Yield what stands in a file of wandb: after a header records in blocks of 32 KiB, as in LevelDB's logs."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if (1 << 15) - at % (1 << 15) < 7:
            at += (1 << 15) - at % (1 << 15)
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # The whole of a record, or its last piece.
            yield Record.FromString(whole)
            whole = b""
