"""The waist: everything above speaks to graders through `load` and `Grader`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Self

from graders import config as configs
from graders import jsontext
from graders.batch.crew import ENGINES, Crew, Engine
from graders.batch.earlier import Earlier
from graders.batch.flow import in_order
from graders.batch.lane import Job
from graders.batch.manifest import describe
from graders.batch.output import FileOutput, StreamOutput, check_apart, is_direct
from graders.batch.result import read_results
from graders.batch.run import MaxFailures, Progress, Run, run
from graders.batch.score import ON_ERROR, OnError
from graders.calls import ChatPerformer, EmbedPerformer, PythonError, PythonPerformer
from graders.choices import Choices
from graders.config.document import spots
from graders.errors import ConfigError, FailedError, Fault, OptionError
from graders.grade import Grade
from graders.grading.performers import Performers, Setup
from graders.grading.render import render_inputs
from graders.grading.runner import Runner
from graders.models import JudgeOptions, JudgeStats, retirement
from graders.plan import Plan, build
from graders.rows import Block, Chunk, Layout, RowRange, add_row, find_source
from graders.sandbox import (
    Isolation,
    Level,
    MissingImport,
    PythonOptions,
    Stats,
    imports_missing,
)
from graders.sandbox.image import IMAGES
from graders.sandbox.image import interpreter as image_interpreter
from graders.template import Dialect, Rendering, ToolArguments

__all__ = ["Explanation", "Grader", "PythonOptions", "RetiredModel", "load", "score_file"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A grade and how it came about.

    Attributes:
        grade: the grade.
        rendered: the rendered text fields by sub-grader key, "" for the grader itself.
        printed: what python graders printed, by key.
        said: what judges answered, by key: one text for each time they were asked.
    """

    grade: Grade
    rendered: Mapping[str, Mapping[str, str]]
    printed: Mapping[str, str]
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetiredModel:
    """A judge's model that the hosted service switches off.

    Attributes:
        key: the sub-grader's key, "" for the grader itself.
        model: the model's name.
        day: the day, as YYYY-MM-DD.
    """

    key: str
    model: str
    day: str


@dataclass(slots=True)
class _Live:
    """What a grader has started in one process.

    Attributes:
        performers: the sandbox and the clients.
        idle: runners that nobody uses.
        lock: held while one of them is taken, or used where they cannot be used side by side.
    """

    performers: Performers
    idle: list[Runner] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


class Grader:
    """A grader ready to grade. Use `graders.load` to make one; `grader(item, sample)` is a reward.

    It can be pickled, copied and taken along into a fork: each process has sandboxes and clients of
    its own, started with their first use. A performer that was given goes along as it is.

    The same row gives the same grade, alone or among others, in any order. Calls from several
    threads wait for each other, but for graders that ask judges or sandboxes of their own: those
    run side by side.

    Args:
        config: a typed config, as `graders.config.load` or `load_source` gives it.
        choices: how points are read that the hosted documents leave open.
        python: how python graders are run, or what performs them instead of the sandbox.
        judge: how model graders ask their models, or what performs them instead of the client.
        embed: what performs cosine instead of the client that `judge` describes.

    Attributes:
        config: the typed config.
        plan: the config made executable.
    """

    def __init__(
        self,
        config: Any,
        *,
        choices: Choices | None = None,
        python: PythonPerformer | PythonOptions | None = None,
        judge: ChatPerformer | JudgeOptions | None = None,
        embed: EmbedPerformer | None = None,
    ) -> None:
        loaded = config if isinstance(config, configs.Loaded) else configs.Loaded(config, "grader")
        self.config = loaded.config
        self.plan: Plan = build(loaded.config, choices)
        self._loaded = loaded
        self._python = PythonOptions() if python is None else python
        self._judge = JudgeOptions() if judge is None else judge
        self._embed = embed
        self._lives: dict[int, _Live] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was made, not as it is: another process, or a copy, starts sandboxes of its own.
        return _again, (self._loaded, self.plan.choices, self._python, self._judge, self._embed)

    def __call__(self, item: Any = None, sample: Any = None) -> float:
        """Return the reward of one row; arguments as for `grade`.

        Raises:
            FailedError: the row has none; its `grade` says why.
            UnavailableError: this machine lacks what the grader needs.
        """
        grade = self.grade(item, sample)
        if grade.reward is None:
            raise FailedError("; ".join(map(str, grade.failures)), grade=grade)
        return grade.reward

    @property
    def _live(self) -> _Live:
        """What is started here: after a fork the child has its own, and leaves the parent's alone."""
        # The parent's is kept: its end would be told to the parent's sandboxes.
        process = os.getpid()
        live = self._lives.get(process)
        if live is None:
            performers = Performers(self.plan, self._python, self._judge, self._embed)
            live = self._lives.setdefault(process, _Live(performers))  # Of threads one is first.
        return live

    @property
    def name(self) -> str:
        """The grader's name."""
        return self.plan.name

    @property
    def type(self) -> str:
        """The grader's type, as in the JSON; `testing_criteria` for several criteria."""
        return self.plan.type

    @property
    def setup(self) -> Setup | None:
        """What another process makes the same grader from; None where performers were given."""
        python, judge = self._python, self._judge
        if self._embed is not None:
            return None
        if isinstance(python, PythonOptions) and isinstance(judge, JudgeOptions):
            return Setup(config=self.config, choices=self.plan.choices, python=python, judge=judge)
        return None

    @property
    def signatures(self) -> dict[str, str]:
        """How each text metric is made, by sub-grader: library versions, tokenizer, stemmer."""
        found = self.plan.signatures
        if self.plan.needs("embed"):
            embedder = self._live.performers.performer("embed")
            asking = (leaf.key for leaf in self.plan.leaves if leaf.performer == "embed")
            found |= dict.fromkeys(asking, f"cosine|{embedder.signature}")
        return {
            leaf.key or self.name: found[leaf.key] for leaf in self.plan.leaves if leaf.key in found
        }

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of model servers did so far: judges, then embeddings; [] unused."""
        return self._live.performers.judge_stats

    def retired_models(self) -> list[RetiredModel]:
        """Return the models that the hosted service switches off, and when."""
        options = self._judge if isinstance(self._judge, JudgeOptions) else JudgeOptions()
        found = []
        for leaf in self.plan.leaves:
            if leaf.model is not None:
                model = options.model_map.get(leaf.model, leaf.model)
                if (day := retirement(model)) is not None:
                    found.append(RetiredModel(leaf.key, model, day))
        return found

    def check(self) -> None:
        """Load every python source once, in the sandbox, without grading.

        Raises:
            ConfigError: a source has a syntax error, no `grade`, or one that does not take two
                arguments; its top level fails or takes too long.
            UnavailableError: this machine does not give the sandbox.
        """
        faults = []
        for leaf in self.plan.leaves:
            code = leaf.code
            if code is None:
                continue
            live = self._live
            with live.lock:
                error = live.performers.performer("python").check(code.source, code.image_tag)
            if error is not None:
                place = (*configs.place_of(self.config, leaf.key, self._loaded.place), "source")
                found = spots(self._loaded.text or "", [(place, None)])
                line, column = found.get((place, None), (None, None))
                text = error.message + _package_hint(error, code.image_tag)
                text += f"\n{error.details}" if error.details else ""
                path = configs.json_path(place)
                faults.append(Fault(path, text, "python_grader_runtime_error", line, column))
        if faults:
            raise ConfigError(faults, source=self._loaded.name)

    def missing_imports(self) -> dict[str, list[MissingImport]]:
        """Return, by sub-grader key, the imports that a python grader's interpreter lacks."""
        found = {}
        for leaf in self.plan.leaves:
            if (code := leaf.code) is not None and isinstance(self._python, PythonOptions):
                tag = code.image_tag or ""
                interpreter = self._python.interpreters([tag]).get(tag)
                if missing := imports_missing(code.source, interpreter):
                    found[leaf.key] = missing
        return found

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far: its level, calls, failures, slowest calls; None unused."""
        return self._live.performers.python_stats

    def grade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row.

        Args:
            item: the row's item; templates and python graders see it as `item`.
            sample: the model's output: a text, or a dict with any of output_text, output_json,
                output_tools, choices and output_audio, or a whole chat completion.

        Returns:
            A Grade. A row that cannot be scored is a grade with failures, not an exception.

        Raises:
            UnavailableError: this machine lacks what the grader needs.
        """
        started = time.perf_counter()
        with self._running() as runner:
            graded = runner.grade(Chunk([item], [sample], [None]))
        return graded.grade(0, time.perf_counter() - started)

    async def agrade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row without holding up the caller's event loop."""
        import asyncio  # noqa: PLC0415  (whoever calls this has loaded it; others need not)

        return await asyncio.to_thread(self.grade, item, sample)

    def grade_many(
        self, rows: Iterable[Mapping[str, Any]], *, chunk: int = 256, workers: int = 0
    ) -> Iterator[Grade]:
        """Yield the grade of each row, in order.

        Args:
            rows: `{"item": ..., "sample": ...}` each; read in the caller's thread as the grades
                are taken, `chunk` rows ahead, with workers `chunk` times their number and two.
            chunk: how many rows are graded together.
            workers: worker processes; 0 for none. Rows that go there are JSON values. Models are
                asked from this process, and then several chunks overlap.

        Raises:
            OptionError: a row is not a mapping, or, with workers, no JSON.
            UnavailableError: this machine lacks what the grader needs.
        """
        if chunk < 1 or workers < 0:
            raise OptionError(f"chunk is at least 1 and workers 0, got {chunk} and {workers}")
        batches = _batches(rows, chunk)
        if workers:
            live = self._live
            with live.lock:
                crew = Crew(live.performers, Job(self.setup, Layout()), workers)
                lanes = crew.lanes()
            with closing(in_order(_blocks(batches), lanes, held=0)) as flow:
                for _, scored in flow:
                    for results in read_results(BytesIO(scored.lines)):
                        yield from (one.grade(self.name, self.type) for one in results)
            return
        for start, batch in batches:
            columns = Chunk(indexes=range(start, start + len(batch)))
            for row in batch:
                add_row(columns, row, Layout())
            with self._running() as runner:
                graded = runner.grade(columns)
            yield from (graded.grade(row) for row in range(len(batch)))

    def explain(self, item: Any = None, sample: Any = None) -> Explanation:
        """Return the grade of one row and how it came about; arguments as for `grade`."""
        started = time.perf_counter()
        with self._running() as runner:
            graded = runner.grade(Chunk([item], [sample], [None]))
        grade = graded.grade(0, time.perf_counter() - started)
        return Explanation(grade, self.render(item, sample), graded.printed(0), graded.said(0))

    def render(self, item: Any = None, sample: Any = None) -> dict[str, dict[str, str]]:
        """Return one row's rendered text fields by sub-grader key; nothing is graded or asked."""
        return render_inputs(self.plan, item, sample)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as the JSON object it came from."""
        return configs.dump(self.config)

    def close(self) -> None:
        """Stop the workers this grader has started. Used again, it starts new ones."""
        live = self._live
        with live.lock:
            live.performers.close()
            live.idle = []  # Runners in use come back to the old list, and are gone with it.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Grader {self.name!r} ({self.type})>"

    @contextmanager
    def _running(self) -> Iterator[Runner]:
        """Give a runner that nobody else uses meanwhile."""
        live = self._live
        with live.lock:
            idle = live.idle
            runner = idle.pop() if idle else live.performers.runner()
            if not self.plan.asks or self.setup is None:
                try:
                    yield runner
                finally:
                    idle.append(runner)
                return
        try:
            yield runner
        finally:
            idle.append(runner)


def _again(
    loaded: configs.Loaded,
    choices: Choices,
    python: PythonPerformer | PythonOptions,
    judge: ChatPerformer | JudgeOptions,
    embed: EmbedPerformer | None,
) -> Grader:
    return Grader(loaded, choices=choices, python=python, judge=judge, embed=embed)


def _batches(
    rows: Iterable[Mapping[str, Any]], size: int
) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """Yield rows, so many at a time, each time with the index of the first."""
    start, batch = 0, list[Mapping[str, Any]]()
    try:
        for index, row in enumerate(rows):
            batch.append(_checked(row, index))
            if len(batch) == size:
                yield start, batch
                start, batch = index + 1, []
    except Exception:
        # The rows before what went wrong are good ones.
        if batch:
            yield start, batch
        raise
    if batch:
        yield start, batch


def _checked(row: Any, index: int) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise OptionError(
            f"row {index} is a {type(row).__name__}; rows are "
            'mappings {"item": ..., "sample": ...}'
        )
    return row


def _blocks(batches: Iterable[tuple[int, list[Mapping[str, Any]]]]) -> Iterator[Block]:
    for start, rows in batches:
        lines: list[bytes] = []
        for index, row in enumerate(rows, start):
            try:
                lines.append(jsontext.encode(dict(row)))
            except (TypeError, ValueError) as error:
                if lines:
                    yield Block(b"\n".join(lines), start)
                raise OptionError(f"row {index} is no JSON value: {error}") from None
        yield Block(b"\n".join(lines), start)


def _package_hint(error: PythonError, tag: str | None) -> str:
    if not error.message.startswith("ModuleNotFoundError"):
        return ""
    if tag is not None and tag in IMAGES and image_interpreter(tag) is None:
        return f"; `graders image build {tag}` makes its image, --python names another interpreter"
    return "; --python names the interpreter of an environment that has it"


def load(
    source: configs.Source,
    *,
    dialect: Dialect = "hosted",
    rendering: Rendering = "json",
    tool_arguments: ToolArguments = "parsed",
    rouge_backend: Literal["rouge_score", "rouge"] = "rouge_score",
    rouge_measure: Literal["fmeasure", "recall"] = "fmeasure",
    rouge_stemmer: bool = False,
    python_timeout: float = 120.0,
    python_memory: int = 2 << 30,
    isolation: Isolation = "auto",
    sandbox: Level | None = None,
    python_workers: int | None = None,
    python: str | os.PathLike[str] | None = None,
    judge: ChatPerformer | JudgeOptions | None = None,
    embed: EmbedPerformer | None = None,
) -> Grader:
    """Return a grader from its JSON.

    Args:
        source: a dict or list, JSON or YAML text, a path, or `-` for standard input; holding a
            grader, a `fine_tuning.jobs.create` body, a `graders.run` body, or an Evals
            `testing_criteria` list.
        dialect: `hosted` templates, or `jinja2`.
        rendering: how a template shows a value that is not text: as `json`, or as `python` does.
        tool_arguments: `parsed` lets a path go on into the JSON text of a tool call's arguments.
        rouge_backend: the package that defines ROUGE.
        rouge_measure: which ROUGE figure is the score.
        rouge_stemmer: whether ROUGE stems words first.
        python_timeout: seconds one call of a python grader may take.
        python_memory: bytes of memory one call may use.
        isolation: what the rows of a python grader share: `module`, `row`, `shared` or `auto`.
        sandbox: the level of the sandbox, where not the default of this machine.
        python_workers: at most so many worker processes; None for the number of cores.
        python: the interpreter python graders run with, such as that of a virtual environment.
        judge: how model graders ask their models, or what performs them.
        embed: what performs cosine; None for the server that `judge` names.

    Raises:
        ConfigError: the source cannot be read or the config has faults; all are listed, each with
            its JSON path. Python sources are loaded once, in the sandbox, to find theirs.
        OptionError: an option has a value it cannot have.
        UnavailableError: there are python graders, and this machine gives no sandbox for them.
    """
    choices = Choices(
        dialect=dialect,
        rendering=rendering,
        tool_arguments=tool_arguments,
        rouge_backend=rouge_backend,
        rouge_measure=rouge_measure,
        rouge_stemmer=rouge_stemmer,
    )
    options = PythonOptions(
        timeout=python_timeout,
        memory=python_memory,
        isolation=isolation,
        level=sandbox,
        workers=python_workers,
        interpreter=None if python is None else Path(python),
    )
    loaded = configs.load_source(source, dialect=dialect)
    grader = Grader(loaded, choices=choices, python=options, judge=judge, embed=embed)
    grader.check()
    return grader


Rows = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def score_file(
    grader: Grader,
    rows: Rows,
    output: str | os.PathLike[str],
    *,
    item_path: str = "item",
    sample_path: str = "sample",
    workers: int | None = None,
    engine: Engine = "local",
    ray_address: str | None = None,
    resume: bool = False,
    restart: bool = False,
    where: RowRange | None = None,
    limit: int | None = None,
    only_failed: str | os.PathLike[str] | None = None,
    on_error: OnError = "null",
    max_failures: MaxFailures | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Score files of rows into a file of result lines; what `graders score` calls.

    The result lines are the same bytes whatever the number of workers, from a file or a stream,
    in one go or interrupted and resumed.

    Args:
        grader: grades.
        rows: the file of rows, or several, or patterns such as `data/*.jsonl.gz`; `-` for standard
            input. JSON Lines, also compressed (.gz, .zst), CSV, Parquet, or a dataset folder.
        output: the file of results, which appears whole when all rows are done; `-` for
            standard output.
        item_path: where in a row the item stands; `.` for the whole row.
        sample_path: the same for the sample.
        workers: worker processes; None for as many as cores where the input is not small, 0 for
            none. Models are always asked from this process.
        engine: `local` for processes of this machine, `ray` for Ray actors (extra `ray`).
        ray_address: of the Ray cluster; None for this machine.
        resume: go on where an earlier run was interrupted; it must have been of the same grader,
            rows and options.
        restart: drop what an interrupted run has finished.
        where: the rows to score, by index; None for all.
        limit: score at most so many rows.
        only_failed: results of an earlier run: its failed rows are scored again, the others kept.
        on_error: what a failed row's reward is in its result line: `null`, or `zero` for 0.0 (its
            failures are named either way); `raise` stops the run at the first one.
        max_failures: stop when more rows than this have failed.
        on_progress: told how far the run is.

    Raises:
        RowsError: the rows cannot be read or the results cannot be written; another run is
            writing them; what was finished cannot be gone on with.
        OptionError: an option has a value it cannot have, or an interrupted run stands in the way.
        StoppedError: more rows failed than is allowed; what was finished stands in
            `<output>.partial`, and `resume` goes on with it.
    """
    for name, value, allowed in (("on_error", on_error, ON_ERROR), ("engine", engine, ENGINES)):
        if value not in allowed:
            raise OptionError(f"{name} is one of {', '.join(allowed)}, got {value!r}")
    for name, number in (("workers", workers), ("limit", limit)):
        if number is not None and number < 0:
            raise OptionError(f"{name} is at least 0, got {number}")
    source, target = (
        find_source([rows] if isinstance(rows, str | os.PathLike) else rows),
        Path(output),
    )
    layout, wanted = Layout.parse(item_path, sample_path), (where or RowRange()).first(limit)
    check_apart(source.paths, target)
    written: OnError = "zero" if on_error == "zero" else "null"
    job = Job(grader.setup, layout, written)
    live = grader._live  # noqa: SLF001  (the same module)
    with live.lock, ExitStack() as stack:
        crew = Crew(live.performers, job, workers, source.size, engine, ray_address)
        begun = crew.begun()
        for lane in begun:
            stack.callback(lane.close)
        marks = {leaf.key: leaf.passes_at for leaf in grader.plan.leaves}
        earlier = None if only_failed is None else Earlier(Path(only_failed), marks)
        if earlier is not None and not earlier.stands_at(target):  # In place is what many want.
            check_apart([earlier.path], target)
        inputs: list[dict[str, Any]] = []
        if is_direct(target):
            if resume:
                raise OptionError(f"{target} is a stream; only results in a file can be resumed")
            place: FileOutput | StreamOutput = StreamOutput(target)
        else:
            inputs = source.identity()
            manifest = describe(
                grader.config, grader.plan, setup=grader.setup, signatures=grader.signatures,
                layout=layout, rows=wanted, on_error=written, inputs=inputs,
            )  # fmt: skip
            if earlier is not None:
                earlier.check(manifest)
                manifest["only_failed"] = earlier.identity()
            place = FileOutput(
                target, manifest, resume=resume, restart=restart, marks=marks,
                first=wanted.start if earlier is None else None,
            )  # fmt: skip
        with place:
            return run(
                source, place, crew, lambda: begun or crew.lanes(), rows=wanted, most_rows=wanted.most(inputs), earlier=earlier,
                max_failures=max_failures, raise_failures=on_error == "raise",
                on_progress=on_progress,
            )  # fmt: skip
