"""Who sits on a panel, and which key goes to whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import JudgeOptions, Panel, PanelJudge
from graders.errors import OptionError
from tests.models.server import completion

GRADER = {"type": "score_model", "name": "j", "model": "unasked",
          "input": [{"role": "user", "content": "{{ sample.output_text }}"}]}  # fmt: skip


def test_a_panel_is_read_from_words() -> None:
    panel = Panel.read("gpt-4o, claude@20240229 ,x@http://h:1/v1,local")
    assert [(one.called, one.model, one.base_url) for one in panel.judges] == [
        ("gpt-4o", "gpt-4o", None),
        ("claude@20240229", "claude@20240229", None),
        ("x", "x", "http://h:1/v1"),
        ("local", "local", "local"),
    ]


@pytest.mark.parametrize(
    ("judges", "says"),
    [
        ([], "two judges or more"),
        (["a"], "two judges or more"),
        (["a", "a"], "a is there twice; --repeats"),
        (["a", {"model": "a", "name": "b"}], "a and b are one model of one server"),
        (["a", {"modle": "b"}], 'no field "modle"; did you mean model?'),
        (["a", {"name": "b"}], "a judge has a model"),
        (["a", ""], "a judge has a model"),
        (["a", 7], "a judge is a model's name or an object, got 7"),
        (["a", {"model": 7}], "model of a judge is a text, got 7"),
        (
            ["a", {"model": "b", "auth": "basic"}],
            'auth is one of auto, bearer, api-key, got "basic"',
        ),
        (
            ["a", {"model": "b", "api_key_file": "k", "api_key_variable": "K"}],
            "one of them will do",
        ),
    ],
)
def test_what_is_no_panel_is_said_in_a_sentence(judges: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as direct:
        Panel(judges)
    assert says in str(direct.value)
    file = tmp_path / "p.json"
    file.write_text(json.dumps(judges))
    with pytest.raises(OptionError) as read:
        Panel.read(str(file))
    assert str(read.value) == str(direct.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is not JSON"), ('{"judge": []}', "is a list of judges, got an object"), ("7", "got 7")],
)
def test_a_file_that_is_no_panel(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(OptionError, match=says):
        Panel.read(str(file))
    with pytest.raises(OptionError, match=r"missing.json cannot be read: No such file"):
        Panel.read(str(tmp_path / "missing.json"))


def test_rule_and_quorum_need_a_panel_that_is_large_enough() -> None:
    with pytest.raises(OptionError, match="say how a panel decides; there is none"):
        JudgeOptions(panel_rule="median")
    with pytest.raises(OptionError, match="at most the 2 judges there are, got 3"):
        JudgeOptions(panel=Panel(["a", "b"]), panel_quorum=3)
    with pytest.raises(OptionError, match='panel is a Panel, got "a,b"'):
        JudgeOptions(panel="a,b")  # type: ignore[arg-type]


def test_each_key_goes_to_its_own_server_and_nowhere_else(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-run-0123")
    monkeypatch.setenv("SECOND", "key-of-the-second-0123")
    (tmp_path / "third.key").write_text("key-of-the-third-0123\n")
    servers = [serve(lambda *_: completion()) for _ in range(5)]
    panel = Panel([
        "first",
        PanelJudge(model="second", base_url=servers[1].url, api_key_variable="SECOND"),
        PanelJudge(model="third", base_url=servers[2].url, api_key_file=tmp_path / "third.key"),
        PanelJudge(model="fourth", base_url=servers[3].url),
        PanelJudge(
            model="fifth", base_url=servers[4].url, api_key_variable="SECOND", auth="api-key"
        ),
    ])  # fmt: skip
    options = JudgeOptions(
        base_url=servers[0].url, panel=panel, cache="none", model_map={"third": "mapped"}
    )
    with graders.load(GRADER, judge=options) as grader:
        assert grader.grade(sample="x").reward == 0.5
    (asked,) = zip(*[server.asked for server in servers], strict=True)
    assert [one.body["model"] for one in asked] == ["first", "second", "mapped", "fourth", "fifth"]
    assert [one.headers.get("authorization") for one in asked] == [
        "Bearer sk-of-the-run-0123", "Bearer key-of-the-second-0123",
        "Bearer key-of-the-third-0123", None, None,
    ]  # fmt: skip
    assert asked[4].headers["api-key"] == "key-of-the-second-0123"


def test_a_variable_that_is_not_set_is_said_before_the_first_row(serve: Any) -> None:
    server = serve(lambda *_: completion())
    other = PanelJudge(model="b", base_url=server.url, api_key_variable="NOT_SET_ANYWHERE")
    with (
        graders.load(GRADER, base_url=server.url, panel=Panel(["a", other])) as grader,
        pytest.raises(
            graders.UnavailableError, match="variable NOT_SET_ANYWHERE, which is to hold"
        ),
    ):
        grader.grade(sample="x")


def test_the_cache_knows_whose_reply_it_is(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda asked, _: completion(
        json.dumps({"steps": [], "result": {"a": 0.0, "b": 0.5, "c": 1.0}[asked.body["model"]]})
    ))  # fmt: skip
    options: dict[str, Any] = {
        "base_url": server.url, "cache": "all", "cache_file": tmp_path / "c.sqlite",
    }  # fmt: skip
    rewards = {}
    for names in ("ab", "bc", "ac"):
        with graders.load(GRADER, panel=Panel(list(names)), **options) as grader:
            rewards[names] = grader.grade(sample="x").reward
    assert rewards == {"ab": 0.25, "bc": 0.75, "ac": 0.5}
    assert len(server.asked) == 3  # Each judge once.


def test_an_explanation_names_who_said_what(serve: Any) -> None:
    server = serve(lambda *_: completion())
    with graders.load(GRADER, base_url=server.url, panel=Panel(["a", "b"])) as grader:
        explained = grader.explain(sample="x")
        assert [one["judge"] for one in explained.judgements[""]] == ["a", "b"]
        assert explained.panels == {"": {"scores": {"a": 0.5, "b": 0.5}, "disagreement": 0.0}}
        assert grader.signatures["j"].startswith("score_model|panel:a+b|rule:auto|quorum:2|")
