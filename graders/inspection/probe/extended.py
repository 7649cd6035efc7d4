"""Attacks of extensions, checked, and checked whenever they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from graders.extension import Extension, called, has, load, loader, named, takes
from graders.inspection.probe.attack import Attack, Given
from graders.inspection.probe.material import AnswerPool, Material

__all__ = ["load_attack"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RIGHT: Final = "a graders.inspection.probe.Attack"


@loader
def load_attack(extension: Extension) -> Attack:
    """Return the attack of an extension.

    Raises:
        ExtensionError: it cannot be used.
    """
    attack = load(extension, Attack, _RIGHT)
    has(extension, attack, {"name": str, "title": str, "needs": str})
    if attack.name != extension.name:
        extension.refuse(f"gives an attack {attack.name!r}; the two names are to be the same")
    if not _NAME.fullmatch(attack.name):
        extension.refuse("has a name that no attack can have; write one such as long-excuse")
    if attack.given not in get_args(Given):
        listed = ", ".join(get_args(Given))
        extension.refuse(f"has {named(attack.given)} for given; one of {listed} is needed")
    if not takes(attack.make, 2):
        extension.refuse("has a make that cannot be called with (row, pool)")

    def make(row: Material, pool: AnswerPool) -> Mapping[str, Any]:
        found = called(extension, "in make()", lambda: dict(attack.make(row, pool)))
        if not all(isinstance(one, str) for one in found):
            extension.refuse("gave an answer in make() whose variant is no text")
        return found

    return replace(attack, make=make)
