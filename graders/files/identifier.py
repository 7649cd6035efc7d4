"""Ids: made at random in the hosted shape, and checked before anything else looks at them."""

from __future__ import annotations

import re
import secrets
import string
from typing import Final, Literal

__all__ = ["Prefix", "is_identifier", "new_identifier"]

Prefix = Literal[
    "file-", "ftjob-", "ftevent-", "ftckpt_", "cp_", "upload_", "part_", "eval_", "evalrun_"
]
_ALPHABET: Final = string.ascii_letters + string.digits
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def new_identifier(prefix: Prefix) -> str:
    """Return a new id: the prefix and 24 random letters or digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def is_identifier(text: str) -> bool:
    """Whether a text from outside has the shape of an id, so that it cannot lead anywhere else."""
    return _SHAPE.fullmatch(text) is not None
