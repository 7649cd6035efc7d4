"""The hosted image: found when built, built whole or not at all; missing imports are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graders.errors import OptionError, UnavailableError
from graders.sandbox import MissingImport, PythonOptions, image, look


@pytest.fixture(autouse=True)
def cache(tmp_path: Any, monkeypatch: Any) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_documented_image_has_sixteen_pins() -> None:
    assert len(image.IMAGES["2025-05-08"]) == 16
    assert set(image.IMAGES["2025-05-08"]) >= image.LEFT_OUT


def test_an_image_that_is_not_built_has_no_interpreter(cache: Any) -> None:
    assert image.interpreter("2025-05-08") is None
    assert image.interpreter("alpha") is None
    assert image.folder() == cache / "local-graders" / "images"


def test_a_relative_cache_folder_is_ignored(monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/somewhere")
    assert image.folder() == Path("/somewhere/.cache/local-graders/images")


def test_an_interpreter_named_from_this_folder_is_found_from_any_other() -> None:
    def found(named: str) -> Path:
        return PythonOptions(interpreter=Path(named)).interpreters([""])[""]

    assert found("env/bin/python") == Path.cwd() / "env/bin/python"
    assert found("/env/bin/python") == Path("/env/bin/python")
    assert found("python3.12") == Path("python3.12")


def test_an_unknown_tag_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="'2025-05-08'"):
        image.build("nope")


def test_a_build_counts_only_when_it_is_whole(monkeypatch: Any) -> None:
    steps: list[str] = []

    def install(order: Any, tell: Any) -> Any:
        if "venv" in order:
            place = Path(order[-1])
            (place / "bin").mkdir(parents=True)
            (place / "bin" / "python").symlink_to(sys.executable)
        elif not steps:
            steps.append("failed")
            raise UnavailableError("the image could not be built: no network")
        else:
            steps.append(" ".join(order))

    monkeypatch.setattr(image, "_run", install)
    with pytest.raises(UnavailableError, match="no network"):
        image.build("2025-05-08", lite=True)
    assert image.interpreter("2025-05-08") is None
    python = image.build("2025-05-08", lite=True)
    assert image.interpreter("2025-05-08") == python
    assert "numpy==2.2.4" in steps[1]
    assert "rdkit" not in steps[1]
    told: list[str] = []
    assert image.build("2025-05-08", lite=True, progress=told.append) == python
    assert told == [f"{python.parent.parent} is there already"]
    assert len(steps) == 2


def test_a_failing_step_says_what_the_installer_said() -> None:
    with pytest.raises(UnavailableError, match="ERROR: no such thing"):
        image._run(
            ["sh", "-c", "echo one; echo ERROR: no such thing; echo; exit 1"], lambda _: None
        )


def test_missing_imports_are_named_with_line_and_certainty() -> None:
    source = (
        "import json, not_there.deeper\nfrom also_missing import x\n"
        "try:\n    import perhaps_missing\nexcept ImportError:\n    pass\n"
        "def grade(s, i):\n    import inside_missing\n    return 1\n"
    )
    assert list(look(source).missing) == [
        MissingImport("not_there.deeper", 1, certain=True),
        MissingImport("also_missing", 2, certain=True),
        MissingImport("perhaps_missing", 4, certain=False),
        MissingImport("inside_missing", 8, certain=False),
    ]


def test_imports_are_found_however_they_are_written() -> None:
    """Python wants no space after `import`."""
    assert [one.module for one in look("from missing_here import(x)").missing] == ["missing_here"]
    assert [one.module for one in look("import\tmissing_here").missing] == ["missing_here"]


def test_a_source_that_imports_nothing_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a process, which most graders can do without."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("graders.sandbox.source.subprocess.run", refuse)
    assert look("def grade(sample, item):\n    return 1\n").missing == ()


def test_another_interpreter_is_asked(tmp_path: Any) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True)
    missing = look("import pytest, json", tmp_path / "v" / "bin" / "python").missing
    assert [one.module for one in missing] == ["pytest"]


@pytest.mark.parametrize("source", ["import (", "x = " + "(" * 100_000, "import \0", "\ud800"])
def test_a_source_that_does_not_parse_has_no_missing_imports(source: Any) -> None:
    assert look(source).missing == ()
