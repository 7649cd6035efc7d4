"""What other packages add here, and what is wrong with it: for `graders doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from graders.errors import ExtensionError, suggestion
from graders.extension import SWITCH, Extension, are_off, find, installed, unlike
from graders.inspection.lint import RULES
from graders.inspection.lint.extended import load_rule
from graders.inspection.probe import ATTACKS
from graders.inspection.probe.extended import load_attack
from graders.kinds import KINDS, RESERVED, load_kind
from graders.metrics import METRICS, metric_of
from graders.rows import ENDINGS, load_reader
from graders.wire.transport import SCHEMES, load_transport

__all__ = ["extensions"]


def extensions() -> list[tuple[Extension, str]]:
    """Return each extension with why it cannot be used, "" where it can."""
    found = installed()
    return [(one, _problem(one, _ways())) for one in found] if found else []


Way = tuple[Callable[[Extension], object], Iterable[str]]


def _ways() -> Mapping[str, Way]:
    """Return how what is added to each group is loaded, and which names are taken there."""
    return {
        "metrics": (lambda one: metric_of(one.name), [*METRICS, "cosine"]),
        "kinds": (load_kind, [*KINDS, *RESERVED]),
        "readers": (load_reader, [ending[1:] for ending in ENDINGS]),
        "rules": (load_rule, [rule.code for rule in RULES]),
        "attacks": (load_attack, [attack.name for attack in ATTACKS]),
        "transports": (load_transport, SCHEMES),
    }


def _problem(one: Extension, ways: Mapping[str, Way]) -> str:
    if are_off():
        return f"extensions are off (--no-extensions, or {SWITCH}=0)"
    if one.group not in ways:
        hint = suggestion(one.group, ways, "there are")
        return f"{one.point}, which is nothing that can be extended; {hint}"
    load, taken = ways[one.group]
    try:
        unlike(one, taken)
        find(one.group, one.name)
        load(one)
    except ExtensionError as error:
        return str(error)
    return ""
