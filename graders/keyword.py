"""The options as keywords of `graders.load` and `graders.score_file`, for editors and type checkers.

The dataclasses declare them; a test compares.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

from graders.batch.parallelism import Engine
from graders.batch.run import MaxFailures
from graders.batch.score import OnError
from graders.calls import PanelRule
from graders.errors import OptionError, nearest
from graders.models.option import CacheMode, ReplyForm
from graders.models.panel import Panel
from graders.option import options_of
from graders.rows import RowRange
from graders.sandbox import Isolation, Level
from graders.template import Dialect, Rendering, ToolArguments

__all__ = ["LoadKeywords", "ScoreKeywords", "refuse", "take"]

_Path = str | os.PathLike[str]


class LoadKeywords(TypedDict, total=False):
    """What `graders.load` takes by keyword: `Reading`, `PythonOptions` and `JudgeOptions`."""

    dialect: Dialect
    rendering: Rendering
    tool_arguments: ToolArguments
    thinking: Literal["keep", "strip"]
    rouge_backend: Literal["rouge_score", "rouge"]
    rouge_measure: Literal["fmeasure", "recall"]
    rouge_stemmer: bool
    pair_seconds: float

    python_timeout: float
    python_memory: int
    python_disk: int
    isolation: Isolation
    sandbox: Level | None
    python_workers: int | None

    base_url: str | None
    api_key_file: _Path | None
    auth: Literal["auto", "bearer", "api-key"]
    model_map: Mapping[str, str]
    concurrency: int
    deadline: float
    attempts: int
    pay_once: bool
    max_reply: int
    reply_form: ReplyForm
    repeats: int
    panel: Panel | None
    panel_rule: PanelRule
    panel_quorum: int | None
    ask_together: bool
    cache: CacheMode
    cache_file: _Path | None
    embedding_model: str | None
    embedding_url: str | None
    allow_endpoint: Mapping[str, Sequence[str]]


class ScoreKeywords(TypedDict, total=False):
    """What `graders.score_file` takes by keyword: `ScoreOptions`."""

    item_path: str
    sample_path: str
    by: str | None
    cells: Literal["text", "typed"]
    workers: int | None
    engine: Engine
    ray_address: str | None
    ray_wait: float
    resume: bool
    restart: bool
    shards: int | None
    shard: str | None
    where: RowRange | None
    allow_empty: bool
    limit: int | None
    only_failed: _Path | None
    keep_judgements: bool
    prices: _Path | None
    budget: float | None
    budget_tokens: int | None
    max_failures: MaxFailures | None
    on_error: OnError
    trace: bool
    trace_rows: int
    trace_texts: bool


def take(given: Any, kind: Any, keywords: MutableMapping[str, Any]) -> Any:
    """Return options, with what keywords say in place of theirs; those keywords are taken out.

    Args:
        given: options of a kind, None for the defaults; or something else, which has no options.
        kind: the kind.
        keywords: what was said by keyword, of this kind and others.

    Raises:
        OptionError: a keyword has a value that it cannot have, or says nothing to what is given.
    """
    known = {one.name: one.field for one in options_of(kind) if one.name in keywords}
    if given is not None and not isinstance(given, kind):
        if known:
            raise OptionError(
                f"{next(iter(known))} says nothing to a {type(given).__name__}; "
                f"it is for {kind.__name__}"
            )
        return given
    said = {field: keywords.pop(name) for name, field in known.items()}
    whole: Any = kind() if given is None else given
    return replace(whole, **said) if said else whole


def refuse(left: Mapping[str, Any], function: str, *kinds: type) -> None:
    """Refuse keywords that nothing took, as Python does.

    Raises:
        TypeError: one is left.
    """
    for name in left:
        near = nearest(name, [one.name for kind in kinds for one in options_of(kind)])
        hint = f"; did you mean {near}?" if near else ""
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")
