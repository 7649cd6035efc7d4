"""`graders schema` and `graders data`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graders

Command = Callable[..., Any]


def test_the_schema_is_printed_as_json(command: Command) -> None:
    done = command("schema")
    assert (done.code, done.err) == (0, "")
    assert done.json == json.loads(json.dumps(graders.schema()))


def test_the_path_is_that_of_a_file_with_the_schema(command: Command) -> None:
    for words in (["schema"], ["schema", "--suite"]):
        done = command(*words, "--path")
        assert (done.code, done.err) == (0, "")
        assert json.loads(Path(done.out.strip()).read_text()) == command(*words).json


def test_the_data_of_metrics_is_named_with_its_place(command: Command) -> None:
    done = command("data")
    assert (done.code, done.err) == (0, "")
    assert "WordNet" in done.out
    assert "Punkt" in done.out
    assert "Nothing needs to be fetched." in done.out


def test_the_data_is_really_there(command: Command) -> None:
    found = command("data", "--json").json
    table = next(one for one in found if "WordNet" in one["data"])
    assert any(Path(table["where"]).iterdir())
