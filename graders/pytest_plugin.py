"""The pytest plugin: collects suite files, and gives tests the `grader` and `load_grader` fixtures.

Loaded by pytest in every project of an environment that has graders, so it loads nothing of graders
until a suite or a fixture asks for it. `-p no:graders` leaves it out altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from graders.api import Grader
    from graders.suite import Bench, Outcome, Rewrite, Test

__all__ = ["SuiteFile", "SuiteItem", "grader", "load_grader"]

# As graders.suite.ENDINGS, which would cost an import; a test compares them.
ENDINGS = (".graders.yaml", ".graders.yml", ".graders.json")
_MARK = "grader(source, **options): the grader of a test, for the fixture `grader`"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option."""
    parser.getgroup("graders").addoption(
        "--graders-update", action="store_true",
        help="write what came into suites (*.graders.yaml) where it differs",
    )  # fmt: skip
    parser.addini("graders_sandbox", "level of the sandbox of suites' python graders", default="")
    parser.addini("graders_python", "interpreter of suites' python graders", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse to rewrite files from several processes."""
    config.addinivalue_line("markers", _MARK)
    several = config.getoption("numprocesses", None) or hasattr(config, "workerinput")
    if several and config.getoption("graders_update"):
        raise pytest.UsageError("--graders-update rewrites files: run it without -n")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect suite files, told by their names."""
    if file_path.name.endswith(ENDINGS):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


class _FailedError(Exception):
    """A test of a suite did not pass; the text says why."""


class SuiteFile(pytest.File):
    """A suite file; it has one grader for all of its tests."""

    bench: Bench
    outcomes: list[Outcome]
    failed: set[str]

    def collect(self) -> Iterable[SuiteItem]:
        """Yield an item for each test."""
        from graders.errors import GradersError
        from graders.suite import Bench, load_suite

        try:
            suite = load_suite(self.path, **self._running())
        except GradersError as error:
            raise self.CollectError(str(error)) from None
        self.bench, self.outcomes, self.failed = Bench(suite), [], set()
        self.config.add_cleanup(self.bench.close)
        for test in suite.tests:
            yield SuiteItem.from_parent(self, name=test.name, test=test)

    def _running(self) -> dict[str, Any]:
        """Return what a suite does not say itself: the ini file belongs to whoever runs it."""
        from graders.sandbox import LEVELS

        level, python = (self.config.getini(f"graders_{name}") for name in ("sandbox", "python"))
        if level and level not in LEVELS:
            raise self.CollectError(f"graders_sandbox is one of {', '.join(LEVELS)}, got {level}")
        interpreter = self.config.rootpath / python if python else None
        return {"sandbox": level or None, "python": interpreter}

    def teardown(self) -> None:
        """Rewrite the suite where that was asked for, and stop what was started."""
        from graders.suite import rewrite

        _note(self.config, str(self.path), self.bench.notes if self.outcomes else [])
        if self.config.getoption("graders_update"):
            done = rewrite(self.bench.suite, self.outcomes)
            self.config.stash.setdefault(_REWRITES, []).append(done)
            self._refuse(done)
        self.bench.close()

    def _refuse(self, done: Rewrite) -> None:
        """Fail where a test passed for its rewriting, and nothing could be written."""
        lost = {one.test.name for one in self.outcomes if one.rewritable} - {*done.changed}
        if lost - self.failed:
            self.bench.close()
            raise _FailedError("\n".join(done.refused))


_REWRITES = pytest.StashKey[list[Any]]()
_NOTES = pytest.StashKey[dict[str, None]]()


def _note(config: pytest.Config, name: str, notes: Iterable[str]) -> None:
    """Keep what is to be said once at the end."""
    config.stash.setdefault(_NOTES, {}).update(dict.fromkeys(f"{name}: {one}" for one in notes))


class SuiteItem(pytest.Item):
    """One case, ordering or invariance of a suite."""

    parent: SuiteFile

    def __init__(self, *, test: Test, **others: Any) -> None:
        super().__init__(**others)
        self.test = test

    def runtest(self) -> None:
        """Run the test; in an update, what will be rewritten is no failure."""
        from graders.errors import GradersError
        from graders.suite import refusal
        from graders.suite.explain import explain_outcome

        bench = self.parent.bench
        try:
            outcome = bench.run(self.test)
        except GradersError as error:
            raise _FailedError(str(error)) from None
        self.parent.outcomes.append(outcome)
        updating = self.config.getoption("graders_update")
        if outcome.passed or (updating and refusal(bench.suite, outcome) is None):
            return
        self.parent.failed.add(self.name)
        raise _FailedError(explain_outcome(outcome))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the explanation alone, without a traceback."""
        if isinstance(excinfo.value, _FailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test stands and what it is called."""
        return self.path, self.test.line - 1, self.name


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was rewritten, and what sources may hide; nothing where there is nothing."""
    for note in config.stash.get(_NOTES, {}):
        terminalreporter.line(f"graders: note: {note}")
    for done in config.stash.get(_REWRITES, []):
        if done.changed:
            names = ", ".join(done.changed)
            terminalreporter.line(f"graders: {done.path}: rewrote what is expected of: {names}")
        for one in done.refused:
            terminalreporter.line(f"graders: not rewritten: {one}")


@pytest.fixture(scope="session")
def _graders_loaded() -> Iterator[dict[Any, Any]]:
    """Graders of this session, closed at its end."""
    loaded: dict[Any, Any] = {}
    yield loaded
    for one in loaded.values():
        one.close()


@pytest.fixture
def load_grader(
    request: pytest.FixtureRequest, _graders_loaded: dict[Any, Any]
) -> Callable[..., Grader]:
    """Load a grader as `graders.load` does; a path is relative to the test's own file."""

    def load(source: Any, **options: Any) -> Grader:
        import graders

        if isinstance(source, str | Path) and not _is_text(str(source)):
            source = request.path.parent / source
        key = (repr(source), repr(sorted(options.items())))
        if key not in _graders_loaded:
            made = _graders_loaded[key] = graders.load(source, **options)
            _note(request.config, made.name, made.notes())
        found: Grader = _graders_loaded[key]
        return found

    return load


@pytest.fixture
def grader(request: pytest.FixtureRequest, load_grader: Callable[..., Grader]) -> Grader:
    """The grader that `@pytest.mark.grader("grader.json")` names, loaded once a session."""
    mark = request.node.get_closest_marker("grader")
    if mark is None or len(mark.args) != 1:
        pytest.fail(
            'the fixture grader needs @pytest.mark.grader("grader.json"), with a path relative to '
            "the test's file, or a grader's dict",
            pytrace=False,
        )
    return load_grader(mark.args[0], **mark.kwargs)


def _is_text(source: str) -> bool:
    """Whether a text is a config itself, not the path of one; as `graders.load` tells them."""
    return "\n" in source or source.lstrip().startswith(("{", "["))
