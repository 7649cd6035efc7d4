"""Shaping after the grader: ranks, scales, bounds and penalties over the rewards of groups.

A group is the answers to one prompt. Each function takes rewards in order and gives as many; None is a
row without a reward: it stays None, counts in nobody's mean or rank, and is never a 0.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from graders.errors import OptionError, quoted, suggestion
from graders.plain import plain
from graders.shape import read_shape

__all__ = [
    "Shaping",
    "center",
    "clip",
    "dedupe",
    "groups_of",
    "length_penalty",
    "rank",
    "scale",
    "text_of",
]

Rewards = Sequence[float | None]
Groups = Sequence[Hashable]


def rank(rewards: Rewards, groups: Groups) -> list[float | None]:
    """Return each reward's place in its group, from 0.0 (lowest) to 1.0; equal rewards share the mean place.

    (r - 1) / (n - 1), where r is the rank among the n scored rows of the group. A row alone gets 0.5.

    Source: `scipy.stats.rankdata(method="average")`; ranks in place of fitness: Wierstra et al. 2014,
    "Natural Evolution Strategies", section 3.1.
    """

    def places(scores: list[float]) -> list[float]:
        if len(scores) == 1:
            return [0.5]
        first: dict[float, int] = {}
        last: dict[float, int] = {}
        for at, score in enumerate(sorted(scores)):
            first.setdefault(score, at)
            last[score] = at
        most = 2 * (len(scores) - 1)
        return [(first[score] + last[score]) / most for score in scores]

    return _by_group(rewards, groups, places)


def center(rewards: Rewards, groups: Groups) -> list[float | None]:
    """Return each reward less the mean of its group. A row alone, or a group of equals, gets 0.0.

    Source: the advantage of Dr. GRPO (Liu et al. 2025, "Understanding R1-Zero-Like Training").
    """
    return _by_group(rewards, groups, _centered)


def scale(rewards: Rewards, groups: Groups, *, epsilon: float = 1e-4) -> list[float | None]:
    """Return the z-score of each reward in its group: (reward - mean) / (s + epsilon).

    s is the standard deviation of the sample (n - 1), as trainers take it. A row alone, or a group of
    equals, gets 0.0.

    Args:
        rewards: in order.
        groups: the group of each.
        epsilon: at least 0; keeps near equals from being blown up.

    Source: the advantage of GRPO (Shao et al. 2024, "DeepSeekMath", section 4.1.2).

    Raises:
        OptionError: epsilon is not a number of at least 0.
    """
    if not _is_number(epsilon) or epsilon < 0:
        raise OptionError(f"epsilon is a number of at least 0, got {quoted(epsilon)}")

    def scores(rewards: list[float]) -> list[float]:
        away = _centered(rewards)
        if not any(away):
            return away
        spread = math.hypot(*away) / math.sqrt(len(away) - 1)
        return [one / (spread + epsilon) for one in away]

    return _by_group(rewards, groups, scores)


def clip(
    rewards: Rewards, *, low: float | None = None, high: float | None = None
) -> list[float | None]:
    """Return each reward, at least `low` and at most `high`.

    Raises:
        OptionError: neither is given, one is no number, or low is above high.
    """
    given = {"low": low, "high": high}
    for name, bound in given.items():
        if bound is not None and not _is_number(bound):
            raise OptionError(f"{name} is a number, got {quoted(bound)}")
    if low is None and high is None:
        raise OptionError("clip has neither low nor high")
    least = -math.inf if low is None else float(low)
    most = math.inf if high is None else float(high)
    if least > most:
        raise OptionError(f"low ({least:g}) is above high ({most:g})")
    return [None if one is None else min(max(one, least), most) for one in rewards]


def length_penalty(
    rewards: Rewards, lengths: Sequence[int], *, limit: int, buffer: int, weight: float = 1.0
) -> list[float | None]:
    """Return each reward with the soft penalty of an answer that is too long.

    Nothing up to `limit - buffer`; from there down in a line to -weight at `limit`; -weight beyond.

    Args:
        rewards: in order.
        lengths: the length of each answer, in the unit of `limit`.
        limit: the length that is too long; more than 0.
        buffer: how long before it the penalty begins; 1 to `limit`.
        weight: what an answer that is too long loses; at least 0.

    Source: DAPO (Yu et al. 2025), equation 13, "soft overlong punishment".

    Raises:
        OptionError: an argument is out of its range.
    """
    if not _is_number(limit) or limit <= 0:
        raise OptionError(f"limit is a length above 0, got {quoted(limit)}")
    if not _is_number(buffer) or not 0 < buffer <= limit:
        raise OptionError(f"buffer is more than 0 and at most limit, got {quoted(buffer)}")
    if not _is_number(weight) or weight < 0:
        raise OptionError(f"weight is a number of at least 0, got {quoted(weight)}")
    return [
        None if one is None else one - weight * min(max((long - limit + buffer) / buffer, 0.0), 1.0)
        for one, long in zip(rewards, lengths, strict=True)
    ]


def dedupe(
    rewards: Rewards, groups: Groups, texts: Sequence[str], *, repeated: float | None = None
) -> list[float | None]:
    """Return the rewards, where an answer that its group has already gets `repeated`.

    The first keeps its reward. Answers are the same when their words are, in order and letter by letter;
    blanks do not count.

    Args:
        rewards: in order.
        groups: the group of each.
        texts: the answer of each.
        repeated: what a repeated answer gets; None leaves it out, which is not a failure.

    Source: our practice; it keeps a group from being many times the same vote.

    Raises:
        OptionError: `repeated` is neither a number nor None.
    """
    if repeated is not None and not _is_number(repeated):
        raise OptionError(f"repeated is a number or null, got {quoted(repeated)}")
    seen: set[tuple[Hashable, str]] = set()
    shaped: list[float | None] = []
    for one, group, text in zip(rewards, groups, texts, strict=True):
        key = (group, " ".join(text.split()))
        again = one is not None and key in seen
        shaped.append(repeated if again else one)
        if one is not None:
            seen.add(key)
    return shaped


_STEPS: Final[Mapping[str, Callable[..., list[float | None]]]] = {
    "rank": rank, "center": center, "scale": scale, "clip": clip,
    "length_penalty": length_penalty, "dedupe": dedupe,
}  # fmt: skip
_UNITS: Final = ("tokens", "words", "characters")


class Shaping:
    """A declared list of steps, checked once: `Shaping([{"type": "rank"}, {"type": "clip", "high": 0.8}])`.

    Args:
        steps: objects with a `type` and that function's options, done in order; length_penalty also
            has `unit`: `tokens`, `words` or `characters`.

    Raises:
        OptionError: a step is unknown, or an option of it.
    """

    def __init__(self, steps: Sequence[Mapping[str, Any]]) -> None:
        if isinstance(steps, str | bytes | Mapping) or not isinstance(steps, Sequence):
            raise OptionError(f"shaping is a list of steps, got {quoted(steps)}")
        self.steps = tuple(_checked(step, f"shaping[{at}]") for at, step in enumerate(steps))
        self.grouped = any("groups" in _parameters(str(step["type"])) for step in self.steps)
        self.tokens = any(step.get("unit") == "tokens" for step in self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __repr__(self) -> str:
        return f"Shaping({list(self.steps)!r})"

    def __call__(
        self,
        rewards: Rewards,
        groups: Sequence[Any] | None = None,
        texts: Sequence[str] | None = None,
        tokens: Sequence[int] | None = None,
    ) -> list[float | None]:
        """Return the shaped rewards, in order.

        Args:
            rewards: in order; None for a row without one.
            groups: the group of each, such as its prompt; rows of one group need not stand together.
            texts: the answer of each.
            tokens: the length of each answer in tokens.

        Raises:
            OptionError: a step needs what is not given, or what is given is not of the rows' number.
        """
        given = {"groups": groups, "texts": texts, "tokens": tokens}
        for name, column in given.items():
            if column is not None and len(column) != len(rewards):
                raise OptionError(f"{name} has {len(column)} values for {len(rewards)} rewards")
        shaped = list(rewards)
        groups = None if groups is None else [_hashable(one) for one in groups]
        for step in self.steps:
            options = {key: value for key, value in step.items() if key not in ("type", "unit")}
            kind, needs = str(step["type"]), _parameters(str(step["type"]))
            if "groups" in needs:
                options["groups"] = _there(groups, kind, "groups")
            if "texts" in needs:
                options["texts"] = _there(texts, kind, "texts")
            if "lengths" in needs:
                unit = step["unit"]
                of = _there(tokens, kind, "tokens") if unit == "tokens" else _there(texts, kind, "texts")  # fmt: skip
                options["lengths"] = [_length(one, unit) for one in of]
            shaped = _STEPS[kind](shaped, **options)
        return shaped


def groups_of(prompts: Sequence[Any], size: int | None = None) -> list[int]:
    """Return the group of each row: rows in a row with an equal prompt are one.

    Args:
        prompts: the prompt of each row, in order; of any type that can be compared.
        size: how many rows each group has; then rows are counted, and prompts only have to be equal in a
            group. None lets equal neighbours be a group, also where a prompt comes twice.

    Raises:
        OptionError: the rows are no whole groups of `size`, or one has two prompts.
    """
    if size is None:
        groups: list[int] = []
        for at, prompt in enumerate(prompts):
            groups.append(groups[-1] if at and prompt == prompts[at - 1] else at)
        return groups
    if type(size) is not int or size < 1:  # True is no count.
        raise OptionError(f"num_generations is a whole number of at least 1, got {quoted(size)}")
    if len(prompts) % size:
        raise OptionError(f"{len(prompts)} rows are no whole groups of {size}: shaping needs all answers to a prompt in one process and batch")  # fmt: skip
    for at, prompt in enumerate(prompts):
        if prompt != prompts[at - at % size]:
            raise OptionError(f"row {at} has another prompt than its group of {size}: num_generations is not how many answers a prompt gets")  # fmt: skip
    return [at // size for at in range(len(prompts))]


def text_of(sample: Any) -> str:
    """Return the answer's text in any shape that a sample comes in; "" where it has none."""
    if isinstance(sample, str):
        return sample
    try:
        text = read_shape(sample)[1].get("output_text")
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""


def _by_group(
    rewards: Rewards, groups: Groups, shape: Callable[[list[float]], list[float]]
) -> list[float | None]:
    members: dict[Hashable, list[int]] = {}
    for at, (one, group) in enumerate(zip(rewards, groups, strict=True)):
        if one is not None:
            members.setdefault(group, []).append(at)
    shaped: list[float | None] = [None] * len(rewards)
    for places in members.values():
        scores = [float(one) for at in places if (one := rewards[at]) is not None]
        for at, value in zip(places, shape(scores), strict=True):
            shaped[at] = value
    return shaped


def _centered(scores: list[float]) -> list[float]:
    if min(scores) == max(scores):  # Else a rounded mean would leave a rest.
        return [0.0] * len(scores)
    mean = math.fsum(one / len(scores) for one in scores)
    return [one - mean for one in scores]


def _checked(step: Any, where: str) -> dict[str, Any]:
    """Return a step as it was declared, after it has said yes to two rows."""
    if not isinstance(step, Mapping):
        raise OptionError(f'{where} is an object such as {{"type": "rank"}}, got {quoted(step)}')
    kind = step.get("type")
    if not isinstance(kind, str) or kind not in _STEPS:
        hint = suggestion(str(kind), _STEPS, "there are")
        raise OptionError(f"{where}: there is no shaping {quoted(kind)}; {hint}")
    takes = {*_options(kind), *(("unit",) if "lengths" in _parameters(kind) else ())}
    for key in step:
        if key != "type" and key not in takes:
            hint = suggestion(str(key), takes, "it takes") if takes else "it takes none"
            raise OptionError(f"{where}: {kind} has no option {quoted(key)}; {hint}")
    if "unit" in takes and step.get("unit") not in _UNITS:
        raise OptionError(f"{where}: unit is {', '.join(_UNITS)}, got {quoted(step.get('unit'))}")
    options = {key: value for key, value in step.items() if key not in ("type", "unit")}
    for name, parameter in _options(kind).items():
        if parameter.default is inspect.Parameter.empty and name not in options:
            raise OptionError(f"{where}: {kind} needs {name}")
    rows: dict[str, list[Any]] = {
        name: [] for name in _parameters(kind) if name in ("groups", "texts", "lengths")
    }
    try:
        _STEPS[kind]([], **rows, **options)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from None
    return dict(step)


def _parameters(kind: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(_STEPS[kind]).parameters


def _options(kind: str) -> dict[str, inspect.Parameter]:
    found = _parameters(kind).items()
    return {name: one for name, one in found if one.kind is inspect.Parameter.KEYWORD_ONLY}


def _hashable(group: Any) -> Hashable:
    """Return a group as a key: a prompt may be a list of messages."""
    try:
        hash(group)
    except TypeError:
        return repr(plain(group))
    return group  # type: ignore[no-any-return]


def _there(column: Sequence[Any] | None, kind: str, name: str) -> Sequence[Any]:
    if column is None:
        raise OptionError(f"{kind} needs {name}: pass {name}=")
    return column


def _length(one: Any, unit: str) -> int:
    if unit == "tokens":
        return int(one)
    return len(one.split()) if unit == "words" else len(one)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
