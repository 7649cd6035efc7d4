"""How judges are asked: which server, how many at once, what is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from graders.errors import OptionError

__all__ = [
    "CACHE_MODES",
    "DEFAULT_EMBEDDING",
    "FORMS",
    "CacheMode",
    "JudgeOptions",
    "ReplyForm",
    "default_cache_file",
]

CacheMode = Literal["auto", "all", "none", "refresh", "offline"]
CACHE_MODES: Final = get_args(CacheMode)
ReplyForm = Literal["auto", "json_schema", "json_object", "text"]
FORMS: Final = get_args(ReplyForm)
DEFAULT_EMBEDDING: Final = "text-embedding-3-large"


def default_cache_file() -> Path:
    """Return where replies are kept unless told otherwise."""
    if named := os.environ.get("GRADERS_CACHE_FILE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(home) if home else Path.home() / ".cache") / "graders" / "replies.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """How model graders and cosine reach their models.

    Attributes:
        base_url: the server, such as `http://127.0.0.1:8080/v1`; `local` for the small judge of
            extra `models` and its embedding model; None for `OPENAI_BASE_URL`, else OpenAI.
        key_file: a file that holds the key; None for `OPENAI_API_KEY_FILE`, else the key in
            `OPENAI_API_KEY` (for Azure `AZURE_OPENAI_API_KEY` first).
        auth: the header the key goes into; `auto` is `api-key` for Azure, else `bearer`.
        model_map: models to ask in place of the config's.
        concurrency: at most so many requests at once; fewer while the server limits the rate.
        deadline: seconds one call may take, its tries and waits included.
        attempts: how often a request is sent at most after connection faults and 5xx.
        pay_once: never ask again where a connection broke once the request was sent: the server
            may bill it, answered or not. Such a row fails.
        max_reply: bytes of the longest reply that is read, as decompressed; its text has at most a
            quarter as many characters.
        reply_form: how the reply's shape is asked for; `auto` finds what the server can do.
        cache: `auto` keeps replies of temperature 0 or with a seed, `all` every reply, `none`
            none; `refresh` keeps all and reads none; `offline` asks nothing but the cache.
        cache_file: where replies are kept; None for the user's cache folder.
        repeats: how often a judge is asked for each row.
        embedding_model: the model that cosine embeds with; None for `text-embedding-3-large`, or
            the one that `local` has.
        embedding_url: the server of the embeddings where it is not the judges'; `local` for the
            embedded model of extra `models`.
        endpoints: the hosts (`example.com`, or `example.com:8443`) that endpoint graders may send
            rows to, each with the variables of the environment that may go into headers there.
    """

    base_url: str | None = None
    key_file: Path | None = None
    auth: Literal["auto", "bearer", "api-key"] = "auto"
    model_map: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 32
    deadline: float = 300.0
    attempts: int = 8
    pay_once: bool = False
    max_reply: int = 1 << 20
    reply_form: ReplyForm = "auto"
    cache: CacheMode = "auto"
    cache_file: Path | None = None
    repeats: int = 1
    embedding_model: str | None = None
    embedding_url: str | None = None
    endpoints: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts", "max_reply", "repeats"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is at least 1, got {getattr(self, name)}")
        if not self.deadline > 0:
            raise OptionError(f"deadline is more than 0 seconds, got {self.deadline}")
        if self.cache not in CACHE_MODES:
            raise OptionError(f"cache is one of {', '.join(CACHE_MODES)}, got {self.cache!r}")
        if self.reply_form not in FORMS:
            raise OptionError(f"reply_form is one of {', '.join(FORMS)}, got {self.reply_form!r}")
