"""Options are declared once: what takes them by keyword, flag or key follows from the field."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, get_type_hints

import click
import numpy as np
import pytest

import graders
from graders.batch.manifest import describe
from graders.cli import option as commands
from graders.keyword import LoadKeywords, ScoreKeywords
from graders.models import RolloutOptions
from graders.option import check, option, options_of, wrong
from graders.rows import Layout, RowRange
from graders.server.option import RequestLimits, ServeOptions
from graders.suite.option import OPTIONS

CHECK = {
    "type": "string_check", "name": "c", "operation": "eq",
    "input": "{{item.a}}", "reference": "x",
}  # fmt: skip
LOADED = (graders.Reading, graders.PythonOptions, graders.JudgeOptions)
EVERY = (*LOADED, graders.ScoreOptions, RolloutOptions, RequestLimits, ServeOptions)


def declared(*kinds: type) -> dict[str, Any]:
    return {one.name: get_type_hints(kind)[one.field] for kind in kinds for one in options_of(kind)}


@pytest.mark.parametrize(
    ("keywords", "kinds"),
    [(LoadKeywords, LOADED), (ScoreKeywords, (graders.ScoreOptions,))],
    ids=["load", "score_file"],
)
def test_the_keywords_are_the_options(keywords: type, kinds: tuple[type, ...]) -> None:
    known, named = declared(*kinds), get_type_hints(keywords)
    known.pop("python", None)  # A parameter of its own: a path, options, or who performs.
    assert list(named) == list(known)
    paths = {name: str | os.PathLike[str] | None for name in known if known[name] == Path | None}
    assert named == known | paths


def test_no_name_is_declared_twice() -> None:
    names = [one.name for kind in (*LOADED, graders.ScoreOptions) for one in options_of(kind)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_what_has_a_flag_has_a_line_about_it_and_its_default_is_a_value(kind: Any) -> None:
    for one in options_of(kind):
        assert one.help or not one.flag, one.name
        assert one.group or not one.flag, (
            f"{one.name}: say group=, the subject that help shows it under"
        )
        assert one.default is None or not wrong(one, one.default), one.name


def test_a_command_says_what_the_field_says() -> None:
    @click.command()
    @commands.python_options
    def command(python: graders.PythonOptions) -> None:
        raise AssertionError(python)

    flags = {one.name: one for one in command.params}
    assert list(flags) == [one.name for one in options_of(graders.PythonOptions)]
    assert flags["python_timeout"].opts == ["--python-timeout"]
    assert command.make_context("c", []).params["python_memory"] == 2 << 30
    with pytest.raises(AssertionError, match="disk=1048576, isolation='row'"):
        command.main(["--python-disk", "1M", "--isolation", "row"], standalone_mode=False)


def test_a_suite_may_say_what_is_marked_so_and_nothing_of_keys_interpreters_or_levels() -> None:
    assert {"api_key_file", "auth", "allow_endpoint", "sandbox", "python", "max_reply"}.isdisjoint(
        OPTIONS
    )
    assert {"dialect", "isolation", "base_url", "offline"} <= OPTIONS.keys()


def test_a_manifest_holds_what_can_change_a_result_under_its_one_name() -> None:
    grader = graders.load({**CODE, "name": "p"}, isolation="row", python_timeout=5)
    told = describe(
        grader.plan, setup=grader.setup, signatures={}, layout=Layout(), rows=RowRange(),
        on_error="null", inputs=[],
    )["options"]  # fmt: skip
    assert told["isolation"] == "row"
    assert told["python_timeout"] == 5
    assert "python_workers" not in told
    assert "concurrency" not in told


_GRADERS: Any = graders  # Which is given what no type checker lets through.
CODE = {"type": "python", "source": "def grade(sample, item):\n    return 1.0"}


def test_options_come_whole_or_by_keyword_and_the_keyword_counts() -> None:
    whole = graders.PythonOptions(timeout=7, isolation="row")
    grader = graders.load(CHECK, python=whole, python_timeout=3, base_url="http://127.0.0.1:1/v1")
    assert grader.setup is not None
    assert grader.setup.python == graders.PythonOptions(timeout=3, isolation="row")
    assert grader.setup.judge.base_url == "http://127.0.0.1:1/v1"
    assert graders.load(CHECK, reading=graders.Reading(rendering="python")).plan.reading == (
        graders.load(CHECK, rendering="python").plan.reading
    )


def test_a_keyword_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"load\(\) got .* 'python_timout'; did you mean python_t"):
        graders.load(CHECK, python_timout=3)  # type: ignore[call-arg]
    grader = graders.load(CHECK)
    with pytest.raises(TypeError, match=r"score_file\(\) got .* 'worker'; did you mean workers"):
        graders.score_file(grader, "r", "o", worker=3)  # type: ignore[call-arg]


def test_an_option_of_what_performs_by_itself_is_refused() -> None:
    class ByHand:
        def perform(self, call: Any) -> Any:
            raise AssertionError(call)

    with pytest.raises(graders.OptionError, match="base_url says nothing to a ByHand"):
        graders.load(CHECK, judge=ByHand(), base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: _GRADERS.PythonOptions(timeout=0), "python_timeout is more than 0 seconds, got 0"),
        (lambda: _GRADERS.PythonOptions(timeout=float("nan")), "is more than 0 seconds, got nan"),
        (lambda: _GRADERS.PythonOptions(memory=1.5), "python_memory is a whole number of bytes"),
        (
            lambda: _GRADERS.PythonOptions(workers=True),
            "python_workers is a whole number, got true",
        ),
        (lambda: _GRADERS.PythonOptions(interpreter=5), "python is a path, got 5"),
        (lambda: _GRADERS.PythonOptions(sandbox="strange"), "did you mean strong?"),
        (lambda: _GRADERS.JudgeOptions(deadline="5"), 'deadline is a number of seconds, got "5"'),
        (lambda: _GRADERS.JudgeOptions(model_map=[]), "model_map is a map, got a list"),
        (lambda: _GRADERS.JudgeOptions(base_url=b"x"), "base_url is text"),
        (lambda: _GRADERS.ScoreOptions(where=3), "where is a RowRange, got 3"),
        (lambda: _GRADERS.ScoreOptions(limit=-1), "limit is at least 0, got -1"),
        (lambda: RolloutOptions(samples=0), "rollout_samples is at least 1, got 0"),
        (lambda: RequestLimits(requests=0), "max_requests is at least 1, got 0"),
        (lambda: ServeOptions(data_dir=Path(), port=70000), "port is from 0 to 65535, got 70000"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_that_users_know(
    made: Any, says: str
) -> None:
    with pytest.raises(graders.OptionError) as caught:
        made()
    assert says in str(caught.value)


def test_paths_and_numpy_numbers_are_taken() -> None:
    options = graders.PythonOptions(interpreter="bin/python", workers=np.int64(2))  # type: ignore[arg-type]
    assert options.interpreter == Path("bin/python")
    assert pickle.loads(pickle.dumps(options)) == options


def test_a_field_without_a_mark_is_no_option() -> None:
    import dataclasses

    @dataclasses.dataclass
    class Some:
        plain: int = 0
        told: int = option(1, "Of two.", least=1)

    assert [one.name for one in options_of(Some)] == ["told"]
    check(Some())
    with pytest.raises(graders.OptionError, match="told is at least 1"):
        check(Some(told=0))
