"""Graders in other vendors' words, and theirs in ours; what is not carried over is named."""

from graders.convert.result import Converted, Loss
from graders.convert.table import READS, WRITES, convert, format_of

__all__ = ["READS", "WRITES", "Converted", "Loss", "convert", "format_of"]
