"""`/v1/rewards` and NeMo Gym's `/verify`: trainers ask for the rewards of graders that are served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from graders.errors import quoted, suggestion
from graders.server.form import FORMS, form_at, path_of
from graders.server.leaving import unless_gone
from graders.server.route.grader import answered
from graders.server.state import body_of, json_response, state_of
from graders.wire.error import ApiError

__all__ = ["answers", "list_rewards", "no_form", "seed_session", "verify"]


def answers(form: int) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a form."""

    async def answer(request: Request) -> Response:
        return await _reward(request, form, request.path_params["name"])

    return answer


async def verify(request: Request) -> Response:
    """Grade a sample of NeMo Gym's by the only grader that is served."""
    known = state_of(request).served
    if len(known) > 1:
        paths = ", ".join(f"/verify/{name}" for name in known)
        raise ApiError(404, f"several graders are served: ask {paths}", code="grader_not_found")
    return await _reward(request, form_at("verify"), next(iter(known), ""))


async def seed_session(request: Request) -> Response:
    """Answer NeMo Gym's agents, who announce each sample: nothing of it is kept."""
    await body_of(request)
    return json_response({})


async def list_rewards(request: Request) -> Response:
    """List the graders whose rewards can be asked for, and where."""
    data = [
        {
            "object": "grader",
            "id": name,
            "name": one.title,
            "type": one.type,
            "paths": {known.name: path_of(form, name) for form, known in enumerate(FORMS)},
        }
        for name, one in state_of(request).served.items()
    ]
    return json_response({"object": "list", "data": data})


async def no_form(request: Request) -> Response:
    """Say which forms there are."""
    forms = [one.name for one in FORMS if one.name != "verify"]
    given = request.path_params["form"]
    hint = suggestion(given, forms, "there are")
    raise ApiError(
        404, f"no trainer asks as {quoted(given)}; {hint}", param="form", code="unknown_url"
    )


async def _reward(request: Request, form: int, name: str) -> Response:
    state = state_of(request)
    known = state.served.get(name)
    if known is None:
        raise _unknown(name, list(state.served))
    asked = state.pool.reward(name, form, await body_of(request), asks=known.asks)
    # Who asks nobody is done before its client could be gone.
    return answered(request, await (unless_gone(request, asked) if known.asks else asked))


def _unknown(name: str, known: list[str]) -> ApiError:
    hint = suggestion(name, known, "there are") if known else ""
    says = f"no grader {quoted(name)} is served; {hint}"
    if not known:
        says = "no grader is served; start with graders serve --grader NAME=grader.json"
    return ApiError(404, says, param="name", code="grader_not_found")
