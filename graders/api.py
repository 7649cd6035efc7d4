"""The waist: everything above speaks to graders through `load` and `Grader`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from graders import config as configs
from graders.calls import ChatPerformer, EmbedPerformer, PythonError, PythonPerformer
from graders.chat import JudgeOptions, JudgeStats, retirement
from graders.choices import Choices
from graders.engine.runner import Runner, is_cosine
from graders.engine.score import MaxFailures, open_output, open_rows, partial_of, score_stream
from graders.engine.tally import Tally
from graders.errors import ConfigError, Fault, OptionError, RowsError
from graders.grade import Grade
from graders.metrics.signature import signature
from graders.plan import Plan, build
from graders.rows import Chunk, Layout, add_row
from graders.sandbox import (
    Isolation,
    Level,
    Limits,
    MissingImport,
    PythonSandbox,
    Stats,
    imports_missing,
)
from graders.sandbox.image import IMAGES
from graders.sandbox.image import interpreter as image_interpreter
from graders.template import Dialect, Rendering, ToolArguments

if TYPE_CHECKING:
    from graders.chat.client import ChatClient
    from graders.embed.client import EmbedClient

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonOptions:
    """How python graders are run. The limits are the hosted service's.

    Attributes:
        timeout: seconds one call may take.
        memory: bytes of memory one call may use.
        disk: bytes one call may write to its scratch folder.
        isolation: what rows share: `module` a process but no globals, `row` nothing, `shared`
            globals too; `auto` is `row` for a source that can execute text, else `module`.
        level: how workers are confined; None for the default of this machine, which is never
            below `standard`. Lower ones must be asked for by name; see `graders doctor`.
        workers: at most so many worker processes; None for the number of cores.
        interpreter: the python to run graders with; None for the image that a config's image_tag
            names, if it was built, else this environment.
    """

    timeout: float = 120.0
    memory: int = 2 << 30
    disk: int = 1 << 30
    isolation: Isolation = "auto"
    level: Level | None = None
    workers: int | None = None
    interpreter: Path | None = None


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


class Grader:
    """A grader ready to grade. Use `graders.load` to make one.

    The same row gives the same grade, alone or among others, in any order. Calls from several
    threads wait for each other.

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
        self._sandbox: PythonSandbox | None = None
        self._judge = JudgeOptions() if judge is None else judge
        self._embed = embed
        self._chat: ChatClient | None = None
        self._embedder: EmbedClient | None = None
        self._runner: Runner | None = None
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """The grader's name."""
        return self.plan.name

    @property
    def type(self) -> str:
        """The grader's type, as in the JSON; `testing_criteria` for several criteria."""
        return self.plan.type

    @property
    def signatures(self) -> dict[str, str]:
        """How each text metric is made, by sub-grader: library versions, tokenizer, stemmer."""
        return {
            leaf.key or self.name: signature(
                leaf.config.evaluation_metric, self.plan.choices.metric_options
            )
            if not is_cosine(leaf)
            else f"cosine|{self._embed_performer().signature}"
            for leaf in self.plan.leaves
            if isinstance(leaf.config, configs.TextSimilarity)
        }

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of model servers did so far: judges, then embeddings; [] unused."""
        return [one.stats for one in (self._chat, self._embedder) if one is not None]

    def retired_models(self) -> list[RetiredModel]:
        """Return the models that the hosted service switches off, and when."""
        options = self._judge if isinstance(self._judge, JudgeOptions) else JudgeOptions()
        found = []
        for leaf in self.plan.leaves:
            if isinstance(leaf.config, configs.ScoreModel | configs.LabelModel):
                model = options.model_map.get(leaf.config.model, leaf.config.model)
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
            if not isinstance(leaf.config, configs.Python):
                continue
            with self._lock:
                error = self._performer().check(leaf.config.source, leaf.config.image_tag)
            if error is not None:
                place = configs.place_of(self.config, leaf.key, self._loaded.place)
                text = error.message + _package_hint(error, leaf.config.image_tag)
                text += f"\n{error.details}" if error.details else ""
                path = configs.json_path((*place, "source"))
                faults.append(Fault(path, text, "python_grader_runtime_error"))
        if faults:
            raise ConfigError(faults, source=self._loaded.name)

    def missing_imports(self) -> dict[str, list[MissingImport]]:
        """Return, by sub-grader key, the imports that a python grader's interpreter lacks."""
        found = {}
        for leaf in self.plan.leaves:
            if isinstance(leaf.config, configs.Python) and isinstance(self._python, PythonOptions):
                tag = leaf.config.image_tag or ""
                interpreter = _interpreters([tag], self._python.interpreter).get(tag)
                if missing := imports_missing(leaf.config.source, interpreter):
                    found[leaf.key] = missing
        return found

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far: its level, calls, failures, slowest calls; None unused."""
        return self._sandbox.stats if self._sandbox is not None else None

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
        with self._lock:
            graded = self._ready().grade(Chunk([item], [sample], [None]))
        return graded.grade(0, time.perf_counter() - started)

    async def agrade(self, item: Any = None, sample: Any = None) -> Grade:
        """Return the grade of one row without holding up the caller's event loop."""
        import asyncio  # noqa: PLC0415  (whoever calls this has loaded it; others need not)

        return await asyncio.to_thread(self.grade, item, sample)

    def grade_many(self, rows: Iterable[Mapping[str, Any]], *, chunk: int = 256) -> Iterator[Grade]:
        """Yield the grade of each row, in order.

        Args:
            rows: `{"item": ..., "sample": ...}` each; read as the grades are taken, at most
                `chunk` rows ahead.
            chunk: how many rows are graded together.

        Raises:
            OptionError: a row is not a mapping.
            UnavailableError: this machine lacks what the grader needs.
        """
        if chunk < 1:
            raise OptionError(f"chunk is at least 1, got {chunk}")
        pending, layout, index = iter(rows), Layout(), 0
        while batch := list(islice(pending, chunk)):
            columns = Chunk(index=index)
            for row in batch:
                if not isinstance(row, Mapping):
                    raise OptionError(
                        f"row {index + len(columns.items)} is a {type(row).__name__}; rows are "
                        'mappings {"item": ..., "sample": ...}'
                    )
                add_row(columns, row, layout)
            with self._lock:
                graded = self._ready().grade(columns)
            yield from (graded.grade(row) for row in range(len(batch)))
            index += len(batch)

    def explain(self, item: Any = None, sample: Any = None) -> Explanation:
        """Return the grade of one row and how it came about; arguments as for `grade`."""
        started = time.perf_counter()
        with self._lock:
            runner = self._ready()
            graded = runner.grade(Chunk([item], [sample], [None]))
            grade = graded.grade(0, time.perf_counter() - started)
            return Explanation(
                grade, runner.render(item, sample), graded.printed(0), graded.said(0)
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the config as the JSON object it came from."""
        return configs.dump(self.config)

    def close(self) -> None:
        """Stop the workers this grader has started. Used again, it starts new ones."""
        with self._lock:
            if self._sandbox is not None:
                self._sandbox.close()
            for client in (self._chat, self._embedder):
                if client is not None:
                    client.close()
            self._sandbox, self._runner, self._chat, self._embedder = None, None, None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Grader {self.name!r} ({self.type})>"

    def _ready(self) -> Runner:
        if self._runner is None:
            kinds = {type(leaf.config) for leaf in self.plan.leaves}
            judges = {configs.ScoreModel, configs.LabelModel}
            judge = self._judge
            self._runner = Runner(
                self.plan,
                self._performer() if configs.Python in kinds else None,
                chat=self._chat_performer() if kinds & judges else None,
                embed=self._embed_performer() if any(map(is_cosine, self.plan.leaves)) else None,
                repeats=judge.repeats if isinstance(judge, JudgeOptions) else 1,
                width=judge.concurrency
                if isinstance(judge, JudgeOptions) and kinds & judges
                else 0,
            )
        return self._runner

    def _chat_performer(self) -> ChatPerformer:
        if not isinstance(self._judge, JudgeOptions):
            return self._judge
        if self._chat is None:
            from graders.chat.client import ChatClient  # noqa: PLC0415  (asyncio, SQLite)

            self._chat = ChatClient(self._judge)
        return self._chat

    def _embed_performer(self) -> EmbedPerformer:
        if self._embed is not None:
            return self._embed
        if self._embedder is None:
            from graders.embed.client import EmbedClient  # noqa: PLC0415  (asyncio, SQLite)

            judge = self._judge
            self._embedder = EmbedClient(judge if isinstance(judge, JudgeOptions) else None)
        return self._embedder

    def _performer(self) -> PythonPerformer:
        options = self._python
        if not isinstance(options, PythonOptions):
            return options
        if self._sandbox is None:
            tags = {
                leaf.config.image_tag or ""
                for leaf in self.plan.leaves
                if isinstance(leaf.config, configs.Python)
            }
            self._sandbox = PythonSandbox(
                level=options.level,
                limits=Limits(
                    call_seconds=options.timeout,
                    load_seconds=max(options.timeout, 1.0),
                    memory_bytes=options.memory,
                    disk_bytes=options.disk,
                ),
                isolation=options.isolation,
                workers=options.workers or os.cpu_count() or 1,
                interpreters=_interpreters(tags, options.interpreter),
            )
        return self._sandbox


def _package_hint(error: PythonError, tag: str | None) -> str:
    if not error.message.startswith("ModuleNotFoundError"):
        return ""
    if tag is not None and tag in IMAGES and image_interpreter(tag) is None:
        return f"; `graders image build {tag}` makes its image, --python names another interpreter"
    return "; --python names the interpreter of an environment that has it"


def _interpreters(tags: Iterable[str], chosen: Path | None) -> dict[str, Path]:
    """Return the interpreter for each image_tag that does not run in this environment."""
    if chosen is not None:
        return dict.fromkeys(tags, chosen)
    built = {tag: image_interpreter(tag) for tag in tags if tag}
    return {tag: path for tag, path in built.items() if path is not None}


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


def _check_apart(rows: Path, output: Path) -> None:
    """Refuse to write over the rows."""
    if "-" in (str(rows), str(output)):
        return
    for place in (output, partial_of(output)):
        if place.is_file() and rows.exists() and place.samefile(rows):
            raise RowsError(f"{output} holds the rows; results would replace them")


def score_file(
    grader: Grader,
    rows: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    item_path: str = "item",
    sample_path: str = "sample",
    max_failures: MaxFailures | None = None,
    on_block: Callable[[Tally, int], None] | None = None,
) -> Tally:
    """Score a file of JSON Lines into a file of result lines; what `graders score` calls.

    Args:
        grader: grades.
        rows: the file of rows, `-` for standard input.
        output: the file of results, which appears whole when all rows are done; `-` for
            standard output.
        item_path: where in a row the item stands; `.` for the whole row.
        sample_path: the same for the sample.
        max_failures: stop when more rows than this have failed.
        on_block: told the tally so far and the bytes of input done.

    Raises:
        RowsError: the rows cannot be read or the results cannot be written.
        StoppedError: more rows failed than `max_failures` allows; what was finished stands in
            `<output>.partial`.
    """
    layout = Layout.parse(item_path, sample_path)
    _check_apart(Path(rows), Path(output))
    with (
        grader._lock,  # noqa: SLF001  (the same module)
        open_rows(Path(rows)) as stream,
        open_output(Path(output)) as sink,
    ):
        runner = grader._ready()  # noqa: SLF001
        return score_stream(
            runner, stream, sink, layout, max_failures=max_failures, on_block=on_block
        )
