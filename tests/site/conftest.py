"""The site, built once for all that look at it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    place = importlib.util.spec_from_file_location("site_build", ROOT / "tools/site/build.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    sys.modules["site_build"] = module
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def site(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site's HTML."""
    folder = tmp_path_factory.mktemp("site")
    build.lay_out(folder, versions=False)
    assert build.build(folder) == 0
    return folder / "html"
