"""What a grading process does with a request: body in, status and body out. No I/O of its own."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final, Literal

from graders import jsontext
from graders.api import Grader, SharedPerformers
from graders.config import Loaded, dump, load_source
from graders.errors import (
    ConfigError,
    Fault,
    GradersError,
    NotAllowedError,
    UnavailableError,
    quoted,
    suggestion,
)
from graders.inspection.lint import TARGETS, Measured, Subject, Target, lint, of_faults
from graders.kinds import EvalCriteria
from graders.reading import Reading
from graders.sandbox import IMAGES
from graders.server.frame import Answer, Elsewhere
from graders.server.json_object import parse_object
from graders.server.option import ServeOptions
from graders.server.place import marked
from graders.server.reward import Rewards, facts_of
from graders.server.trial import figures_of, rows_of, sides_of, try_rows
from graders.server.weight import excess
from graders.tracing import is_configured, missing
from graders.wire.error import ApiError, bare

__all__ = ["Answer", "Elsewhere", "Handler", "Need", "failed"]

Need = Literal["metrics", "models"]
"""Which kind of process a request wants: one that only computes, or one that asks and waits."""

_MOST_GRADERS: Final = 64
_MOST_FAULTS: Final = 100
_MOST_NAME: Final = 100
_LABEL_NOTE: Final = (
    "label_model is accepted here; the hosted run endpoint takes it only inside a multi, "
    "and Evals alone"
)


@dataclass(frozen=True, slots=True)
class _Known:
    """A grader that was loaded.

    Attributes:
        loaded: its config, and the text it came from.
        grader: the grader.
        key: what requests with the same grader have in common.
    """

    loaded: Loaded
    grader: Grader
    key: bytes


class Handler:
    """Answers requests by graders it keeps ready. Several threads may use one that asks models.

    Args:
        options: how the server is run.
        need: which requests it takes.

    Attributes:
        traced: whether the server wants to be told of the rows that are graded.
    """

    def __init__(self, options: ServeOptions, need: Need) -> None:
        self.traced = is_configured() and not missing()
        self._options = options
        self._need = need
        self._graders: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = Lock()
        # All graders share one sandbox and one client, and so its rate limit and its cache.
        # Nothing of a request's python graders may be there for the next, who may be another.
        self._shared = SharedPerformers(
            options.python, options.judge, tags=["", *IMAGES], keep=False
        )
        self._tasks: Mapping[str, Callable[[bytes, Event], Answer | Elsewhere]] = {
            "run": self._run,
            "validate": self._validate,
            "explain": self._explain,
            "lint": self._lint,
            "rows": self._rows,
            "figures": self._figures,
            "reward": Rewards(options, self._made).answer,
        }

    def answer(self, task: str, body: bytes, stop: Event | None = None) -> Answer | Elsewhere:
        """Return the answer to a request, whatever it is.

        Args:
            task: what is asked for.
            body: the request's body.
            stop: set from another thread once nobody waits for the answer: its python graders are
                killed at once, what it asks of models is broken off.
        """
        try:
            return self._tasks[task](body, stop or Event())
        except ApiError as error:
            return failed(error)
        except ConfigError as error:
            return failed(_refusal(error))
        except NotAllowedError as error:
            return failed(ApiError(403, str(error), code="endpoint_not_allowed"))
        except UnavailableError as error:
            return failed(ApiError(501, str(error), type="server_error", code="unavailable"))
        except GradersError as error:
            return failed(ApiError(400, str(error)))
        except MemoryError:
            return failed(ApiError(413, "grading this request takes more memory than one may have"))

    def close(self) -> None:
        """Stop what was started."""
        self._shared.close()

    # The tasks.

    def _run(self, body: bytes, stop: Event) -> Answer | Elsewhere:
        request = _object(body, ("grader", "item", "model_sample"))
        sample = _model_sample(request)
        item = request.get("item")
        if item is not None and not isinstance(item, dict):
            raise ApiError(400, f"item is an object, got {quoted(item)}", param="item")
        known = self._grader(request)
        if self._is_elsewhere(known.grader):
            return Elsewhere(known.key)
        _weighed(known.grader, item, sample)
        grade = known.grader.grade(item, sample, stop=stop)
        shown = grade.hosted
        if not known.grader.plan.alone:
            shown["notes"] = [_LABEL_NOTE]
        return _answer(shown, facts_of([grade]))

    def _validate(self, body: bytes, stop: Event) -> Answer | Elsewhere:
        request = _object(body, ("grader",))
        known = self._grader(request)
        if self._is_elsewhere(known.grader):
            return Elsewhere(known.key)
        known.grader.check(stop)
        return _answer({"grader": dump(known.loaded.config)})

    def _explain(self, body: bytes, stop: Event) -> Answer | Elsewhere:
        request = _object(body, ("grader", "item", "sample", "target"))
        target = _target(request)
        known = self._tried(request, stop)
        if not isinstance(known, _Known):
            return known
        started = time.perf_counter()
        item, sample = request.get("item"), request.get("sample")
        _weighed(known.grader, item, sample)
        explained = known.grader.explain(item, sample, stop=stop)
        grade, plan = explained.grade, known.grader.plan
        shown = {
            "ok": True,
            "grade": marked(grade, known.loaded, plan),
            "name": plan.name,
            "type": plan.type,
            "types": {leaf.key: leaf.config.type for leaf in plan.leaves},
            "formula": None if plan.formula is None else known.loaded.config.calculate_output,
            "rendered": explained.rendered,
            "printed": explained.printed,
            "said": explained.said,
            "signatures": plan.signatures,
            "seconds": dict(explained.seconds),
            "execution_time": time.perf_counter() - started,
            "findings": self._findings(known, target),
            "hosted": grade.hosted,
        }
        return _answer(shown, facts_of([grade]))

    def _lint(self, body: bytes, _: Event) -> Answer:
        request = _object(body, ("grader", "target"))
        target = _target(request)
        try:
            known = self._grader({"grader": _source(request)}, within=False)
        except ConfigError as error:
            return _answer(_faults(error))
        return _answer({"faults": [], "findings": self._findings(known, target)})

    def _rows(self, body: bytes, stop: Event) -> Answer | Elsewhere:
        request = _object(body, ("grader", "rows", "target", "named"))
        target, rows = _target(request), rows_of(request, self._options.limits.rows)
        named = _named(request)
        known = self._tried(request, stop)
        if not isinstance(known, _Known):
            return known
        plan, tried = known.grader.plan, try_rows(known.grader, rows, named, stop)
        shown = {
            "ok": True,
            "name": plan.name,
            "type": plan.type,
            "asks": plan.asks_servers,
            "rows": tried.to_list(),
            "findings": self._findings(known, target, tried.measured),
        }
        return _answer(shown, facts_of(tried.grades))

    def _figures(self, body: bytes, _: Event) -> Answer:
        return _answer(figures_of(sides_of(_object(body, ("sides",)))))

    # What they share.

    def _tried(self, request: Mapping[str, Any], stop: Event) -> _Known | Answer | Elsewhere:
        """Return the grader that somebody writes on the page, or what there is to say instead."""
        try:
            known = self._grader({"grader": _source(request)}, within=False)
            if self._is_elsewhere(known.grader):
                return Elsewhere(known.key)
            known.grader.check(stop)
        except ConfigError as error:
            return _answer({"ok": False, **_faults(error)})
        return known

    def _grader(self, request: Mapping[str, Any], *, within: bool = True) -> _Known:
        """Return the request's grader, loaded once for all requests that bring the same."""
        source = request.get("grader")
        if source is None:
            raise ApiError(400, "grader is required: the grader's JSON object", param="grader")
        if within and not isinstance(source, dict):
            raise ApiError(400, f"grader is an object, got {quoted(source)}", param="grader")
        try:
            key = (b"%d" % within) + jsontext.encode(source)
        except ValueError:
            raise ApiError(400, "grader nests too deeply", param="grader") from None
        with self._lock:
            known = self._graders.get(key)
            if known is not None:
                self._graders.move_to_end(key)
                return known
        if within:
            loaded = load_source({"grader": source})
        elif isinstance(source, str):
            loaded = load_source(source.encode("utf-8", "surrogatepass"))
        else:
            loaded = load_source(source)
        if within and isinstance(loaded.config, EvalCriteria):
            raise ApiError(400, "grader is one grader, not several criteria", param="grader")
        known = _Known(loaded, self._made(loaded), hashlib.sha256(key).digest())
        with self._lock:
            self._graders[key] = known
            while len(self._graders) > _MOST_GRADERS:
                self._graders.popitem(last=False)
        return known

    def _made(self, loaded: Loaded, reading: Reading | None = None) -> Grader:
        python, judge = self._options.python, self._options.judge
        return Grader(loaded, reading=reading, python=python, judge=judge, shared=self._shared)

    def _is_elsewhere(self, grader: Grader) -> bool:
        return grader.plan.asks and self._need == "metrics"

    def _findings(
        self, known: _Known, target: Target, measured: Measured | None = None
    ) -> list[dict[str, Any]]:
        subject = Subject.of(
            known.loaded, known.grader, target=target, measured=measured,
            model_map=self._options.judge.model_map,
        )  # fmt: skip
        return [one.to_dict() for one in lint(subject)[:_MOST_FAULTS]]


def _target(request: Mapping[str, Any]) -> Target:
    target: Target = request.get("target", "local")
    if target not in TARGETS:
        raise ApiError(
            400, f"target is one of {', '.join(TARGETS)}, got {quoted(target)}", param="target"
        )
    return target


def _named(request: Mapping[str, Any]) -> str:
    """Return what the rows are called in findings."""
    named = request.get("named", "")
    if not isinstance(named, str):
        raise ApiError(400, f"named is a text, got {quoted(named)}", param="named")
    return named[:_MOST_NAME] or "these rows"


def _weighed(grader: Grader, item: Any, sample: Any) -> None:
    if (too_much := excess(grader.plan, item, sample)) is not None:
        raise ApiError(413, too_much, code="request_too_large")


def failed(error: ApiError) -> Answer:
    """Return the answer that says an error."""
    return Answer(error.status, jsontext.encode(error.body()))


def _answer(value: Any, facts: Mapping[str, Any] | None = None) -> Answer:
    return Answer(200, jsontext.encode(value), facts or {})


def _object(body: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON object of a body whose keys are among the known ones."""
    value = parse_object(body, f"; it holds {', '.join(known)}")
    for key in value:
        if key not in known:
            hint = suggestion(key, known, "it holds")
            raise ApiError(
                400, f"the body has no field {quoted(key)}; {hint}", param=key[:100],
                code="unknown_parameter",
            )  # fmt: skip
    return value


def _model_sample(request: Mapping[str, Any]) -> str:
    sample = request.get("model_sample")
    if isinstance(sample, str):
        return sample
    said = "model_sample is required" if sample is None else "model_sample is a text"
    raise ApiError(
        400, f"{said}: the model's output, as text; got {quoted(sample)}", param="model_sample"
    )


def _source(request: Mapping[str, Any]) -> Any:
    source = request.get("grader")
    if not isinstance(source, str | dict | list):
        raise ApiError(400, "grader is required, as an object or as text", param="grader")
    return source


def _listed(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [
        {
            "path": one.path, "message": one.message, "code": one.code,
            "line": one.line, "column": one.column,
        }
        for one in faults[:_MOST_FAULTS]
    ]  # fmt: skip


def _faults(error: ConfigError) -> dict[str, Any]:
    findings = [one.to_dict() for one in of_faults(error.faults[:_MOST_FAULTS], error.source)]
    return {"faults": _listed(error.faults), "findings": findings}


def _refusal(error: ConfigError) -> ApiError:
    """Return the faults of a grader as an error: the first in its sentence, all in a list."""
    first, more = error.faults[0], len(error.faults) - 1
    param = bare(first.path)
    message = f"{param}: {first.message}" if param else first.message
    if more:
        message += f" (and {more:,} more fault{'s' if more > 1 else ''})"
    return ApiError(400, message, param=param, code=first.code, faults=error.faults)
