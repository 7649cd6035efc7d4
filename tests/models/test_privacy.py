"""What judges said is kept for the owner alone: replies hold the rows they were asked about."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest

import graders
from graders import JudgeOptions
from graders.models.shared import open_cache
from tests.models.server import Told, completion

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")

GRADER = {
    "type": "multi", "name": "m", "calculate_output": "judge + near",
    "graders": {
        "judge": {"type": "score_model", "name": "j", "model": "judge",
                  "input": [{"role": "user", "content": "{{ sample.output_text }}"}]},
        "near": {"type": "text_similarity", "name": "n", "input": "{{ sample.output_text }}",
                 "reference": "a", "evaluation_metric": "cosine"},
    },
}  # fmt: skip


def script(asked, _):
    if not asked.path.endswith("/embeddings"):
        return completion()
    data = [{"index": n, "embedding": [1.0, n]} for n, _ in enumerate(asked.body["input"])]
    return Told(body=json.dumps({"data": data}).encode())


def modes(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.parametrize("only", ["judge", "near"])
def test_a_cache_is_its_owners_alone_also_in_a_folder_that_was_there(serve, tmp_path, umask, only):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    before = os.umask(umask)
    try:
        for file in (shared / "c.sqlite", shared / "new" / "deep" / "c.sqlite"):
            options = JudgeOptions(base_url=serve(script).url, cache="all", cache_file=file)
            with graders.load(GRADER["graders"][only], judge=options) as grader:  # type: ignore[index]
                assert grader.grade(sample="a").reward is not None
                # While it is open, what SQLite has beside it is there too.
                names = ["c.sqlite", "c.sqlite-shm", "c.sqlite-wal"]
                assert {modes(file.parent)[name] for name in names} == {0o600}
    finally:
        os.umask(before)
    assert modes(tmp_path) == {"shared": 0o755}
    assert modes(shared) == {"c.sqlite": 0o600, "new": 0o700}
    assert modes(shared / "new") == {"deep": 0o700}


def test_a_cache_that_is_open_to_others_is_told_of_and_left_for_those_it_is_shared_with(
    tmp_path, caplog
):
    file = tmp_path / "c.sqlite"
    open_cache(file).close()
    assert caplog.text == ""
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        open_cache(file, read_only=True).close()  # Nothing new comes into it.
        assert caplog.text == ""
        open_cache(file).close()
    assert f"the cache {file} is open to other users" in caplog.text
    assert f"chmod 600 {file}" in caplog.text
    assert modes(tmp_path) == {"c.sqlite": 0o644}


def test_the_users_own_cache_of_an_older_version_is_closed(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("GRADERS_CACHE_FILE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "graders" / "replies.sqlite"
    open_cache(None).close()
    file.chmod(0o644)
    open_cache(None).close()
    assert modes(file.parent) == {"replies.sqlite": 0o600}
    assert caplog.text == ""
