"""Files of rows by their kinds: damaged ones are refused in a sentence, whatever unpacks them.

Input: a byte for the kind, and the file.
"""

from __future__ import annotations

from graders.errors import RowsError
from graders.rows import Layout, Source, count_rows, decode_block, find_source
from tests.fuzz import row, scratch

TOKENS = (*row.TOKENS, b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xff" * 4, b"\0" * 4)
_KINDS = (
    "rows.jsonl.gz",
    "rows.jsonl.zst",
    "rows.parquet",
    "rows.csv.gz",
    "rows.jsonl",
    "rows.tsv",
)


def target(data: bytes) -> None:
    kind = _KINDS[(data[:1] or b"\0")[0] % len(_KINDS)]
    source = find_source([scratch.written(kind, data[1:])])
    fault = _fault(source)
    if fault is not None:
        assert kind in fault
        assert "\n" not in fault


def _fault(source: Source) -> str | None:
    """Read all rows; return why they cannot be read, None where they can."""
    index = 0
    try:
        for block in source.blocks(1 << 10):
            assert block.index == index
            chunk = decode_block(block, Layout())
            assert len(chunk.items) == count_rows(block)
            index += len(chunk.items)
    except RowsError as error:
        return str(error)
    return None
