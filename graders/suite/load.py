"""Reading a suite file, with every fault reported at once: line, path, nearest right key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from graders import config as configs
from graders.api import Grader
from graders.config import document, json_path
from graders.config.document import Place
from graders.errors import ConfigError, Fault, nearest, quoted, suggestion
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.remote import Remote, is_remote, named
from graders.sandbox import Level, PythonOptions
from graders.suite.change import CHANGES, changed, text_of, with_text
from graders.suite.expectation import (
    Expected,
    ExpectedFailure,
    number_of,
    read_expected,
    read_failure,
)
from graders.suite.model import Case, Invariance, Ordering, Suite, SuiteRow, Test
from graders.suite.option import OPTIONS, read_options

__all__ = ["KEYS", "MAX_BYTES", "load_suite"]

MAX_BYTES: Final = 2_000_000
"""The largest suite file; rows by the thousand belong to `graders score`."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "suite": ("$schema", "grader", "options", "defaults", "cases", "orderings", "invariances"),
    "options": tuple(OPTIONS),
    "defaults": ("item", "sample", "within"),
    "case": ("name", "item", "sample", "reward", "sub_rewards", "failure"),
    "ordering": ("name", "item", "order", "margin"),
    "row": ("name", "item", "sample"),
    "invariance": ("name", "of", "item", "sample", "changes", "paraphrases", "within"),
}
"""The keys of each kind of object in a suite."""

_SAMPLE_KEYS: Final = ("output_text", "output_json", "output_tools", "output_audio", "choices")
_ABSENT: Final = object()


def load_suite(
    path: Path | Remote,
    *,
    record: bool = False,
    sandbox: Level | None = None,
    python: Path | None = None,
) -> Suite:
    """Return the suite of a file.

    Args:
        path: the file, YAML or JSON.
        record: ask the servers of judges and keep their replies, though the suite says `offline`.
        sandbox: the level of python graders; None for this machine's default.
        python: their interpreter; None for this environment, or a built image.

    Raises:
        ConfigError: the file cannot be read, or it or its grader has faults: all of them.
    """
    text = _read(path)
    if not text.strip("\ufeff \t\r\n"):
        raise ConfigError([Fault("$", "the file is empty; a suite is expected")], source=str(path))
    value = document.parse(text, str(path))
    reader = _Reader(path, {"record": record, "sandbox": sandbox, "python": python})
    for place, problem in document.unfit(value):
        reader.fault(place, problem)
    suite = None if reader.faults else reader.suite(value, text)
    if suite is None or reader.faults:
        lines = document.lines(text, [place for place, _, _ in reader.faults])
        raise ConfigError(
            (
                Fault(json_path(place), message, code, lines.get(place))
                for place, message, code in reader.faults
            ),
            source=str(path),
        )
    return suite


def _read(path: Path | Remote) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) <= MAX_BYTES:
            return data.decode()
        problem = f"a suite has at most {MAX_BYTES // 1_000_000} MB; score rows by the thousand"
    except UnicodeDecodeError:
        problem = "the file is not UTF-8 text"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    raise ConfigError([Fault("$", problem)], source=str(path))


class _Reader:
    """Reads one suite; faults are gathered as (place, message, code)."""

    def __init__(self, path: Path | Remote, running: Mapping[str, Any]) -> None:
        self.path = path
        self.running = running
        self.faults: list[tuple[Place, str, str]] = []
        self.lines: Mapping[Place, int] = {}
        self.keys: frozenset[str] = frozenset()
        self.default_item: Any = None
        self.default_sample: Any = None
        self.within = 0.0
        self.cases: dict[str, SuiteRow] = {}

    def fault(self, place: Place, message: str, code: str = "config_error") -> None:
        """Note a fault."""
        self.faults.append((place, message, code))

    def suite(self, value: Any, text: str) -> Suite | None:
        """Return the suite of a document, None with faults."""
        if isinstance(value, Mapping) and "grader" not in value and "type" in value:
            self.fault((), "this is a grader; a suite names one in grader, and lists cases")
            return None
        if not self._object(value, (), "suite"):
            return None
        named = value.get("$schema", "")
        if not isinstance(named, str):
            problem = f"expected a string, a JSON Schema's name, got {quoted(named)}"
            self.fault(("$schema",), problem)
        wanted = [(kind, index) for kind in ("cases", "orderings", "invariances")
                  for index in range(len(_list(value.get(kind))))]  # fmt: skip
        self.lines = document.lines(text, wanted)
        reading, python, judge = self._options(value.get("options"))
        grader = self._grader(value, reading.dialect)
        self._defaults(value.get("defaults"))
        tests: list[Test] = []
        for key, read in (
            ("cases", self._case), ("orderings", self._ordering), ("invariances", self._invariance),
        ):  # fmt: skip
            tests += self._each(value, key, read)
        if not tests and not self.faults:
            self.fault((), "the suite has no cases, orderings or invariances")
        if not self.faults:
            self._unique(tests)
        if self.faults or grader is None:
            return None
        return Suite(
            path=self.path, text=text, grader=grader, reading=reading, python=python, judge=judge,
            tests=tuple(tests),
        )  # fmt: skip

    # -- the parts of the head ---------------------------------------------------------------

    def _grader(self, value: Mapping[str, Any], dialect: Any) -> configs.Loaded | None:
        if "grader" not in value:
            problem = "grader is required: the path of a grader, or the grader itself"
            self._missing(value, (), "suite", "grader", problem)
            return None
        source = value["grader"]
        try:
            if isinstance(source, str):
                source = named(source) if is_remote(source) else self.path.parent / source
            elif not isinstance(source, Mapping | list):
                self.fault(
                    ("grader",), f"a path or a grader's object is needed, got {quoted(source)}"
                )
                return None
            loaded = configs.load_source(source, dialect=dialect)
        except ConfigError as error:
            self._grader_faults(error, value["grader"])
            return None
        self.keys = frozenset(leaf.key for leaf in Grader(loaded).plan.leaves if leaf.key)
        return loaded

    def _grader_faults(self, error: ConfigError, source: Any) -> None:
        """Note a grader's faults: an inline one's where they stand, a file's with its name."""
        if isinstance(source, str):
            for one in error.faults:
                said = one.message if one.path == "$" else str(one)
                self.fault(("grader",), f"{error.source}: {said}", one.code)
            return
        places = {json_path(place): place for place, _ in _walked(source, ())}
        for one in error.faults:
            path = one.path
            while path not in places:
                path = path[: max(path.rfind("."), path.rfind("["), 1)]
            missing = one.path[len(path) :].lstrip(".")
            place = ("grader", *places[path], *([missing] if missing else []))
            self.fault(place, one.message, one.code)

    def _options(self, value: Any) -> tuple[Reading, PythonOptions, JudgeOptions]:
        given: Mapping[str, Any] = {}
        if value is not None and self._object(value, ("options",), "options"):
            given = value
        options, problems = read_options(given, self.path.parent, **self.running)
        for key, problem in problems:
            self.fault(("options", key) if key else ("options",), problem)
        return options

    def _defaults(self, value: Any) -> None:
        if value is None or not self._object(value, ("defaults",), "defaults"):
            return
        self.default_item = self._json(value.get("item"), ("defaults", "item"))
        self.default_sample = self._sample(value.get("sample"), ("defaults", "sample"))
        self.within = self._distance(value, "within", ("defaults",), 0.0)

    # -- the tests ---------------------------------------------------------------------------

    def _each(
        self, value: Mapping[str, Any], key: str, read: Callable[[Any, Place], Test | None]
    ) -> Iterator[Test]:
        tests = value.get(key)
        if tests is not None and not isinstance(tests, list):
            self.fault((key,), f"{key} is a list, got {quoted(tests)}")
        for index, one in enumerate(_list(tests)):
            if (test := read(one, (key, index))) is not None:
                yield test

    def _case(self, value: Any, place: Place) -> Case | None:
        if not self._object(value, place, "case"):
            return None
        name = self._name(value, place)
        if name is None:
            self._missing(value, place, "case", "name", "a case needs a name")
            name = f"case {place[-1]}"
        row = self._row(value, place, name)
        self.cases.setdefault(name, row)
        reward = None
        if "reward" in value:
            reward = self._expected(value["reward"], (*place, "reward"))
        failure = None
        if value.get("failure") is not None:
            failure = self._failure(value["failure"], (*place, "failure"))
        if failure is not None and reward is not None and not reward.nothing:
            self.fault(place, "a row has a reward or a failure; leave one of them out")
        return Case(
            name=name, place=place, line=self.lines.get(place, 1), row=row, reward=reward,
            sub_rewards=self._sub_rewards(value.get("sub_rewards"), (*place, "sub_rewards")),
            failure=failure,
        )  # fmt: skip

    def _sub_rewards(self, value: Any, place: Place) -> dict[str, Expected]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(
                place, f"sub_rewards is a map of keys to what is expected, got {quoted(value)}"
            )
            return {}
        found = {}
        for key, one in value.items():
            if self.keys and key not in self.keys:
                hint = suggestion(key, sorted(self.keys), "they are:")
                self.fault((*place, key), f"the grader has no sub-grader {quoted(key)}; {hint}")
            elif (expected := self._expected(one, (*place, key))) is not None:
                found[key] = expected
        return found

    def _ordering(self, value: Any, place: Place) -> Ordering | None:
        if not self._object(value, place, "ordering"):
            return None
        order = value.get("order")
        what = "a list, best first, of at least two names of cases or rows"
        if order is None:
            self._missing(value, place, "ordering", "order", f"order is required: {what}")
            return None
        if not isinstance(order, list) or len(order) < 2:
            self.fault((*place, "order"), f"order is {what}, got {quoted(order)}")
            return None
        shared = self._merged(self.default_item, self._json(value.get("item"), (*place, "item")))
        found = [
            self._entry(one, (*place, "order", index), shared) for index, one in enumerate(order)
        ]
        rows = tuple(row for row in found if row is not None)
        name = self._name(value, place) or " > ".join(row.label for row in rows)
        return Ordering(
            name=name, place=place, line=self.lines.get(place, 1), rows=rows,
            margin=self._distance(value, "margin", place, 0.0),
        )  # fmt: skip

    def _entry(self, value: Any, place: Place, item: Any = None) -> SuiteRow | None:
        """Return the row of a case by its name, or one written out."""
        if isinstance(value, Mapping):
            if not self._object(value, place, "row"):
                return None
            step = place[-1]
            name = self._name(value, place) or f"row {step + 1 if isinstance(step, int) else 1}"
            return self._row(value, place, name, item)
        if isinstance(value, str):
            if value in self.cases:
                return self.cases[value]
            near = nearest(value, self.cases)
            hint = f"; did you mean {near}?" if near else ""
            self.fault(place, f"there is no case {quoted(value)}{hint}")
            return None
        self.fault(place, f"the name of a case or a row is needed, got {quoted(value)}")
        return None

    def _invariance(self, value: Any, place: Place) -> Invariance | None:
        if not self._object(value, place, "invariance"):
            return None
        rows = self._bases(value, place)
        changes = self._names(value, "changes", place, CHANGES)
        paraphrases = self._names(value, "paraphrases", place, None)
        if not any(value.get(key) for key in ("changes", "paraphrases")):
            problem = f"changes ({', '.join(CHANGES)}) or paraphrases is required"
            self._missing(value, place, "invariance", "changes", problem)
        if paraphrases and len(rows) > 1:
            self.fault((*place, "of"), "paraphrases are of one case; name one")
        pairs = []
        for row in rows:
            text = text_of(row.sample)
            if text is None:
                self.fault(place, f"{row.label}: the sample has no text that could be changed")
                continue
            variants = [
                SuiteRow(f"{row.label}, {what}", row.item, with_text(row.sample, other))
                for name in changes
                for what, other in changed(text, name)
            ] + [
                SuiteRow(f"{row.label}, paraphrase {index}", row.item, with_text(row.sample, other))
                for index, other in enumerate(paraphrases, 1)
            ]
            pairs.append((row, tuple(variants)))
        kinds = [one.replace("_", " ") for one in changes] + ["paraphrase"] * bool(paraphrases)
        labels = ", ".join(row.label for row in rows)
        return Invariance(
            name=self._name(value, place) or f"{labels}: {', '.join(kinds)}",
            place=place, line=self.lines.get(place, 1), pairs=tuple(pairs),
            within=self._distance(value, "within", place, self.within),
        )  # fmt: skip

    def _bases(self, value: Mapping[str, Any], place: Place) -> list[SuiteRow]:
        of = value.get("of")
        if of is None:
            if "sample" not in value:
                problem = "of (the name of a case, or several) or a sample is required"
                self._missing(value, place, "invariance", "of", problem)
                return []
            return [self._row(value, place, "the sample")]
        if "sample" in value or "item" in value:
            self.fault(place, "of names a case; leave item and sample out")
        if not isinstance(of, list):
            row = self._entry(of, (*place, "of"))
            return [] if row is None else [row]
        found = [self._entry(one, (*place, "of", index)) for index, one in enumerate(of)]
        return [row for row in found if row is not None]

    def _unique(self, tests: Iterable[Test]) -> None:
        seen: dict[str, Test] = {}
        for test in tests:
            if (first := seen.setdefault(test.name, test)) is not test:
                where = f"the {first.kind} of line {first.line}"
                self.fault(test.place, f"the name {quoted(test.name)} is taken by {where}")

    # -- values ------------------------------------------------------------------------------

    def _object(self, value: Any, place: Place, kind: str) -> bool:
        """Whether a value is an object; its unknown keys are faults."""
        known = KEYS[kind]
        if not isinstance(value, Mapping):
            article = "an" if kind[0] in "aeiou" else "a"
            name = kind if kind in ("options", "defaults") else f"{article} {kind}"
            self.fault(
                place, f"{name} is an object with {', '.join(known[:6])}; got {quoted(value)}"
            )
            return False
        for key in value:
            if key not in known:
                hint = suggestion(key, known, "the keys here are:")
                self.fault((*place, key), f"unknown key {quoted(key)}; {hint}")
        return True

    def _missing(
        self, value: Mapping[str, Any], place: Place, kind: str, key: str, problem: str
    ) -> None:
        """Note that a key is missing, unless an unknown key evidently misspells it."""
        if nearest(key, [one for one in value if one not in KEYS[kind]]) is None:
            self.fault(place, problem)

    def _name(self, value: Mapping[str, Any], place: Place) -> str | None:
        if "name" not in value:
            return None
        name = value["name"]
        if not isinstance(name, str) or not name.strip():
            self.fault((*place, "name"), f"name is text, got {quoted(name)}")
            return None
        return " ".join(name.split())

    def _row(
        self, value: Mapping[str, Any], place: Place, label: str, shared: Any = _ABSENT
    ) -> SuiteRow:
        base = self.default_item if shared is _ABSENT else shared
        item = self._merged(base, self._json(value.get("item"), (*place, "item")))
        sample = self.default_sample
        if "sample" in value:
            sample = self._sample(value["sample"], (*place, "sample"))
        return SuiteRow(label, item, sample)

    @staticmethod
    def _merged(base: Any, item: Any) -> Any:
        """Return an item with the keys that it shares with others."""
        if item is None:
            return base
        if isinstance(base, Mapping) and isinstance(item, Mapping):
            return {**base, **item}
        return item

    def _sample(self, value: Any, place: Place) -> Any:
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, Mapping) or not any(key in value for key in _SAMPLE_KEYS):
            self.fault(
                place,
                f"a sample is text (put numbers and JSON in quotes), or an object with any of "
                f"{', '.join(_SAMPLE_KEYS)}; got {quoted(value)}",
            )
            return None
        return self._json(value, place)

    def _json(self, value: Any, place: Place) -> Any:
        """Return a value that JSON can hold; YAML's dates and sets are faults."""
        for where, one in _walked(value, place):
            if one is not None and not isinstance(one, Mapping | list | str | int | float):
                said = "YAML reads this as a date or another value JSON lacks; quote it"
                self.fault(where, said)
        return value

    def _expected(self, value: Any, place: Place) -> Expected | None:
        try:
            return read_expected(value, self.within)
        except ValueError as error:
            self.fault(place, str(error))
            return None

    def _failure(self, value: Any, place: Place) -> ExpectedFailure | None:
        try:
            failure = read_failure(value)
        except ValueError as error:
            self.fault(place, str(error))
            return None
        if failure.where and self.keys and failure.where not in self.keys:
            hint = suggestion(failure.where, sorted(self.keys), "they are:")
            self.fault((*place, "where"), f"no sub-grader {quoted(failure.where)}; {hint}")
        return failure

    def _distance(self, value: Mapping[str, Any], key: str, place: Place, default: float) -> float:
        if value.get(key) is None:
            return default
        number = number_of(value[key])
        if number is None or number < 0:
            self.fault((*place, key), f"{key} is a number, at least 0, got {quoted(value[key])}")
            return default
        return number

    def _names(
        self, value: Mapping[str, Any], key: str, place: Place, known: Iterable[str] | None
    ) -> list[str]:
        """Return a list of texts, all of them known ones where `known` is given."""
        given = value.get(key)
        if given is None:
            return []
        found = []
        for index, one in enumerate(given if isinstance(given, list) else [given]):
            where = (*place, key, index) if isinstance(given, list) else (*place, key)
            if not isinstance(one, str):
                self.fault(where, f"text is needed, got {quoted(one)}")
            elif known is not None and one not in known:
                hint = suggestion(one, known, "they are:")
                self.fault(where, f"there is no change {quoted(one)}; {hint}")
            else:
                found.append(one)
        return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _walked(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield each value within a value with its place, the outer ones first."""
    yield place, value
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _walked(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _walked(child, (*place, index))
