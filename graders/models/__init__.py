"""Asking models: judges, embeddings, rollouts, and servers that grade rows; usable alone.

`graders.models.client.ChatClient` speaks to any OpenAI-compatible server; `JudgeOptions` says which one
and how. The client is not imported here: a run without judges should not pay for asyncio and SQLite.
"""

from graders.models.known import NO_NEW_JOBS, base_of, retirement
from graders.models.local import WARNING, missing_models
from graders.models.option import CacheMode, JudgeOptions, RolloutOptions, default_cache_file
from graders.models.panel import Panel, PanelJudge
from graders.models.price import paid_text
from graders.wire.stats import JudgeStats

__all__ = [
    "NO_NEW_JOBS",
    "WARNING",
    "CacheMode",
    "JudgeOptions",
    "JudgeStats",
    "Panel",
    "PanelJudge",
    "RolloutOptions",
    "base_of",
    "default_cache_file",
    "missing_models",
    "paid_text",
    "retirement",
]
