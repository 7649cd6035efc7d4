"""Judges, embeddings and endpoints: the performers that ask servers, or a model of ours; usable alone.

`graders.models.client.ChatClient` speaks to any OpenAI-compatible server; `JudgeOptions` says which one
and how. The client is not imported here: a run without judges should not pay for asyncio and SQLite.
"""

from graders.models.known import RETIRED, retirement
from graders.models.option import CACHE_MODES, FORMS, CacheMode, JudgeOptions, ReplyForm
from graders.wire.stats import JudgeStats

__all__ = [
    "CACHE_MODES",
    "FORMS",
    "RETIRED",
    "CacheMode",
    "JudgeOptions",
    "JudgeStats",
    "ReplyForm",
    "retirement",
]
