"""endpoint: a server of the user's grades each row. Azure has it, the other hosted service does not.

Source: the preview's document for the fields, the request `{"sample", "item", "trace_id"}`, the reply
`{"score": number}`, 1 MB a request, three tries more after a failure. Which of its flags a failure
sets is not documented: docs/reference/choices.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from graders.calls import EndpointCall, EndpointReply
from graders.errors import shown
from graders.grade import Failure
from graders.kinds.field import PASS_THRESHOLD, GraderConfig, Number, Str, fault
from graders.kinds.kind import ANY_SCORE, Kind, Rows, Scores, Settled, TextField
from graders.sample import item_of, sample_of

__all__ = ["Endpoint", "EndpointKind"]

_LONGEST_URL: Final = 4000
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"}
)
_RATE: Final = 50.0
"""Requests a second that the service asks endpoints to be built for."""


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        raise fault(f"a URL such as https://example.com/grade is needed, got {shown(url)}")
    if parts.username or parts.password:
        raise fault("the URL holds a user or a password; send them in headers")
    return url


def _check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _RESERVED:
            raise fault(f"{shown(name)} cannot be set as a header")
        if not (value.isascii() and value.isprintable()):
            raise fault(f"the header {shown(name)} has characters that no header has")
    return headers


class Endpoint(GraderConfig):
    """Post each row to a server of yours; its score is the reward. Azure only."""

    type: Literal["endpoint"] = "endpoint"
    url: Annotated[
        Str, AfterValidator(_check_url), Field(json_schema_extra={"pattern": "^https?://."})
    ]
    """Where rows are posted as `{"sample", "item", "trace_id"}`; it answers `{"score": number}`."""
    headers: Annotated[dict[Str, Str], AfterValidator(_check_headers)] | None = None
    """What is sent along; `${NAME}` stands for a variable of the environment."""
    rate_limit: Annotated[Number, Field(gt=0)] | None = None
    """Requests a second at most; 50 where it is left out."""
    pass_threshold: Number | None = PASS_THRESHOLD


class EndpointKind(Kind[Endpoint]):
    """Asks the server. Without a threshold it passes from 0.5, as python does."""

    name = "endpoint"
    config = Endpoint
    services = frozenset({"azure"})

    def performer(self, config: Endpoint) -> Literal["endpoint"]:
        return "endpoint"

    def texts(self, config: Endpoint) -> Iterator[TextField]:
        return iter(())

    def sees_all(self, config: Endpoint) -> bool:
        return True

    def ask(self, config: Endpoint, rows: Rows, repeats: int) -> EndpointCall:
        return EndpointCall(
            config.url,
            config.headers or {},
            config.rate_limit or _RATE,
            [sample_of(sample) for sample in rows.samples],
            [item_of(item) for item in rows.items],
        )

    def settle(self, config: Endpoint, replies: Sequence[EndpointReply], repeats: int) -> Settled:
        settled = Settled([reply.score for reply in replies])
        for row, reply in enumerate(replies):
            if (error := reply.error) is not None:
                ours = error.kind == "request"
                code = f"endpoint_grader_{'internal' if ours else 'server'}_error"
                settled.failures[row] = Failure(code, error.message, details=error.details)  # type: ignore[arg-type]
        return settled

    def scores(self, config: Endpoint) -> Scores:
        return ANY_SCORE

    def _passes_without_threshold(self, config: Endpoint) -> float:
        return 0.5
