"""Judges over HTTP: the performer of chat calls, usable alone.

`graders.chat.client.ChatClient` speaks to any OpenAI-compatible server; `JudgeOptions` says which one
and how. The client is not imported here: a run without judges should not pay for asyncio and SQLite.
"""

from graders.chat.model import RETIRED, retirement
from graders.chat.option import CACHE_MODES, FORMS, CacheMode, JudgeOptions, ReplyForm
from graders.chat.stats import JudgeStats

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
