"""What rows may use together reaches nothing they could change together."""

from __future__ import annotations

import importlib
import types
import warnings
from typing import Any

import pytest

from graders.sandbox.inside import tame
from graders.sandbox.inside.scan import _attribute_reason


def found(module: str, name: str) -> Any:
    try:
        owner = importlib.import_module(module)
    except ImportError:
        prefix, _, last = module.rpartition(".")
        if not prefix:
            pytest.skip(f"{module} is not here")
        try:
            owner = getattr(importlib.import_module(prefix), last)
        except (ImportError, AttributeError):
            pytest.skip(f"{module} is not here")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return getattr(owner, name, None)  # newer or older pythons lack some


def is_changeable(value: Any) -> bool:
    return isinstance(value, (types.ModuleType, list, dict, set, bytearray))


@pytest.mark.parametrize("module", tame.NAMES)
def test_nothing_that_rows_share_can_be_changed_or_is_a_module(module: str) -> None:
    for name in tame.NAMES[module]:
        if f"{module}.{name}" == "nltk.corpus.stopwords.words":
            continue  # needs its data; gives a new list each time
        value = found(module, name)
        if module == "__future__":
            continue
        assert not is_changeable(value), name
        for attribute in dir(value):
            if not next(_attribute_reason(attribute), None):
                inner = getattr(value, attribute, None)
                is_kept = inner is getattr(value, attribute, None)  # else it is a new one each time
                assert not (is_kept and is_changeable(inner)), (name, attribute)


def test_a_name_that_is_listed_is_no_submodule_of_what_is_not() -> None:
    for module, names in tame.NAMES.items():
        assert not {f"{module}.{name}" for name in names} & tame.PACKAGES
