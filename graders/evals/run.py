"""Running a run of an eval from wherever it is: answers asked for, rows graded, verdicts kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.errors import GradersError, OptionError
from graders.evals.answer import read_answer, shown_sample
from graders.evals.journal import Finished, Journal, RunStoppedError
from graders.evals.prompt import PromptError, Prompts, sampling_of
from graders.evals.request import criteria_of
from graders.evals.rows import RowSource, RunError, open_rows
from graders.evals.store import FINISHED, EvalStore
from graders.evals.verdict import Criterion, criteria, results, status_of
from graders.explanation import Explanation
from graders.jobs import RunOptions, Store
from graders.models import RolloutOptions
from graders.models.rollout import Rollout, Sampler
from graders.tracing import WorkTrace, work_trace
from graders.training import TrainRun
from graders.training.local import LocalModels
from graders.training.local_sampler import LocalSampler
from graders.wire.endpoint import LOCAL
from graders.wire.error import conflict

__all__ = ["EvalProgress", "asked_of", "fail_run", "run_eval"]

_CHUNK: Final = 64
_INDEX: Final = "graders.row.index"


@dataclass(frozen=True, slots=True)
class EvalProgress:
    """How far a run is.

    Attributes:
        status: the run's.
        done: rows that are done.
        total: how many there are; 0 where that is not known yet.
    """

    status: str
    done: int = 0
    total: int = 0


def run_eval(
    evals: EvalStore,
    name: str,
    options: RunOptions | None = None,
    on_progress: Callable[[EvalProgress], None] | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    claimed: int | None = None,
) -> dict[str, Any]:
    """Run a run until it is finished or somebody stops it, and return its object.

    Args:
        evals: where the run is.
        name: its id.
        options: how it is run.
        on_progress: told how far it is.
        stopping: whether this process is to end; the run stays as it is then, to be gone on with.
        claimed: a descriptor that holds the right to run it, from the process that started this.

    Raises:
        ApiError: there is no such run (404), another process runs it (409), or the store cannot be
            used (503, 507).
    """
    of = evals.eval_of(name)
    with evals.claim(name, inherited=claimed) as claim:
        if not claim.held:
            raise conflict(f"the run {name} is run by another process", code="job_is_run")
        if evals.get_run(of, name)["status"] not in FINISHED:
            journal = Journal(evals.store.database, name, stopping)
            told = {"graders.eval.id": of, "graders.eval.run.id": name}
            with work_trace("graders.eval.run", told, journal.row()["traceparent"] or "") as trace:
                tell = on_progress or (lambda _: None)
                _run(evals, journal, options or RunOptions(), tell, trace)
                trace.finish(_came_to(evals.get_run(of, name)))
        run = evals.get_run(of, name)
        claim.release(finished=run["status"] in FINISHED)
    return run


def fail_run(evals: EvalStore, name: str, code: str, message: str) -> None:
    """Let a run fail that cannot be run the way this process runs them."""
    with evals.claim(name) as claim:
        if claim.held:
            with suppress(RunStoppedError):
                Journal(evals.store.database, name).fail(code, message)


def _came_to(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trace is told of a run: its state, and how its items ended."""
    counts = {f"graders.items.{name}": count for name, count in run["result_counts"].items()}
    return {"graders.status": run["status"], "gen_ai.request.model": run.get("model"), **counts}


def _run(
    evals: EvalStore, journal: Journal, options: RunOptions, tell: Callable[[EvalProgress], None],
    trace: WorkTrace,
) -> None:  # fmt: skip
    with suppress(RunStoppedError):
        try:
            with ExitStack() as stack:
                _Run(evals, journal, options, tell, stack, trace=trace).run()
            journal.finish()
        except RunError as error:
            journal.fail(error.code, str(error))
        except GradersError as error:
            if getattr(error, "status", None) is not None:  # The store's own: another try may do.
                raise
            journal.fail("grader_unavailable", str(error))


class _Run:
    """One run, from wherever it is."""

    def __init__(
        self, evals: EvalStore, journal: Journal, options: RunOptions,
        tell: Callable[[EvalProgress], None], stack: ExitStack, *, trace: WorkTrace,
    ) -> None:  # fmt: skip
        row = journal.row()
        self._trace = trace
        self._journal = journal
        self._tell = tell
        self._source: dict[str, Any] = jsontext.decode(row["source"])
        journal.check()
        loaded, config = criteria_of(jsontext.decode(row["criteria"]))
        self._criteria = criteria(config, jsontext.decode(row["criteria"]))
        self._grader = Grader(
            replace(loaded, config=config), reading=options.reading, python=options.python,
            judge=options.judge,
        )  # fmt: skip
        stack.callback(self._grader.close)
        store = evals.store
        self._rows: RowSource = open_rows(
            store.database, store.folder / "files", self._source["source"], journal.file(),
            row["stored_until"],
        )  # fmt: skip
        stack.callback(self._rows.close)
        self._model: str | None = row["model"]
        self._sampling = sampling_of(self._source)
        self._prompts: Prompts | None = None
        if self._model is not None:
            self._prompts = Prompts(self._source)
            self._sampler = _sampler(options, self._model, evals.store)
            stack.callback(self._sampler.close)
        self._answered = False
        self._ahead = stack.enter_context(ThreadPoolExecutor(1, "graders-answers"))
        self._stack = stack

    def run(self) -> None:
        """Go through the rows that are left.

        Raises:
            RunStoppedError: somebody has canceled it.
            RunError: the rows are not what they were, or the model is gone.
        """
        self._grader.check()
        total, done = len(self._rows), 0
        chunks = [range(at, min(at + _CHUNK, total)) for at in range(0, total, _CHUNK)]
        # The model answers the next rows while these are graded.
        waiting = self._ahead.submit(self._answers, chunks[0]) if chunks else None
        for number, rows in enumerate(chunks):
            self._journal.check()
            self._tell(EvalProgress("in_progress", done, total))
            answers = waiting.result() if waiting is not None else {}
            if number + 1 < len(chunks):
                waiting = self._ahead.submit(self._answers, chunks[number + 1])
            known = self._journal.done(rows)
            self._grade([place for place in rows if place not in known], answers)
            done += len(rows)
        self._tell(EvalProgress("in_progress", done, total))

    def _answers(self, rows: range) -> dict[int, Rollout]:
        """Return the model's answers to rows that are not done; those not there yet are asked for."""
        if self._prompts is None:
            return {}
        done = self._journal.done(rows)
        wanted = [place for place in rows if place not in done]
        known = self._journal.answers(wanted)
        asks = []
        for place in wanted:
            if place not in known:
                try:
                    asks.append(self._prompts.ask(place, self._rows.row(place)[0]))
                except PromptError as error:
                    known[place] = Rollout(None, "invalid_variable_error", str(error))
        lost: dict[int, Rollout] = {}

        def keep(key: tuple[int, ...], answer: Rollout) -> None:
            known[key[0]] = answer
            if answer.lost:
                lost[key[0]] = answer
            else:
                self._journal.keep_answer(key[0], answer)
            if isinstance(self._sampler, LocalSampler):  # A chunk of its answers may take long.
                self._journal.check()

        self._sampler.sample(asks, keep)
        if lost and len(lost) == len(asks):
            # Nobody is there: the rows that are left would all end the same.
            raise RunError("model_unreachable", next(iter(lost.values())).message)
        return known

    def _grade(self, places: Sequence[int], answers: Mapping[int, Rollout]) -> None:
        ready: list[tuple[int, Any, Any]] = []
        failed: list[Finished] = []
        for place in places:
            item, sample = self._rows.row(place)
            answer = answers.get(place)
            if answer is not None and answer.sample is None:
                failed.append(self._unanswered(place, item, answer))
            else:
                ready.append((place, item, sample if answer is None else answer.sample))
        self._journal.keep(failed)
        if self._grader.plan.asks_servers:
            self._grade_each(ready, answers)
        elif ready:
            pairs = [{"item": item, "sample": sample} for _, item, sample in ready]
            with self._trace.rows(lambda: [{_INDEX: place} for place, _, _ in ready]):
                grades = list(self._grader.grade_many(pairs, chunk=_CHUNK))
            self._journal.keep(
                [
                    self._finished(*one, Explanation(grade, {}, {}), answers.get(one[0]))
                    for one, grade in zip(ready, grades, strict=True)
                ]
            )

    def _grade_each(
        self, ready: Sequence[tuple[int, Any, Any]], answers: Mapping[int, Rollout]
    ) -> None:
        """Grade side by side, and write each row down as it comes: judges are paid for."""

        def grade(place: int, item: Any, sample: Any) -> Finished:
            with self._trace.rows(lambda: [{_INDEX: place}]):
                found = self._grader.explain(item, sample)
            return self._finished(place, item, sample, found, answers.get(place))

        with ThreadPoolExecutor(_CHUNK, "graders-run") as threads:
            waiting = [threads.submit(grade, *one) for one in ready]
            try:
                for done in as_completed(waiting):
                    self._journal.keep([done.result()])
            except BaseException:
                for one in waiting:
                    one.cancel()
                self._grader.close()  # Else its threads would wait for their judges.
                raise

    def _finished(
        self, place: int, item: Any, sample: Any, found: Explanation, answer: Rollout | None
    ) -> Finished:
        judged = results(self._criteria, found, item, sample)
        spoken = [] if self._prompts is None else self._spoken(place, item)
        usage = {} if answer is None else answer.usage
        shown = shown_sample(
            sample, spoken=spoken, sampling=self._sampling, model=self._model, usage=usage
        )
        body = {"item": item, "results": judged, "sample": shown}
        used = _used(self._criteria, found)
        if self._model is not None:
            _add(used, self._model, 1, usage)
        return Finished(place, status_of(judged), body, used)

    def _unanswered(self, place: int, item: Any, answer: Rollout) -> Finished:
        """Return a row that the model has not answered: no criterion has graded it."""
        error = {"code": answer.code, "message": answer.message}
        spoken = [] if answer.code == "invalid_variable_error" else self._spoken(place, item)
        shown = shown_sample(
            None, spoken=spoken, sampling=self._sampling, model=self._model, usage=answer.usage,
            error=error,
        )  # fmt: skip
        used: dict[str, list[int]] = {}
        _add(used, str(self._model), 1, answer.usage)
        return Finished(place, "error", {"item": item, "results": [], "sample": shown}, used)

    def _spoken(self, place: int, item: Any) -> list[Any]:
        if self._prompts is None:
            return []
        body = self._prompts.ask(place, item).body
        return list(body.get("messages", body.get("input", ())))


def _used(criteria_: Sequence[Criterion], found: Explanation) -> dict[str, list[int]]:
    """Return what judges used for a row, by model: calls and tokens."""
    model_of = {one.key: one.model for one in criteria_}
    calls = Counter(model_of.get(key) for key, said in found.said.items() for _ in said)
    return {
        model: [
            calls.get(model, 1),
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
        ]
        for model, usage in found.grade.usage.items()
    }


def _add(used: dict[str, list[int]], model: str, calls: int, usage: Mapping[str, int]) -> None:
    names = ("prompt_tokens", "completion_tokens", "cached_tokens")
    more = [calls, *(usage.get(name, 0) for name in names)]
    used[model] = [one + other for one, other in zip(used.get(model, [0] * 4), more, strict=True)]


def _sampler(options: RunOptions, model: str, store: Store) -> Sampler | LocalSampler:
    """Return what asks a run's model: a model of this machine where one has its name, else a server.

    Raises:
        RunError: there is no server that could be asked, or no key for it.
    """
    if isinstance(options, TrainRun):
        url = options.training.urls.get(model)
        models = LocalModels(options.training, store)
        if url is not None:
            served = replace(options.rollout, url=url, model=None, api_key_file=None)
            options = replace(options, rollout=served, judge=replace(options.judge, model_map={}))
        elif models.knows(model):
            return LocalSampler(models, model, read_answer)
    try:
        return Sampler(*asked_of(options, model), read_answer)
    except GradersError as error:
        raise RunError("model_unavailable", str(error)) from None


def asked_of(options: RunOptions, model: str) -> tuple[RolloutOptions, str]:
    """Return where a model is asked, and as what: where rollouts come from, else where judges are.

    Raises:
        OptionError: judges are asked in this process, where there is no model to ask.
    """
    rollout, judge = options.rollout, options.judge
    if rollout.url is None:
        if judge.base_url == LOCAL:
            raise OptionError(
                f"the run asks {model} for answers, and the small local judge gives none: name the "
                "server that has it by --rollout-url"
            )
        rollout = replace(
            rollout, url=judge.base_url, api_key_file=judge.api_key_file, auth=judge.auth
        )
    return rollout, judge.model_map.get(model, model)
