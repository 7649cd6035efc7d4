"""The body of `fine_tuning.jobs.create`, checked as the hosted service documents it. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graders.api import Grader
from graders.config import Loaded, dump, load_source
from graders.errors import ConfigError, Fault, nearest, quoted
from graders.inspection.lint import Subject
from graders.inspection.lint import job as rules
from graders.wire.body import Location, fault, metadata_faults, refusal, unknown
from graders.wire.error import refused

__all__ = ["JobRequest"]

_METHODS: Final = ("supervised", "dpo", "reinforcement")
_METHOD_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "supervised": ("hyperparameters",),
    "dpo": ("hyperparameters",),
}
_HYPERPARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "supervised": {
        name: rules.LIMITS[name] for name in ("batch_size", "learning_rate_multiplier", "n_epochs")
    },
    "dpo": {
        "beta": (0, None, False),
        **{
            name: rules.LIMITS[name]
            for name in ("batch_size", "learning_rate_multiplier", "n_epochs")
        },
    },
}
# The rules of the linter that stand for what the service refuses at once. Their targets: the hosted
# one; where Azure takes what it does not (a flat response_format), both must find it.
_REFUSED: Final = ("G703", "G704", "G706", "G707", "G708")
_REPORTS: Final = ("wandb", "trackio", "tensorboard")
_LONGEST_MODEL: Final = 256
_LARGEST_SEED: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A body that was found good.

    Attributes:
        model: the base model.
        training_file: the id of the training file.
        validation_file: the id of the validation file, None where there is none.
        kind: the method's type.
        method: the method as the job object shows it.
        suffix: for the model's name.
        seed: as given, or drawn.
        metadata: pairs of texts.
        integrations: as given.
        body: the body as it came, for the linter.
    """

    model: str
    training_file: str
    validation_file: str | None
    kind: str
    method: dict[str, Any]
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    integrations: list[dict[str, Any]] | None
    body: dict[str, Any]

    @classmethod
    def parse(cls, body: Any, *, trains: bool = False) -> JobRequest:
        """Return the request in a body.

        Args:
            body: the body.
            trains: whether the job trains here; then there are integrations that the service has not.

        Raises:
            ApiError: the body has faults (400); the first is its message, all are in `faults`.
        """
        if not isinstance(body, dict):
            raise refused(f"the body is a JSON object, got {quoted(body)}")
        faults = list(_faults(body, trains=trains))
        kind = _kind(body)
        loaded: Loaded | None = None
        if kind == "reinforcement":
            try:
                loaded = load_source({name: body[name] for name in rules.FIELDS if name in body})
            except ConfigError as error:
                faults += error.faults
            else:
                faults += _job_faults(loaded)
        if faults:
            raise refusal(faults)
        return cls(
            model=body["model"], training_file=body["training_file"],
            validation_file=body.get("validation_file"), kind=kind,
            method=_shown_method(body, kind, loaded), suffix=body.get("suffix"),
            seed=secrets.randbelow(2**31) if body.get("seed") is None else body["seed"],
            metadata=body.get("metadata"), integrations=_shown_integrations(body), body=dict(body),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "model": self.model, "training_file": self.training_file,
            "validation_file": self.validation_file, "kind": self.kind, "method": self.method,
            "suffix": self.suffix, "seed": self.seed, "metadata": self.metadata,
            "integrations": self.integrations, "body": self.body,
        }  # fmt: skip


def _kind(body: Mapping[str, Any]) -> str:
    method = body.get("method")
    if method is None:
        return "supervised"
    kind = method.get("type") if isinstance(method, dict) else None
    return kind if isinstance(kind, str) and kind in _METHODS else ""


def _faults(body: dict[str, Any], *, trains: bool) -> Iterator[Fault]:
    """Yield what is wrong outside of method.reinforcement."""
    reinforced = _kind(body) == "reinforcement"
    for name in body:
        if name not in rules.FIELDS:
            misplaced = reinforced and name in ("grader", "response_format")
            yield _misplaced(name) if misplaced else unknown((name,), name, rules.FIELDS)
    for name in ("model", "training_file"):
        if not isinstance(body.get(name), str) or not body[name].strip():
            says = f"{name} is required, got {quoted(body.get(name))}"
            yield fault((name,), says, "missing_required_parameter")
    if isinstance(body.get("model"), str) and not _is_name(body["model"]):
        yield fault(("model",), f"no model is called {quoted(body['model'])}")
    if not isinstance(body.get("validation_file"), str | None):
        says = f"validation_file is the id of a file, got {quoted(body['validation_file'])}"
        yield fault(("validation_file",), says)
    suffix = body.get("suffix")
    if suffix is not None and (not isinstance(suffix, str) or not 1 <= len(suffix) <= 64):
        yield fault(("suffix",), f"suffix is a text of 1 to 64 characters, got {quoted(suffix)}")
    seed = body.get("seed")
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) > _LARGEST_SEED
    ):
        yield fault(("seed",), f"seed is a whole number of at most 64 bits, got {quoted(seed)}")
    yield from metadata_faults(body.get("metadata"))
    yield from _integration_faults(body.get("integrations"), _REPORTS if trains else ("wandb",))
    yield from _method_faults(body, reinforced=reinforced)


def _is_name(model: str) -> bool:
    return len(model) <= _LONGEST_MODEL and model.isprintable()


def _misplaced(name: str) -> Fault:
    says = f"{name} stands at the top; a reinforcement job has it in method.reinforcement"
    return fault((name,), says, "unknown_parameter")


def _integration_faults(integrations: Any, kinds: tuple[str, ...]) -> Iterator[Fault]:
    if integrations is None:
        return
    if not isinstance(integrations, list):
        yield fault(("integrations",), f"integrations is a list, got {quoted(integrations)}")
        return
    for index, one in enumerate(integrations):
        place: Location = ("integrations", index)
        kind = one.get("type") if isinstance(one, dict) else None
        if kind not in kinds:
            known = " or ".join(f'"{name}"' for name in kinds)
            says = f"the one type of integration is {known}, got {quoted(kind)}"
            yield fault((*place, "type"), says)
            continue
        if kind == "tensorboard":
            continue
        settings = one.get(kind)
        project = settings.get("project") if isinstance(settings, dict) else None
        if not isinstance(project, str) or not project:
            says = f"{kind} needs the name of a project, got {quoted(project)}"
            yield fault((*place, kind, "project"), says, "missing_required_parameter")


def _method_faults(body: dict[str, Any], *, reinforced: bool) -> Iterator[Fault]:
    method = body.get("method")
    if "hyperparameters" in body and reinforced:
        yield _misplaced("hyperparameters")
    elif "hyperparameters" in body:
        kind = _kind(body) or "supervised"
        yield from _hyperparameter_faults(body["hyperparameters"], ("hyperparameters",), kind)
    if method is None:
        return
    if not isinstance(method, dict):
        yield fault(("method",), f"method is an object with a type, got {quoted(method)}")
        return
    kind = _kind(body)
    if not kind:
        given: Any = method.get("type")
        near = nearest(given, _METHODS) if isinstance(given, str) else None
        hint = f"; did you mean {near}?" if near else ""
        says = f"method.type is one of {', '.join(_METHODS)}, got {quoted(given)}{hint}"
        yield fault(("method", "type"), says)
        return
    for name in method:
        if name not in ("type", *_METHODS):
            yield unknown(("method", name), name, ("type", *_METHODS))
    if not reinforced and method.get(kind) is not None:
        yield from _inner_faults(method[kind], kind)


def _inner_faults(inner: Any, kind: str) -> Iterator[Fault]:
    """Yield what is wrong in the part of a method that trains on answers."""
    if not isinstance(inner, dict):
        yield fault(("method", kind), f"method.{kind} is an object, got {quoted(inner)}")
        return
    for name in inner:
        if name not in _METHOD_FIELDS[kind]:
            yield unknown(("method", kind, name), name, _METHOD_FIELDS[kind])
    place = ("method", kind, "hyperparameters")
    yield from _hyperparameter_faults(inner.get("hyperparameters"), place, kind)


def _hyperparameter_faults(given: Any, place: Location, kind: str) -> Iterator[Fault]:
    if given is None:
        return
    if not isinstance(given, dict):
        yield fault(place, f"hyperparameters is an object, got {quoted(given)}")
        return
    known = _HYPERPARAMETERS[kind]
    for name, value in given.items():
        if name not in known:
            yield unknown((*place, name), name, tuple(known))
        elif not rules.within(value, known[name]):
            says = f"{name} is {rules.said(known[name])}, got {quoted(value)}"
            yield fault((*place, name), says)


def _job_faults(loaded: Loaded) -> Iterator[Fault]:
    """Yield what the linter knows that the service refuses in method.reinforcement."""
    plan = Grader(loaded).plan
    hosted = Subject(loaded=loaded, plan=plan, target="openai")
    azure = Subject(loaded=loaded, plan=plan, target="azure")
    for rule in rules.RULES:
        if rule.code not in _REFUSED:
            continue
        either = {hit.place for hit in rule.check(azure)}
        for hit in rule.check(hosted):
            outside = len(hit.place) == 1  # Said already, of all methods.
            if hit.place in either and not outside:
                yield fault(hit.place, hit.message)


def _shown_method(body: dict[str, Any], kind: str, loaded: Loaded | None) -> dict[str, Any]:
    """Return a method with what was left out filled in."""
    method = body.get("method")
    given = method.get(kind) if isinstance(method, dict) else None
    inner = dict(given) if isinstance(given, dict) else {}
    if loaded is not None:
        names = (*rules.LIMITS, "reasoning_effort")
        inner["grader"] = dump(loaded.config)
    else:
        names = tuple(_HYPERPARAMETERS[kind])
    chosen = inner.get("hyperparameters") or body.get("hyperparameters") or {}
    defaults = {name: "default" if name == "reasoning_effort" else "auto" for name in names}
    inner["hyperparameters"] = {**defaults, **chosen}
    return {"type": kind, kind: inner}


def _shown_integrations(body: dict[str, Any]) -> list[dict[str, Any]] | None:
    given = body.get("integrations")
    return None if given is None else [dict(one) for one in given]
