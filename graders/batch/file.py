"""Files of rows scored into a file of result lines: source, executors, output and manifest put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from graders.batch.earlier import Earlier
from graders.batch.elsewhere import RemoteOutput
from graders.batch.executor import Job
from graders.batch.manifest import describe
from graders.batch.option import ScoreOptions
from graders.batch.output import FileOutput, StreamOutput, check_apart, is_direct
from graders.batch.parallelism import Parallelism
from graders.batch.run import Limit, MaxFailures, Progress, Run, run
from graders.batch.score import OnError
from graders.batch.shard import score_shards
from graders.batch.spending import books
from graders.errors import OptionError
from graders.grading.performers import Performers, Setup
from graders.metrics import native_core
from graders.remote import Place
from graders.rows import Source, Watch
from graders.tracing import Rule

__all__ = ["score_parts", "score_source"]


def score_parts(
    source: Source,
    folder: Place,
    performers: Performers,
    setup: Setup | None,
    options: ScoreOptions,
    *,
    signatures: Callable[[], Mapping[str, str]],
    on_progress: Callable[[Progress], None] | None = None,
    rule: Rule | None = None,
) -> Run:
    """Score the rows of a source to parts in a folder; arguments and errors as of `score_source`."""

    def score(
        rows: Source, target: Place, part: ScoreOptions, inputs: Sequence[Mapping[str, Any]] | None
    ) -> Run:
        return score_source(
            rows, target, performers, setup, part,
            signatures=signatures, on_progress=on_progress, inputs=inputs, rule=rule,
        )  # fmt: skip

    marks = {leaf.key: leaf.passes_at for leaf in performers.plan.leaves}
    return score_shards(source, folder, options, score, marks)


def score_source(
    source: Source,
    target: Place,
    performers: Performers,
    setup: Setup | None,
    options: ScoreOptions,
    *,
    signatures: Callable[[], Mapping[str, str]],
    on_progress: Callable[[Progress], None] | None = None,
    inputs: Sequence[Mapping[str, Any]] | None = None,
    rule: Rule | None = None,
) -> Run:
    """Score every row of a source to an output.

    Args:
        source: the rows.
        target: the file of results, a place elsewhere, or `-`.
        performers: of this process.
        setup: what other processes make theirs from; None where none can.
        options: how rows are scored.
        signatures: tells how each metric is made; asked where a manifest is written.
        on_progress: told how far the run is.
        inputs: what tells the rows from others, where that is known.
        rule: which rows have a span in a trace; None for none.

    Raises:
        RowsError, OptionError, StoppedError: as `graders.score_file`.
    """
    source = replace(source, watch=Watch())
    check_apart(source.paths, target)
    written: OnError = "zero" if options.on_error == "zero" else "null"
    job = Job(setup, options.layout, written, options.keep_judgements, rule)
    marks = {leaf.key: leaf.passes_at for leaf in performers.plan.leaves}
    with ExitStack() as stack:
        parallelism = Parallelism(
            performers, job, options.workers, source.size, options.engine, options.ray_address,
            options.ray_wait,
        )  # fmt: skip
        begun = parallelism.begun()
        for executor in begun:
            stack.callback(executor.close)
        earlier = _earlier(options, target, marks, stack)
        direct = isinstance(target, Path) and is_direct(target)
        known = list(inputs or ())
        if direct or inputs is not None:
            source.note()
        else:
            known = [*source.identity()]
        if isinstance(target, Path) and direct:
            place: FileOutput | StreamOutput = _stream(options, target)
        else:
            manifest = _manifest(performers, job, options, signatures(), known, earlier)
            place = _lasting(options, target, manifest, marks, earlier)
        with place, books(performers, setup, options, place) as ledger:
            return run(
                source, place, parallelism, lambda: begun or parallelism.executors(), rows=options.rows,
                earlier=earlier, limit=_limit(options, known), on_progress=on_progress,
                check=lambda: source.check_unchanged(known), ledger=ledger,
            )  # fmt: skip


def _earlier(
    options: ScoreOptions, target: Place, marks: Mapping[str, float | None], stack: ExitStack
) -> Earlier | None:
    if options.only_failed is None:
        return None
    earlier = Earlier(options.only_failed, marks)
    stack.callback(earlier.close)
    if not earlier.stands_at(target):  # In place is what many want.
        check_apart([earlier.place], target)
    return earlier


def _stream(options: ScoreOptions, target: Path) -> StreamOutput:
    if options.resume:
        raise OptionError(f"{target} is a stream; only results in a file can be resumed")
    if options.keep_judgements:
        raise OptionError(f"{target} is a stream; judgements are kept beside results in a file")
    return StreamOutput(target)


def _lasting(
    options: ScoreOptions, target: Place, manifest: dict[str, Any],
    marks: Mapping[str, float | None], earlier: Earlier | None,
) -> FileOutput:  # fmt: skip
    output: Any = FileOutput if isinstance(target, Path) else RemoteOutput
    made: FileOutput = output(
        target, manifest, resume=options.resume, restart=options.restart, marks=marks,
        first=options.rows.start if earlier is None else None,
        judgements=options.keep_judgements, earlier=None if earlier is None else earlier.path,
    )  # fmt: skip
    return made


def _limit(options: ScoreOptions, inputs: Sequence[Mapping[str, Any]]) -> Limit:
    most = options.rows.most(inputs)
    part = options.where is not None or options.limit is not None  # Who asks for some may get none.
    least = 0 if options.allow_empty or part else 1
    return Limit(options.max_failures or MaxFailures(), most, options.on_error == "raise", least)


def _manifest(  # noqa: PLR0917
    performers: Performers, job: Job, options: ScoreOptions, signatures: Mapping[str, str],
    inputs: Sequence[Mapping[str, Any]], earlier: Earlier | None,
) -> dict[str, Any]:  # fmt: skip
    manifest = describe(
        performers.plan, setup=job.setup, signatures=signatures, layout=job.layout,
        rows=options.rows, on_error=job.on_error, inputs=inputs, judgements=job.keep,
    )  # fmt: skip
    if signatures:  # Told, and no difference between two runs: the numbers are the same.
        manifest["native"] = native_core().to_dict()
    if earlier is not None:
        earlier.check(manifest)
        manifest["only_failed"] = earlier.identity()
    return manifest
