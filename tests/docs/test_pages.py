"""Every code block of the documentation runs as it is written, in a clone, page by page from its top.

Shell runs in bash, where `make` only says what it would do and `pip install` installs nothing but folders; Python runs
in a process of its own for each block; JSON and YAML are read, and the graders among them loaded; a text
behind a command is what the command says. What stands above a block as a remark: page.py.
"""

from __future__ import annotations

import doctest
import json
import re
import shlex
import tomllib
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import graders
from graders.jobs import Store
from graders.kinds import TYPES
from tests.docs.page import Block, read_blocks
from tests.docs.world import ROOT, World, warm_process
from tests.server.process import Serving

GENERATED = "<!-- Made by tools/reference.py"
PAGES = [
    page
    for page in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/**/*.md"),
         ROOT / "benchmarks/README.md"]
    )
    if not page.read_text().startswith(GENERATED)
]  # fmt: skip

LONG = {
    "docs/explanation/metrics.md",
    *(
        f"docs/howto/{one}.md"
        for one in (
            "agents", "compare", "dry-run-a-job", "extend", "judge", "judge-quality", "lint",
            "many-machines", "move-an-eval", "move-between-vendors", "probe", "report",
            "reward-by-http", "score-at-scale", "serve", "start-from-a-recipe", "test-a-reward",
        )
    ),
    # Their graders and rows are those of test_samples.py.
    *(f"samples/{one}/README.md" for one in (
        "evals-criteria", "evals-move", "judge", "partial-credit", "python-f1", "rft-job", "shards",
        "support-answers",
    )),
}  # fmt: skip
"""Pages whose commands take most of the time, and are those of the README and of the other tests."""

NOT_RUN = 44
"""How many blocks nothing runs here. It may fall; one more wants a better reason than the others."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with warm_process(tmp_path_factory.mktemp("warm")) as environment:
        yield environment


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[tuple[str, ...], Serving]]:
    started: dict[tuple[str, ...], Serving] = {}
    yield started
    for one in started.values():
        assert one.stop() == 0, one.said


@pytest.fixture
def world(
    warm: dict[str, str],
    servers: dict[tuple[str, ...], Serving],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    made = World(tmp_path, dict(warm), servers, lambda: request.getfixturevalue("server"))
    yield made
    made.close()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.more] if name(page) in LONG else [])
        for page in PAGES
        if read_blocks(page)
    ],
    ids=name,
)
def test_the_code_of_a_page_runs_as_written(page: Path, world: World) -> None:
    before: Block | None = None
    for block in read_blocks(page):
        place = f"{name(page)}:{block.line}"
        if "not run" not in block.remarks:
            if "given" in block.remarks:
                GIVEN[block.remarks["given"]](world)
            DOES[block.kind](world, block, before, place)
        before = block


def run_shell(world: World, block: Block, _: Block | None, place: str) -> None:
    (expected,) = [int(one[5:]) for one in block.remarks if one.startswith("exit ")] or [0]
    code = world.shell(block.body)
    assert code == expected, f"{place}\n{block.body}\nexit code {code}\n{world.said}"


def run_python(world: World, block: Block, _: Block | None, place: str) -> None:
    if block.words.startswith("file="):
        (world.folder / block.words.removeprefix("file=")).write_text(block.body)
        return
    code = world.shell(f"python -c {shlex.quote(block.body)}")
    assert code == 0, f"{place}\n{world.said}"


def run_session(_: World, block: Block, __: Block | None, place: str) -> None:
    session = doctest.DocTestParser().get_doctest(block.body, {}, place, place, block.line)
    assert doctest.DocTestRunner().run(session).failed == 0


def compare_text(world: World, block: Block, before: Block | None, place: str) -> None:
    assert before is not None, f"{place}: a text behind no command"
    assert before.kind == "shell", f"{place}: a text behind no command"
    said = iter([squeezed(line) for line in world.said.splitlines()])
    for line in block.body.splitlines():
        assert squeezed(line) in said, f"{place}: not said (in this order): {line}\n{world.said}"


def squeezed(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def read_data(world: World, block: Block, _: Block | None, place: str) -> None:
    way, file = [*block.words.split("="), ""][:2]
    path = world.folder / file
    if way == "file":
        path.write_text(block.body)
    elif way == "append":
        path.write_text(path.read_text() + block.body)
    elif way == "in":
        assert block.body in path.read_text(), place
    else:
        assert not way, place
    if Path(world.environment["PYTHONPATH"]).exists():
        return  # What the page installed is known to its own commands, not here.
    lines = block.body.splitlines() if file.endswith(".jsonl") else [block.body]
    for value in map(yaml.safe_load if block.kind == "yaml" else json.loads, lines):
        if isinstance(value, dict) and value.get("type") in TYPES:
            graders.load(value)


def read_toml(world: World, block: Block, _: Block | None, place: str) -> None:
    tomllib.loads(block.body)
    way, file = block.words.split("=")
    assert way == "file", place
    (world.folder / file).write_text(block.body)


def interrupt_a_job(world: World) -> None:
    body = json.loads((world.folder / "body.json").read_text())
    with Store(Path(world.environment["GRADERS_DATA_DIR"])) as store:
        for use in ("training_file", "validation_file"):
            with (world.folder / body[use]).open("rb") as file:
                made = store.files.create(file, filename=body[use], purpose="fine-tune")
            body[use] = made["id"]
        store.jobs.create(body, served=False)


def name_the_model_server(world: World) -> None:
    world.environment["OPENAI_BASE_URL"] = world.model_server()


GIVEN: dict[str, Callable[[World], None]] = {
    "a job that was interrupted": interrupt_a_job,
    "a model server": name_the_model_server,
    "the environment": lambda world: venv.create(world.folder / "grader-env", symlinks=True),
}

DOES: dict[str, Callable[[World, Block, Block | None, str], None]] = {
    "shell": run_shell,
    "python": run_python,
    "pycon": run_session,
    "text": compare_text,
    "json": read_data,
    "toml": read_toml,
    "yaml": read_data,
}


def test_what_is_not_run_is_little_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        f"{name(page)}:{block.line}: {block.remarks['not run']}"
        for page in PAGES
        for block in read_blocks(page)
        if "not run" in block.remarks
    ]
    with capsys.disabled():
        print("", *found, sep="\n")  # noqa: T201  (so that it is seen)
    assert len(found) == NOT_RUN


def test_a_generated_page_has_no_code_but_what_its_own_tests_hold() -> None:
    for page in ROOT.glob("docs/**/*.md"):
        if page.read_text().startswith(GENERATED):
            assert {block.kind for block in read_blocks(page)} <= {"text"}, page
