"""The application: which path goes where, and what stands and falls with it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Scope

from graders.errors import GradersError
from graders.jobs import Store
from graders.server.form import FORMS, path_of
from graders.server.guard import ROUTE, Guard, error_response
from graders.server.log import Log
from graders.server.meter import Meter
from graders.server.option import ServeOptions
from graders.server.pool import Pool
from graders.server.reward import served
from graders.server.route import eval as evals
from graders.server.route import file, grader, job, local, model, page, reward, upload, view
from graders.server.state import State
from graders.server.supervisor import Supervisor
from graders.server.trace import trace_of
from graders.server.upstream import Upstream
from graders.training.local import LocalModels
from graders.wire.error import ApiError

__all__ = ["PREFIXES", "create_app"]

PREFIXES = ("/v1", "/openai/v1", "/openai")
"""What API paths begin with: the hosted service's, and Azure's new and old."""

_GRADERS = "/fine_tuning/alpha/graders"
_JOBS = "/fine_tuning/jobs"
_RUNS = "/evals/{id}/runs"
_PERMISSIONS = "/fine_tuning/checkpoints/{checkpoint}/permissions"

_API: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("POST", f"{_GRADERS}/run", grader.run),
    ("POST", f"{_GRADERS}/validate", grader.validate),
    ("POST", "/files", file.create),
    ("GET", "/files", file.list_files),
    ("GET", "/files/{id}", file.retrieve),
    ("DELETE", "/files/{id}", file.delete),
    ("GET", "/files/{id}/content", file.content),
    ("POST", "/uploads", upload.create),
    ("POST", "/uploads/{id}/parts", upload.add_part),
    ("POST", "/uploads/{id}/complete", upload.complete),
    ("POST", "/uploads/{id}/cancel", upload.cancel),
    ("POST", _JOBS, job.create),
    ("GET", _JOBS, job.list_jobs),
    ("GET", f"{_JOBS}/{{id}}", job.retrieve),
    ("POST", f"{_JOBS}/{{id}}/cancel", job.cancel),
    ("POST", f"{_JOBS}/{{id}}/pause", job.pause),
    ("POST", f"{_JOBS}/{{id}}/resume", job.resume),
    ("GET", f"{_JOBS}/{{id}}/events", job.events),
    ("GET", f"{_JOBS}/{{id}}/checkpoints", job.checkpoints),
    ("POST", _PERMISSIONS, job.create_permissions),
    ("GET", _PERMISSIONS, job.list_permissions),
    ("DELETE", f"{_PERMISSIONS}/{{id}}", job.delete_permission),
    ("POST", "/evals", evals.create),
    ("GET", "/evals", evals.list_evals),
    ("GET", "/evals/{id}", evals.retrieve),
    ("POST", "/evals/{id}", evals.update),
    ("DELETE", "/evals/{id}", evals.delete),
    ("POST", _RUNS, evals.create_run),
    ("GET", _RUNS, evals.list_runs),
    ("GET", f"{_RUNS}/{{run}}", evals.retrieve_run),
    ("POST", f"{_RUNS}/{{run}}", evals.cancel_run),
    ("POST", f"{_RUNS}/{{run}}/cancel", evals.cancel_run),
    ("DELETE", f"{_RUNS}/{{run}}", evals.delete_run),
    ("GET", f"{_RUNS}/{{run}}/output_items", evals.list_items),
    ("GET", f"{_RUNS}/{{run}}/output_items/{{item}}", evals.retrieve_item),
)
_REWARDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    *(("POST", path_of(form, "{name}"), reward.answers(form)) for form in range(len(FORMS))),
    ("POST", "/verify", reward.verify),
    ("POST", "/seed_session", reward.seed_session),
    ("GET", "/v1/rewards", reward.list_rewards),
    ("POST", "/v1/rewards/{form}/{name}", reward.no_form),
)
"""What trainers ask for rewards; first of all, for they ask often."""

_RECORDED: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/chat/completions", model.list_chats),
    ("GET", "/chat/completions/{id}", model.retrieve_chat),
    ("POST", "/chat/completions/{id}", model.update_chat),
    ("DELETE", "/chat/completions/{id}", model.delete_chat),
    ("GET", "/chat/completions/{id}/messages", model.chat_messages),
    ("GET", "/responses/{id}", model.retrieve_response),
    ("DELETE", "/responses/{id}", model.delete_response),
    ("GET", "/responses/{id}/input_items", model.response_items),
)
"""What is there with --record: the model server's own API, which describes itself."""

_LOCAL: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/models", local.list_models),
    ("GET", "/models/{model:path}", local.retrieve_model),
    ("DELETE", "/models/{model:path}", local.delete_model),
    ("POST", "/chat/completions", model.chat),
    ("POST", "/deployments/{deployment}/chat/completions", model.chat),
    ("POST", "/completions", model.completion),
    ("POST", "/responses", model.response),
)
"""Models: with --train those of this machine, to be tried out; without it, the error says so."""

_OWN: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/", page.root),
    ("GET", "/favicon.ico", page.icon),
    ("GET", "/healthz", page.health),
    ("GET", "/readyz", page.ready),
    ("GET", "/metrics", page.metrics),
    ("GET", "/openapi.json", page.openapi),
    ("GET", "/playground/info", page.info),
    ("POST", "/playground/run", grader.explain),
    ("POST", "/playground/lint", grader.lint),
    ("POST", "/playground/rows", grader.rows),
    ("POST", "/playground/figures", grader.figures),
    ("GET", "/playground/schema", page.config_schema),
    ("GET", "/playground/evals", view.evals),
    ("GET", "/playground/evals/{id}", view.runs),
    ("GET", f"/playground{_RUNS}/{{run}}", view.sheet),
    ("GET", f"/playground{_RUNS}/{{run}}/rows", view.rows),
    ("GET", f"{_RUNS}/{{run}}", view.report),
)


def create_app(options: ServeOptions, log: Log | None = None) -> ASGIApp:
    """Return the application. Its processes start and end with its lifespan.

    Args:
        options: how the server is run.
        log: writes down; None for standard error.

    Raises:
        GradersError: the data folder cannot be used.
    """
    log = log or Log(texts=options.log_texts, form=options.log_form)
    store = Store(options.data_dir, options.limits.stored_bytes)
    if store.warning is not None:
        log.write("store", "warning", message=store.warning)
    graders = served(options.graders, options.reading)
    pool = Pool(options)
    meter = Meter(lambda: pool.waiting, lambda: pool.restarts)
    trace = trace_of(log)
    supervisor = Supervisor(store, options, log)
    upstream = Upstream.of_all(options, store, log) if options.record else None
    elsewhere = Upstream.by_model(options, store, log)
    models = None if options.training is None else LocalModels(options.training, store)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.shared = State(
            options, store, pool, meter, log, supervisor.wake, graders, upstream, models, elsewhere
        )
        await pool.start()
        async with supervisor:
            yield
        for one in (*([upstream] if upstream is not None else ()), *elsewhere.values()):
            await one.close()
        if models is not None:
            await models.close()
        await pool.close()
        store.close()
        if trace is not None:
            await run_in_threadpool(trace.close, log)

    app = Starlette(
        routes=_routes(record=options.record),
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _http_error,
            GradersError: _graders_error,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, options, meter, log, trace)


class _Route(Route):
    """Notes its path for the log and the counters; not every Starlette does."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, {**found, ROUTE: self.path}


def _routes(*, record: bool) -> list[BaseRoute]:
    routes: list[BaseRoute] = [_Route(path, call, methods=[way]) for way, path, call in _REWARDS]
    prefixed = (*_API, *_LOCAL, *(_RECORDED if record else ()))
    for prefix in PREFIXES:
        routes += [_Route(prefix + path, call, methods=[method]) for method, path, call in prefixed]
    return routes + [_Route(path, call, methods=[method]) for method, path, call in _OWN]


async def _graders_error(_: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return error_response(error)
    return error_response(ApiError(500, str(error), type="server_error", code="internal_error"))


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path, method = request.url.path[:200], request.method[:20]
    if status == 405:
        allowed = sorted(
            {
                one
                for route in request.app.routes
                if route.path_regex.match(request.url.path)
                for one in route.methods - {"HEAD"}
            }
        )
        response = error_response(
            ApiError(
                405, f"{path} takes {' or '.join(allowed)}, not {method}", code="method_not_allowed"
            )
        )
        response.headers["allow"] = ", ".join(allowed)
        return response
    if status == 404:
        return error_response(
            ApiError(404, f"there is nothing at {method} {path}", code="unknown_url")
        )
    return error_response(ApiError(status, "the request cannot be answered"))
