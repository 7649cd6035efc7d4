"""Calls that leaves ask for and the replies performers give: plain data, no I/O.

A leaf turns columns into a call and settles the reply; a performer (the python sandbox, a chat
client) acts in between. An error is a reply too. One call carries a whole column of rows, so a
performer may batch, and a test may answer by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:  # Performers of python calls need nothing but this module and the errors.
    from graders.grade import Usage

__all__ = [
    "ChatCall",
    "ChatError",
    "ChatPerformer",
    "ChatReply",
    "ChoosyPerformer",
    "EmbedCall",
    "EmbedPerformer",
    "EmbedReply",
    "EndpointCall",
    "EndpointReply",
    "ManyChatPerformer",
    "PanelRule",
    "PythonCall",
    "PythonError",
    "PythonPerformer",
    "PythonReply",
    "Sending",
    "Stop",
]

PanelRule = Literal["auto", "mean", "median", "majority"]
"""How verdicts of several judges become one; `auto`: the mean of scores, the majority of labels."""

Stop = Event
"""Set from another thread once nobody waits for what was asked."""


@dataclass(frozen=True, slots=True)
class PythonCall:
    """Run `grade(sample, item)` of one source over a column of rows.

    Attributes:
        source: the grader's python source.
        samples: one `sample` dict a row (JSON values only).
        items: one `item` dict a row (JSON values only), same length.
        image_tag: the config's image_tag, which selects an interpreter.
    """

    source: str
    samples: Sequence[dict[str, Any]]
    items: Sequence[Any]
    image_tag: str | None = None


@dataclass(frozen=True, slots=True)
class PythonError:
    """Why a python grader gave no score for a row.

    Attributes:
        kind: `runtime` (exception in grade), `load` (syntax, top level, no or wrong `grade`),
            `returned` (not a finite number), `timeout`, `memory`, `crash` (killed, exited), and
            for our own side `sandbox_unavailable`, `worker_start`, `protocol`, `resource`.
        message: one sentence, with the user's own line where there is one.
        details: a trimmed traceback of the user's frames, or "".
        line: 1-based line in the user's source, None where unknown.
        column: 1-based column, None where unknown.
        exception: the type of the exception that came out of the source, "" for none.
    """

    kind: Literal[
        "runtime", "load", "returned", "timeout", "memory", "crash",
        "sandbox_unavailable", "worker_start", "protocol", "resource",
    ]  # fmt: skip
    message: str
    details: str = ""
    line: int | None = None
    column: int | None = None
    exception: str = ""


@dataclass(frozen=True, slots=True)
class PythonReply:
    """What one row's call gave: a finite score or an error, never both.

    Attributes:
        score: what `grade` returned, as a finite float; None with an error.
        error: why there is no score.
        stdout: what the grader printed, bounded.
        stderr: the same for stderr.
        seconds: how long the call took.
    """

    score: float | None
    error: PythonError | None = None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class PythonPerformer(Protocol):
    """Anything that can perform a PythonCall: the sandbox, or a test's own function."""

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        """Load the source without grading: its load error, or None when `grade` is there."""

    def perform(self, call: PythonCall) -> list[PythonReply]:
        """Return one reply a row, in order."""


@dataclass(frozen=True, slots=True)
class ChatCall:
    """Ask a judge once for each entry of a column.

    Attributes:
        model: the model's name, as the config has it.
        messages: the messages of each entry, in the shape of the chat completions API.
        schema_name: what the reply's schema is called.
        schema: the JSON Schema that the whole reply follows.
        sampling: the config's sampling parameters, under the config's names.
        repeats: which asking of its row each entry is, from 0; empty where all are the first.
        grader: who asks: a text that no other grader has. What a server teaches about requests is
            kept for this grader's own.
        judge: which judge of a panel is asked, "" where there is only one.
        rows: the row of the input that each entry is of; empty where nobody knows.
        subject: what is judged: equal for calls of one model that may be one request, for their
            messages differ in fixed instructions alone; "" for a call that stays alone.
    """

    model: str
    messages: Sequence[Sequence[Mapping[str, Any]]]
    schema_name: str
    schema: Mapping[str, Any]
    sampling: Mapping[str, Any] = field(default_factory=dict)
    repeats: Sequence[int] = ()
    grader: str = ""
    judge: str = ""
    rows: Sequence[int] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ChatError:
    """Why a judge's reply cannot be used.

    Attributes:
        kind: `refused` (the judge or its filter would not), `length` (cut off), `request` (the
            server would not take the request), `server` (it failed, or answered what is no chat
            completion), `empty` (the judge answered with something else than a text),
            `unreachable`, `deadline`, `too_large`, `offline` (not in the cache).
        message: one sentence.
        details: what the server said, bounded.
    """

    kind: Literal[
        "refused", "length", "empty", "request", "server", "unreachable", "deadline", "too_large",
        "offline",
    ]  # fmt: skip
    message: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Sending:
    """When a question was asked, where and how; for traces, and in no result.

    Attributes:
        began: when, in nanoseconds since 1970; retries follow.
        ended: when the answer was there, or the last attempt was given up.
        server: the server's address, without a query.
        kind: `openai`, `azure`, `local` or `other`.
        model: the model's name as it was sent.
        params: the sampling parameters as they were sent.
    """

    began: int
    ended: int
    server: str
    kind: str
    model: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What asking a judge once gave: a text or an error. Tokens may have been used either way.

    Attributes:
        text: the whole reply; with an error, what there is of it.
        error: why the text is not to be read.
        usage: the tokens it used; None where the server did not say.
        model: the name of the model that answered, as its server gives it.
        cached: whether it came from the cache.
        enforced: whether the server was asked to hold the reply to the schema.
        seconds: how long the answer took; 0.0 from the cache.
        sending: how it was asked for, a `Sending`; None from the cache, or where another row's question gave it.
    """

    text: str
    error: ChatError | None = None
    usage: Usage | None = None
    model: str = ""
    cached: bool = False
    enforced: bool = True
    seconds: float = field(default=0.0, compare=False)
    sending: Any = field(default=None, compare=False, repr=False)


class ChatPerformer(Protocol):
    """Anything that can perform a ChatCall: the chat client, or a test's own function."""

    def perform(self, call: ChatCall) -> list[ChatReply]:
        """Return one reply an entry, in order."""


@runtime_checkable
class ChoosyPerformer(Protocol):
    """A performer that does not perform every call, and says so before the first row."""

    def agree(self, call: Any) -> None:
        """Return if such a call would be performed; raises UnavailableError, which says why not."""


@runtime_checkable
class ManyChatPerformer(Protocol):
    """A ChatPerformer that performs several calls, such as those of a multi's judges, at once."""

    def perform_many(self, calls: Sequence[ChatCall]) -> list[list[ChatReply]]:
        """Return one reply an entry, in order, of each call."""


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """Embed a column of texts; a text may stand in it many times."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class EmbedReply:
    """The embedding of one text, or why there is none."""

    vector: Sequence[float] | None
    error: ChatError | None = None


class EmbedPerformer(Protocol):
    """Anything that can perform an EmbedCall.

    Attributes:
        signature: what makes the embeddings, as `key:value` pairs for a metric's signature.
    """

    @property
    def signature(self) -> str:
        """What makes the embeddings."""

    def perform(self, call: EmbedCall) -> list[EmbedReply]:
        """Return one reply a text, in order."""


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """Send a column of rows to a server that grades them.

    Attributes:
        url: where each row is posted.
        headers: what is sent along; `${NAME}` stands for a variable of the environment.
        rate_limit: requests a second at most.
        samples: one `sample` a row (JSON values only).
        items: one `item` a row (JSON values only), same length.
    """

    url: str
    headers: Mapping[str, str]
    rate_limit: float
    samples: Sequence[Mapping[str, Any]]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What a server gave for one row: a finite score or an error, never both."""

    score: float | None
    error: ChatError | None = None
