"""Which model stands for the one that a body names."""

from __future__ import annotations

from pathlib import Path

import pytest

from graders.training.base import Base, base_of, model_name
from graders.wire.error import ApiError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_folder_or_a_name_on_the_hub(folder: Path) -> None:
    assert base_of("m", {"m": str(folder)}, {}) == Base(str(folder), hub=False)
    assert base_of("m", {"m": "org/small-1b"}, {}) == Base("org/small-1b", hub=True)
    assert base_of("ft:m:local::x", {}, {"ft:m:local::x": folder}) == Base(str(folder), hub=False)


@pytest.mark.parametrize(
    ("name", "models", "says"),
    [
        ("gpt-4.1", {}, "name one by --train-model gpt-4.1=FOLDER"),
        ("gpt-4o-min", {"gpt-4o-mini": "org/a"}, "did you mean gpt-4o-mini"),
        ("m", {"m": "./not-there"}, "is no folder, and no name on the hub"),
        ("m", {"m": "/nowhere/at all"}, "is no folder, and no name on the hub"),
        ("m", {"m": "a/b/c"}, "is no folder, and no name on the hub"),
    ],
)
def test_what_stands_for_nothing_is_said(name: str, models: dict[str, str], says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        base_of(name, models, {})
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=r"there is no config\.json"):
        base_of("m", {"m": str(tmp_path)}, {})


def test_the_name_of_what_is_trained_is_built_as_the_service_builds_it() -> None:
    assert model_name("gpt-4o-mini", "my run", "ftjob-abcdefghij") == (
        "ft:gpt-4o-mini:local:my-run:abcdefgh"
    )
    assert model_name("ft:a/b:é", None, "ftjob-abcdefghij") == "ft:a-b:-:local::abcdefgh"
