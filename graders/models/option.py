"""How models are asked: which server, how many requests at once, what is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from graders.calls import PanelRule
from graders.errors import OptionError
from graders.models.panel import Panel
from graders.option import check, option
from graders.wire.endpoint import LOCAL

__all__ = [
    "DEFAULT_EMBEDDING",
    "CacheMode",
    "JudgeOptions",
    "ReplyForm",
    "RolloutOptions",
    "default_cache_file",
]

CacheMode = Literal["auto", "all", "none", "refresh", "offline"]
ReplyForm = Literal["auto", "json_schema", "json_object", "text"]
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
        api_key_file: a file that holds the key; None for `OPENAI_API_KEY_FILE`, else the key in
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
        cache_file: where replies are kept: a file; or a folder that is there, or an address such as
            `s3://bucket/replies`, that several machines share. None for the user's cache folder.
        repeats: how often a judge is asked for each row.
        panel: judges that are asked in place of the models that graders name; None for those.
        panel_rule: how their verdicts become one: `mean`, `median` or `majority`; `auto` is the mean
            of scores and the majority of labels.
        panel_quorum: how many of them need a verdict for a row to have one; None for all. With
            fewer judges the row fails; those without a verdict are left out, and named in its line.
        ask_together: whether sub-graders of a multi with the same model and input are asked in one
            request; numbers may differ from those of one request each.
        embedding_model: the model that cosine embeds with; None for `text-embedding-3-large`, or
            the one that `local` has.
        embedding_url: the server of the embeddings where it is not the judges'; `local` for the
            embedded model of extra `models`.
        allow_endpoint: the hosts (`example.com`, or `example.com:8443`) that endpoint graders may send
            rows to, each with the variables of the environment that may go into headers there.
    """

    base_url: str | None = option(
        None, "Server of the judges, or local.  [default: $OPENAI_BASE_URL, else OpenAI]",
        metavar="URL", suite=True, kept=True, group="Models",
    )  # fmt: skip
    api_key_file: Path | None = option(
        None, "File with the key.  [default: $OPENAI_API_KEY]", metavar="PATH", group="Models"
    )
    auth: Literal["auto", "bearer", "api-key"] = option(
        "auto", "Header the key goes into.", group="Models"
    )
    model_map: Mapping[str, str] = option(
        dict, "Ask model OTHER where the grader names NAME; may be given several times.",
        metavar="NAME=OTHER", suite=True, kept=True, group="Models",
    )  # fmt: skip
    concurrency: int = option(
        32, "Requests to judges at once.", metavar="N", least=1, suite=True, group="Models"
    )
    deadline: float = option(
        300.0, "Time for one call of a judge, retries included.",
        metavar="SECONDS", unit="seconds", above=0, suite=True, group="Models",
    )  # fmt: skip
    attempts: int = option(
        8, "Tries at a server that cannot be reached.", metavar="N", least=1, group="Models"
    )
    pay_once: bool = option(
        False, "Fail a row rather than ask again what a server may bill unanswered.", group="Models"
    )
    max_reply: int = option(
        1 << 20,
        "Longest reply that is read, decompressed.",
        unit="bytes",
        least=1,
        flag=False,
        kept=True,
    )
    reply_form: ReplyForm = option(
        "auto",
        "How the shape of a judge's reply is asked for.",
        suite=True,
        kept=True,
        group="Models",
    )
    repeats: int = option(
        1,
        "Times a judge is asked for each row.",
        metavar="N",
        least=1,
        suite=True,
        kept=True,
        group="Models",
    )
    panel: Panel | None = option(
        None, "Several judges in place of the grader's: MODEL, MODEL@URL or local, or a file of them.",
        metavar="A,B,...|FILE.json", group="Models",
    )  # fmt: skip
    panel_rule: PanelRule = option("auto", "How the panel's verdicts become one.", group="Models")
    panel_quorum: int | None = option(
        None, "Judges of the panel that need a verdict.  [default: all]",
        metavar="N", least=1, group="Models",
    )  # fmt: skip
    ask_together: bool = option(
        False, "Ask sub-graders of one model and input in one request; numbers may differ.",
        group="Models",
    )  # fmt: skip
    # Three flags of a command are one mode.
    cache: CacheMode = option(
        "auto", "Which replies are kept, and which are asked for.", flag=False
    )
    cache_file: Path | None = option(  # An address becomes a Remote, which is asked about as a Path is.
        None, "Where replies are kept: a file, or a folder or s3://... that machines share.",
        metavar="PATH", elsewhere=True, suite=True, group="Replies that are kept",
    )  # fmt: skip

    embedding_model: str | None = option(
        None, f"Model that cosine embeds with.  [default: {DEFAULT_EMBEDDING}]",
        metavar="NAME", suite=True, kept=True, group="Models",
    )  # fmt: skip
    embedding_url: str | None = option(
        None, "Server of the embeddings, or local.  [default: the judges']",
        metavar="URL", suite=True, kept=True, group="Models",
    )  # fmt: skip
    allow_endpoint: Mapping[str, Sequence[str]] = option(
        dict, "Host that endpoint graders may send rows to, and the variables of the environment "
        "that may go into headers there; may be given several times.",
        metavar="HOST[=VARIABLE,...]", group="Models",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)
        judges = 0 if self.panel is None else len(self.panel.judges)
        if not judges and (self.panel_rule != "auto" or self.panel_quorum is not None):
            raise OptionError("panel_rule and panel_quorum say how a panel decides; there is none")
        if self.panel_quorum is not None and self.panel_quorum > judges:
            raise OptionError(
                f"panel_quorum is at most the {judges} judges there are, got {self.panel_quorum}"
            )

    def asked(self, model: str | None) -> list[str]:
        """Return the models asked where a grader names one: it, or the panel's; before the map."""
        if model is None or self.panel is None:
            return [] if model is None else [model]
        return [one.model for one in self.panel.judges]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """Where rollouts come from: the answers that rows do not record, from a model.

    Attributes:
        url: the OpenAI-compatible server that answers the prompts of rows without recorded
            samples; None where all rows have some.
        model: the model asked there; None for the job's own.
        api_key_file: a file with its key; None for the environment's, as for judges.
        auth: the header the key goes into.
        samples: how many samples of one prompt are drawn where `compute_multiplier` is auto; with a
            number, so many times that number.
        concurrency: at most so many prompts asked at once.
        deadline: seconds one prompt may take, its tries and waits included.
        attempts: how often a prompt is sent at most after connection faults and 5xx.
        max_reply: bytes of the longest answer that is read.
    """

    url: str | None = option(
        None, "OpenAI-compatible server that gives samples where rows record none.",
        name="rollout_url", metavar="URL", group="Rollouts",
    )  # fmt: skip
    model: str | None = option(
        None, "Model to ask for samples that rows do not record.  [default: the job's]",
        name="rollout_model", metavar="NAME", group="Rollouts",
    )  # fmt: skip
    samples: int = option(
        4, "Samples of each training prompt that a model is asked for.",
        name="rollout_samples", metavar="N", least=1, group="Rollouts",
    )  # fmt: skip
    api_key_file: Path | None = option(None, name="rollout_api_key_file", flag=False)
    auth: Literal["auto", "bearer", "api-key"] = option("auto", name="rollout_auth", flag=False)
    concurrency: int = option(16, name="rollout_concurrency", least=1, flag=False)
    deadline: float = option(300.0, name="rollout_deadline", unit="seconds", above=0, flag=False)
    attempts: int = option(8, name="rollout_attempts", least=1, flag=False)
    max_reply: int = option(8 << 20, name="rollout_max_reply", unit="bytes", least=1, flag=False)

    def __post_init__(self) -> None:
        check(self)
        if self.url == LOCAL:
            raise OptionError(
                "rollout_url is http://… or https://…; the small judge answers no rows"
            )
