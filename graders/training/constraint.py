"""Answers held to a JSON schema while they are sampled: which token may come next, by llguidance.

It is loaded where a schema is asked for. Source of the rules: llguidance 1.9, whose schemas are those that
vLLM, SGLang and llama.cpp hold answers to by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders import jsontext
from graders.errors import shown

__all__ = ["ConstraintError", "Constraints", "ends_of", "schema_of"]

# Small models fill what is open: a space, or a line and its indent, and no more.
_SPACING: Final = {"whitespace_pattern": r"(\n[ ]{0,24}|[ ])?"}


class ConstraintError(Exception):
    """Answers cannot be held to a schema; says why."""


def schema_of(form: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the schema that a `response_format` holds answers to; None where it holds them to none.

    Args:
        form: as the API has it; Azure's has what stands in `json_schema` beside the type.
    """
    if form is None or form.get("type") in (None, "text"):
        return None
    if form["type"] == "json_object":
        return {"type": "object"}
    inner = form.get("json_schema") or form
    schema: dict[str, Any] = inner.get("schema") or {"type": "object"}
    return schema


def ends_of(tokenizer: Any, model: Any) -> list[int]:
    """Return the tokens that end an answer, of a tokenizer and of what a model says of itself."""
    said = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = said if isinstance(said, list) else [said]
    return sorted({one for one in (tokenizer.eos_token_id, *found) if one is not None})


class Constraints:
    """What holds the answers of a model to schemas.

    Args:
        tokenizer: the model's, as transformers have it; a fast one.
        ends: the tokens that end an answer.

    Raises:
        ConstraintError: llguidance is not installed, or cannot read the tokenizer.
    """

    def __init__(self, tokenizer: Any, ends: Sequence[int]) -> None:
        try:
            from llguidance.hf import from_tokenizer  # noqa: PLC0415  (where a schema is asked for)
        except ModuleNotFoundError:
            raise ConstraintError(
                "llguidance is not installed (pip install 'local-graders[train]')"
            ) from None
        self._ends = list(ends)
        try:
            self._tokenizer = from_tokenizer(tokenizer, eos_token=self._ends)
        except Exception as error:  # noqa: BLE001  (whatever that library raises)
            raise ConstraintError(
                f"llguidance cannot read the tokenizer: {shown(str(error), 200)}"
            ) from None

    def processor(self, schema: Mapping[str, Any]) -> _Processor:
        """Return what holds the answers of one call of `generate` to a schema.

        Raises:
            ConstraintError: the schema has what llguidance does not know.
        """
        from llguidance import LLMatcher  # noqa: PLC0415

        grammar = LLMatcher.grammar_from_json_schema(
            jsontext.encode(schema).decode(), overrides=_SPACING
        )
        wrong, says = LLMatcher.validate_grammar_with_warnings(grammar, self._tokenizer)
        if wrong:
            raise ConstraintError(f"llguidance cannot hold this schema: {shown(says[0], 300)}")
        return _Processor(LLMatcher(self._tokenizer, grammar), self._ends)


class _Processor:
    """Leaves of the next tokens those that a schema allows: a LogitsProcessor of transformers, for one call."""

    def __init__(self, matcher: Any, ends: Sequence[int]) -> None:
        self._matcher, self._ends = matcher, ends
        self._rows: list[Any] = []

    def fresh(self) -> _Processor:
        """Return one for another call."""
        return _Processor(self._matcher, self._ends)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores of a batch, -inf for what may not come.

        Raises:
            ConstraintError: the schema takes more to follow than llguidance allows.
        """
        import numpy as np  # noqa: PLC0415
        import torch  # noqa: PLC0415

        if self._rows:
            for one, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
                if not one.is_stopped():
                    one.consume_token(token)
        else:
            self._rows = [self._matcher.deep_copy() for _ in range(input_ids.shape[0])]
        allowed = np.zeros((len(self._rows), scores.shape[1]), dtype=np.bool_)
        for row, one in zip(allowed, self._rows, strict=True):
            if one.is_error():
                raise ConstraintError(
                    f"llguidance gave this schema up: {shown(one.get_error(), 300)}"
                )
            if one.is_stopped():  # It is whole: nothing more is said.
                row[self._ends] = True
                continue
            bits = np.unpackbits(np.frombuffer(one.compute_bitmask(), np.uint8), bitorder="little")
            row[: min(len(bits), len(row))] = bits[: len(row)]
        mask = torch.from_numpy(allowed).to(scores.device)
        return scores.masked_fill(~mask, float("-inf"))
