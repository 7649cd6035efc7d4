"""The waist: everything above speaks to graders through `load` and `Grader`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any, Self, Unpack

from graders import config as configs
from graders.batch.executor import Job
from graders.batch.flow import in_order
from graders.batch.merge import merge as merge_shards
from graders.batch.option import ScoreOptions
from graders.batch.output import check_apart, is_direct, kept_note, partial_of
from graders.batch.parallelism import Parallelism
from graders.batch.result import read_results
from graders.batch.run import MaxFailures, Progress, Run
from graders.batch.trace import score_traced
from graders.calls import ChatPerformer, EmbedPerformer, PythonPerformer, Stop
from graders.config.document import spots
from graders.errors import ConfigError, FailedError, Fault, OptionError
from graders.explanation import Explanation, RetiredModel
from graders.frame import check_names, rows_of, with_grades, with_items
from graders.grade import Grade
from graders.grading.performers import Performers, Setup, SharedPerformers
from graders.grading.runner import Graded, Runner
from graders.grading.source import package_hint, refuse_machine, seen_in
from graders.keyword import LoadKeywords, ScoreKeywords, refuse, take
from graders.models import JudgeOptions, JudgeStats, retirement
from graders.plain import plain
from graders.plan import Plan, build
from graders.reading import Reading
from graders.rows import Chunk, Layout, RowRange, blocks_of, columns_of, find_source, portions
from graders.sandbox import MissingImport, PythonOptions, Seen, Stats
from graders.shape import name_of_shape
from graders.tracing import trace_rows

__all__ = [
    "Explanation", "Grader", "JudgeOptions", "MaxFailures", "Progress", "PythonOptions", "Reading",
    "RetiredModel", "RowRange", "Run", "ScoreOptions", "SharedPerformers", "check_apart",
    "is_direct", "kept_note", "load", "merge_shards", "partial_of", "score_file",
]  # fmt: skip


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
        reading: how points are read that the hosted documents leave open.
        python: how python graders are run, or what performs them instead of the sandbox.
        judge: how model graders ask their models, or what performs them instead of the client.
        embed: what performs cosine instead of the client that `judge` describes.
        shared: the sandbox and the clients, where several graders share them; it does not go along
            to other processes, which start what `python` and `judge` say.

    Attributes:
        config: the typed config.
        plan: the config made executable.
    """

    def __init__(
        self,
        config: Any,
        *,
        reading: Reading | None = None,
        python: PythonPerformer | PythonOptions | None = None,
        judge: ChatPerformer | JudgeOptions | None = None,
        embed: EmbedPerformer | None = None,
        shared: SharedPerformers | None = None,
    ) -> None:
        loaded = config if isinstance(config, configs.Loaded) else configs.Loaded(config, "grader")
        self.config = loaded.config
        self.plan: Plan = build(loaded.config, reading)
        self._loaded = loaded
        self._python = PythonOptions() if python is None else python
        self._judge = JudgeOptions() if judge is None else judge
        self._embed = embed
        self._lives: dict[int, _Live] = {}
        if shared is not None:
            self._lives[os.getpid()] = _Live(Performers(self.plan, shared))

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was made, not as it is: another process, or a copy, starts sandboxes of its own.
        made = partial(
            Grader, reading=self.plan.reading, python=self._python, judge=self._judge,
            embed=self._embed,
        )  # fmt: skip
        return made, (self._loaded,)

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
            own = SharedPerformers(self._python, self._judge, self._embed, self.plan.image_tags)
            # Of threads one is first.
            live = self._lives.setdefault(process, _Live(Performers(self.plan, own)))
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
            return Setup(config=self.config, reading=self.plan.reading, python=python, judge=judge)
        return None

    @property
    def signatures(self) -> dict[str, str]:
        """How each score is made, by sub-grader: library versions, tokenizer, a panel's judges."""
        found = self._live.performers.signatures
        return {
            leaf.key or self.name: found[leaf.key] for leaf in self.plan.leaves if leaf.key in found
        }

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of model servers did so far: judges, then embeddings; [] unused."""
        return self._live.performers.shared.judge_stats

    def retired_models(self) -> list[RetiredModel]:
        """Return the models that the hosted service switches off, and when."""
        options = self._judge if isinstance(self._judge, JudgeOptions) else JudgeOptions()
        found = []
        for leaf in self.plan.leaves:
            for name in options.asked(leaf.model):
                model = options.model_map.get(name, name)
                if (day := retirement(model)) is not None:
                    found.append(RetiredModel(leaf.key, model, day))
        return found

    def check(self, stop: Stop | None = None) -> None:
        """Load every python source once, in the sandbox, without grading.

        Args:
            stop: set from another thread once nobody waits.

        Raises:
            ConfigError: a source has a syntax error, no `grade`, or one that does not take two
                arguments; its top level fails or takes too long.
            UnavailableError: this machine does not give the sandbox, or a limit of it is too low.
        """
        faults = []
        for leaf in self.plan.leaves:
            code = leaf.code
            if code is None:
                continue
            live = self._live
            # A sandbox loads many sources at once; of a performer that was given, nobody knows.
            with live.lock if self.setup is None else nullcontext():
                error = live.performers.shared.check(code.source, code.image_tag, stop=stop)
            if error is not None:
                refuse_machine(error)
                place = (*configs.place_of(self.config, leaf.key, self._loaded.place), "source")
                found = spots(self._loaded.text or "", [(place, None)])
                line, column = found.get((place, None), (None, None))
                text = error.message + package_hint(error, code.image_tag)
                text += f"\n{error.details}" if error.details else ""
                path = configs.json_path(place)
                faults.append(Fault(path, text, "python_grader_runtime_error", line, column))
        if faults:
            raise ConfigError(faults, source=self._loaded.name)

    def prepare(self) -> None:
        """Make ready to grade; UnavailableError where this machine lacks what that needs."""
        with self._running():
            pass

    def seen(self) -> dict[str, Seen]:
        """Return, by sub-grader key, what can be seen of python sources without running them."""
        return seen_in(self.plan, self._python)

    def notes(self) -> list[str]:
        """Return a sentence for what is not run, and for what a python source may hide."""
        left_out = self._loaded.left_out
        notes = [f"{configs.json_path(place)} is not run: {why}" for place, why in left_out]
        for key, one in self.seen().items():
            notes += one.notes(f"{key}: source" if key else "source")
        return notes

    def missing_imports(self) -> dict[str, list[MissingImport]]:
        """Return, by sub-grader key, the imports that a python grader's interpreter lacks."""
        return {key: list(one.missing) for key, one in self.seen().items() if one.missing}

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far: its level, calls, failures, slowest calls; None unused."""
        return self._live.performers.shared.python_stats

    def grade(self, item: Any = None, sample: Any = None, *, stop: Stop | None = None) -> Grade:
        """Return the grade of one row.

        Args:
            item: the row's item; templates and python graders see it as `item`. Values of numpy,
                pandas and the like become JSON's (`graders.plain`).
            sample: the model's output, in any of the shapes that `graders.shape` reads.
            stop: a `threading.Event`, set from another thread once nobody waits for the grade:
                python graders are killed at once, what is asked of servers is broken off.

        Returns:
            A Grade. A row that cannot be scored is a grade with failures, not an exception.

        Raises:
            UnavailableError: this machine lacks what the grader needs.
        """
        return self._one(item, sample, stop)[0]

    async def agrade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row without holding up the caller's event loop."""
        from graders.wire.loop import in_thread  # noqa: PLC0415  (it loads asyncio, as the caller has)

        return await in_thread(self.grade, item, sample)

    def grade_many(
        self, rows: Iterable[Mapping[str, Any]], *, chunk: int = 256, workers: int = 0,
        layout: Layout | None = None, stop: Stop | None = None,
    ) -> Iterator[Grade]:  # fmt: skip
        """Yield the grade of each row, in order.

        Args:
            rows: `{"item": ..., "sample": ...}` each; read in the caller's thread as the grades
                are taken, `chunk` rows ahead, with workers `chunk` times their number and two.
            chunk: how many rows are graded together.
            workers: worker processes; 0 for none. Rows that go there are JSON values. Models are
                asked from this process, and then several chunks overlap.
            layout: where in a row item and sample stand, where not under these keys.
            stop: as for `grade`; it does not go to worker processes.

        Raises:
            OptionError: a row is not a mapping, or, with workers, no JSON.
            UnavailableError: this machine lacks what the grader needs.
        """
        if chunk < 1 or workers < 0:
            raise OptionError(f"chunk is at least 1 and workers 0, got {chunk} and {workers}")
        layout = layout or Layout()
        if workers:
            live = self._live
            with live.lock:
                parallelism = Parallelism(live.performers, Job(self.setup, layout), workers)
                executors = parallelism.executors()
            with closing(in_order(blocks_of(portions(rows, chunk)), executors, held=0)) as flow:
                for _, scored in flow:
                    for results in read_results(BytesIO(scored.lines)):
                        yield from (one.grade(self.name, self.type) for one in results)
            return
        for start, portion in portions(rows, chunk):
            began, columns = time.time_ns(), columns_of(portion, layout, start)
            with self._running() as runner:
                graded = runner.grade(columns, stop)
            trace_rows(columns, graded, began)
            yield from (graded.grade(row) for row in range(len(portion)))

    def grade_frame(
        self,
        frame: Any,
        *,
        item: str = ".",
        sample: str = "sample",
        prefix: str = "",
        workers: int = 0,
    ) -> Any:
        """Return a frame with the grades of its rows as columns more.

        Args:
            frame: a pandas or polars DataFrame, a pyarrow Table, or a Hugging Face Dataset.
            item: where in a row the item stands, as `--item-path` says it; `.` for the whole row.
            sample: the same for the sample.
            prefix: what the names of the new columns begin with.
            workers: worker processes; 0 for none.

        Returns:
            A frame of the same kind with `reward`, for each sub-grader `reward_<key>`, and `failure`
            (null for a row that has a reward). A failed row's reward is missing, never 0.

        Raises:
            OptionError: it is no such frame, or has a column of such a name already.
            UnavailableError: this machine lacks what the grader needs.
        """
        keys = [leaf.key for leaf in self.plan.leaves if leaf.key]
        check_names(frame, keys, prefix)
        layout = Layout.parse(item, sample, says=("item=", "sample="))
        rows = with_items(rows_of(frame)) if layout.item[:1] == ("item",) else rows_of(frame)
        grades = list(self.grade_many(rows, workers=workers, layout=layout))
        return with_grades(frame, grades, keys, prefix)

    def explain(
        self, item: Any = None, sample: Any = None, *, stop: Stop | None = None
    ) -> Explanation:
        """Return the grade of one row and how it came about; arguments as for `grade`."""
        grade, graded = self._one(item, sample, stop)
        rendered = self.render(item, sample)
        return Explanation(
            grade,
            rendered,
            graded.printed(0),
            graded.said(0),
            graded.seconds,
            name_of_shape(sample),
            graded.judgements(0),
            {key: one.to_dict() for key, one in graded.panels(0).items()},
        )

    def render(self, item: Any = None, sample: Any = None) -> dict[str, dict[str, str]]:
        """Return one row's rendered text fields by sub-grader key; nothing is graded or asked."""
        return self.plan.render_row(plain(item), plain(sample))

    def to_dict(self) -> dict[str, Any]:
        """Return the config as the JSON object it came from."""
        return configs.dump(self.config)

    def close(self) -> None:
        """Stop the workers this grader has started. Used again, it starts new ones."""
        live = self._live
        with live.lock:
            live.performers.shared.close()
            live.idle = []  # Runners in use come back to the old list, and are gone with it.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Grader {self.name!r} ({self.type})>"

    def _one(self, item: Any, sample: Any, stop: Stop | None) -> tuple[Grade, Graded]:
        began, chunk = time.time_ns(), Chunk([plain(item)], [plain(sample)], [None])
        started = time.perf_counter()
        with self._running() as runner:
            graded = runner.grade(chunk, stop)
        trace_rows(chunk, graded, began)
        return graded.grade(0, time.perf_counter() - started), graded

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


def load(
    source: configs.Source,
    *,
    reading: Reading | None = None,
    python: str | os.PathLike[str] | PythonPerformer | PythonOptions | None = None,
    judge: ChatPerformer | JudgeOptions | None = None,
    embed: EmbedPerformer | None = None,
    **options: Unpack[LoadKeywords],
) -> Grader:
    """Return a grader from its JSON.

    Options are given whole, or each by its keyword, which stands in place of what the whole says:
    `load(grader, dialect="jinja2")` is `load(grader, reading=Reading(dialect="jinja2"))`.

    Args:
        source: a dict or list, JSON or YAML text, a path, or `-` for standard input; holding a
            grader, a `fine_tuning.jobs.create` body, a `graders.run` body, or an Evals
            `testing_criteria` list.
        reading: how points are read that the hosted documents leave open.
        python: how python graders are run; or the path of an interpreter they are run with, such
            as that of a virtual environment; or what performs them.
        judge: how model graders ask their models, or what performs them.
        embed: what performs cosine; None for the server that `judge` names.
        options: fields of `Reading` and `JudgeOptions`; of `PythonOptions` python_timeout,
            python_memory, python_disk, python_workers, isolation and sandbox.

    Raises:
        ConfigError: the source cannot be read or the config has faults; all are listed, each with
            its JSON path. Python sources are loaded once, in the sandbox, to find theirs.
        OptionError: an option has a value it cannot have.
        UnavailableError: there are python graders, and this machine gives no sandbox for them.
    """
    left: dict[str, Any] = {**options}
    if isinstance(python, str | os.PathLike):
        left["python"], python = python, None
    reading = take(reading, Reading, left)
    running, asking = take(python, PythonOptions, left), take(judge, JudgeOptions, left)
    refuse(left, "load", Reading, PythonOptions, JudgeOptions)
    loaded = configs.load_source(source, dialect=reading.dialect)
    grader = Grader(loaded, reading=reading, python=running, judge=asking, embed=embed)
    grader.check()
    return grader


Rows = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def score_file(
    grader: Grader,
    rows: Rows,
    output: str | os.PathLike[str],
    options: ScoreOptions | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **keywords: Unpack[ScoreKeywords],
) -> Run:
    """Score files of rows into a file of result lines; what `graders score` calls.

    The result lines are the same bytes whatever the number of workers, from a file or a stream,
    in one go or interrupted and resumed.

    Args:
        grader: grades.
        rows: the file of rows, or several, or patterns such as `data/*.jsonl.gz`; `-` for standard
            input. JSON Lines, also compressed (.gz, .zst), CSV, Parquet, or a dataset folder. Also
            addresses: `s3://`, `gs://`, `az://`, `hf://` (extra `remote`), `https://`.
        output: the file of results, which appears whole when all rows are done; `-` for
            standard output; or an address in object storage. A folder, or what is to be one where
            `shards` or `shard` is given, gets parts, which `graders merge` makes one file of.
        options: how rows are scored.
        on_progress: told how far the run is.
        keywords: fields of `ScoreOptions`, in place of what `options` says.

    Raises:
        RowsError: the rows cannot be read or the results cannot be written; another run is
            writing them; what was finished cannot be gone on with.
        OptionError: an option has a value it cannot have, or an interrupted run stands in the way.
        StoppedError: more rows failed than is allowed, or (BudgetError) the budget is used up;
            what was finished stands in `<output>.partial`, and `resume` goes on with it.
    """
    left: dict[str, Any] = {**keywords}
    options = take(options, ScoreOptions, left)
    refuse(left, "score_file", ScoreOptions)
    source = find_source([rows] if isinstance(rows, str | os.PathLike) else rows)
    live = grader._live  # noqa: SLF001  (the same module)
    with live.lock:
        return score_traced(
            source, output, live.performers, grader.setup, options,
            signatures=lambda: grader.signatures, on_progress=on_progress,
        )  # fmt: skip
