"""A search path on which packages that extend graders stand while a test runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.extension import installed
from tests.extension.package import write

Extend = Callable[..., None]


@pytest.fixture
def extend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extend]:
    """Install a package for this test: entry points by group, and modules' code by name."""
    before = set(sys.modules)
    monkeypatch.delenv("GRADERS_EXTENSIONS", raising=False)

    def call(points: Any, modules: Any, **about: str) -> None:
        site = tmp_path / f"site-{len(list(tmp_path.iterdir()))}"
        write(site, points, modules, **about)
        monkeypatch.syspath_prepend(site)
        installed.cache_clear()

    yield call
    installed.cache_clear()
    forget_loaded()
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def forget_loaded() -> None:
    """Forget the objects of packages that are there no more."""
    from graders.inspection.lint.extended import load_rule
    from graders.inspection.probe.extended import load_attack
    from graders.kinds import load_kind
    from graders.metrics.checked import load_metric
    from graders.rows import load_reader
    from graders.wire.transport import load_transport

    loads: tuple[Any, ...] = (
        load_rule, load_attack, load_kind, load_metric, load_reader, load_transport,
    )  # fmt: skip
    for load in loads:
        load.cache_clear()
