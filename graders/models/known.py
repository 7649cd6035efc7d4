"""What is known of models by their names: which are switched off, and which ones reason.

Source: the hosted service's deprecation page and its guide, as of November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "NO_NEW_JOBS", "base_of", "cacheable", "is_reasoning", "refuses_effort", "retirement",
]  # fmt: skip

NO_NEW_JOBS: Final = "2027-01-06"
"""The day from which the hosted service takes no new fine-tuning jobs from anybody."""

_RETIRED: Final = {
    "o4-mini": "2026-10-23",
    "o1": "2026-10-23",
    "o3-mini": "2026-10-23",
    "gpt-4.1-nano": "2026-10-23",
    "o3": "2026-12-11",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-4o-2024-08-06": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
}
"""The day the service switches a model off, by its name without a date; a dated name is itself."""

_DATE: Final = re.compile(r"-20\d\d-\d\d-\d\d$")
_REASONING: Final = re.compile(r"(?:.*/)?(?:o\d|gpt-5(?!-chat))(?:[-.].*)?")
_PLAIN: Final = re.compile(r"(?:.*/)?(?:gpt-4|gpt-3|chatgpt|gpt-audio|gpt-5-chat).*")


def retirement(model: str) -> str | None:
    """Return the day a model is switched off, as YYYY-MM-DD; None where none is known."""
    return _RETIRED.get(model) or _RETIRED.get(_DATE.sub("", model))


def base_of(model: str) -> str:
    """Return the base of a fine-tuned model's name (`ft:o4-mini-2025-04-16:org::id`); others as they are."""
    if model.startswith("ft:") and model[3:]:
        return model[3:].partition(":")[0]
    return model.removeprefix("ft-")


def is_reasoning(model: str) -> bool:
    """Whether a model takes no temperature and no top_p."""
    return _REASONING.fullmatch(model) is not None


def refuses_effort(model: str) -> bool:
    """Whether a model is known to take no reasoning_effort."""
    return _PLAIN.fullmatch(model) is not None


def cacheable(params: Mapping[str, Any], model: str) -> bool:
    """Whether asking twice should give the same: at temperature 0 or with a seed."""
    return params.get("seed") is not None or (
        params.get("temperature") == 0 and not is_reasoning(model)
    )
