"""The playground and its server: lost, guarded, slow, odd; and its jobs, in a real browser."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import pytest

from tests.server.process import Serving
from tests.server.visit import CHECK, REWARD, Visit
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.browser


def test_a_server_that_dies_is_said_and_one_that_comes_back_is_used(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    mortal = start()
    page = visit(of=mortal)
    page.expected = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
    page.start("string_check")
    page.run()
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="no jobs yet").wait_for()
    mortal.stop(signal.SIGKILL)
    page.page.locator(".notice.bad", has_text="The server cannot be reached").wait_for()
    page.page.click("#tab-play")
    page.page.click("#run")
    page.page.locator("#results-said", has_text="Nothing came of this run.").wait_for()
    notice = page.page.locator(".notice.bad", has_text="is graders serve still running?").last
    start("--port", str(mortal.port))
    notice.get_by_role("button", name="Try again").click()
    page.page.locator("#results-said", has_text="Reward 1.0000.").wait_for(state="attached")
    page.page.click("#tab-jobs")
    page.page.locator(".notice.bad").wait_for(state="detached")


def test_the_token_is_asked_for_once_and_kept_for_the_tab_only(
    browser: Any, start: Callable[..., Serving]
) -> None:
    guarded = start(GRADERS_SERVER_TOKEN="a-rather-long-token")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(guarded.url)
        dialog = page.locator("#token")
        dialog.wait_for()
        assert page.evaluate("document.activeElement.id") == "token-key"
        page.keyboard.press("Enter")
        assert "The token is empty" in page.locator("#token-why").inner_text()
        page.fill("#token-key", "wrong")
        page.keyboard.press("Enter")
        page.locator("#token-why", has_text="does not know that token").wait_for()
        page.click("#token-not")
        page.locator(".notice", has_text="wants its token").wait_for()
        page.click("text=Give the token")
        page.fill("#token-key", "a-rather-long-token")
        page.keyboard.press("Enter")
        page.locator("#start option").nth(1).wait_for(state="attached")
        assert not dialog.is_visible()
        page.select_option("#start", index=1)
        page.click("#run")
        page.locator(REWARD, has_text=re.compile(r"\d\.\d{4}")).wait_for()
        assert page.evaluate("Object.values(sessionStorage)") == ["a-rather-long-token"]
        assert page.evaluate("Object.keys(localStorage)") == []
        assert "a-rather" not in page.content()
        page.reload()
        page.locator("#start option").nth(1).wait_for(state="attached")
        assert not dialog.is_visible()
        page.evaluate("sessionStorage.setItem('graders-token', 'tök\\nen')")
        page.reload()
        page.locator(".notice", has_text="characters that no token has").wait_for()
    finally:
        context.close()


def test_an_older_runs_answer_never_takes_a_newer_ones_place(visit: Callable[..., Visit]) -> None:
    page = visit()
    held: list[Any] = []
    page.page.route(
        "**/playground/run", lambda route: held.append((route, route.request.post_data))
    )
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    page.page.locator("#stop").wait_for()
    page.page.fill("#sample", "y")
    page.page.click("#run")
    while len(held) < 2:
        page.page.wait_for_timeout(50)
    held[1][0].continue_()
    page.page.locator(REWARD, has_text="0.0000").wait_for()
    late = {"ok": True, "grade": {"reward": 1, "failures": []}, "name": "old"}
    with suppress(Exception):  # The page has cancelled it: so much the better.
        held[0][0].fulfill(json=late)
    page.page.wait_for_timeout(300)
    assert page.text(REWARD) == "0.0000"
    assert page.page.locator("#stop").is_hidden()


def test_a_run_can_be_stopped(visit: Callable[..., Visit]) -> None:
    page = visit()
    source = "import time\ndef grade(sample, item):\n    time.sleep(110)\n    return 1\n"
    page.fill({"type": "python", "name": "slow", "source": source}, "", "x")
    page.page.click("#run")
    page.page.locator("#stop").click()
    assert page.text("#results-said") == "Stopped."
    assert page.focused() == "run"
    assert page.page.locator("#stop").is_hidden()
    page.fill(CHECK, {"answer": "x"}, "x")
    assert page.run() == "1.0000"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 500, "body": "<b>oops</b>"}, "status 500 and no reason"),
        ({"status": 429, "body": ""}, "too much to do"),
        ({"status": 413, "body": "{}"}, "more than the server takes"),
        ({"status": 400, "json": {"error": {"message": "item is \u202eodd"}}}, "item is ⟨U+202E⟩odd"),
        ({"status": 200, "body": "no json"}, "no JSON"),
    ],
)  # fmt: skip
def test_errors_of_the_server_are_one_sentence_with_a_way_out(
    visit: Callable[..., Visit], answer: dict[str, Any], said: str
) -> None:
    page = visit()
    page.expected = ("Failed to load resource",)
    page.page.route("**/playground/run", lambda route: route.fulfill(**answer))
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    notice = page.page.locator(".notice.bad", has_text=said)
    notice.wait_for()
    page.page.unroute("**/playground/run")
    notice.get_by_role("button", name="Try again").click()
    page.page.locator(REWARD, has_text="1.0000").wait_for()
    assert page.page.locator(".notice").count() == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True, "grade": {"reward": 1, "sub_rewards": {"constructor": 1}}, "types": {}},None, [], 3, "x", {"ok": True}, {"ok": True, "grade": 5, "types": [], "said": {"a": 3}},
     {"ok": False, "faults": [1, None, {"line": 1e99}], "findings": "x"},
     {"ok": True, "grade": {"reward": "1", "sub_rewards": {"a": "b"}, "failures": [None, {"line": -1}]}}],
)  # fmt: skip
def test_odd_answers_do_not_break_the_page(visit: Callable[..., Visit], answer: Any) -> None:
    page = visit()
    page.page.route("**/playground/run", lambda route: route.fulfill(body=json.dumps(answer)))
    page.fill(CHECK, {"answer": "x"}, "x")
    page.page.click("#run")
    page.page.locator(REWARD).wait_for()
    assert "native code" not in page.text("#results")
    page.page.unroute("**/playground/run")
    assert page.run() == "1.0000"


def test_texts_longer_than_the_server_takes_are_not_sent(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    small = start("--max-body", "20000")
    page = visit(of=small)
    page.fill(CHECK, {"answer": "x" * 30_000}, "x")
    page.page.click("#run")
    said = page.page.locator("#results-said", has_text="this server takes up to 20,000")
    said.wait_for()
    page.fill("#" + "y" * 30_000)
    page.page.locator("#grader-state", has_text="Not linted").wait_for()
    page.fill(CHECK, {"answer": "x"})
    assert page.run() == "1.0000"


# Jobs


def uploaded(server: Serving, rows: list[Any]) -> str:
    content = "".join(json.dumps(one) + "\n" for one in rows).encode()
    made: str = server.upload(content).json["id"]
    return made


def created(server: Serving, **changes: Any) -> str:
    body = {**job_body(server), **changes}
    made: str = server.ask("POST", "/v1/fine_tuning/jobs", body).json["id"]
    return made


def status_of(server: Serving, name: str) -> str:
    found: str = server.ask("GET", f"/v1/fine_tuning/jobs/{name}").json["status"]
    return found


def job_body(server: Serving, steps: int = 6) -> dict[str, Any]:
    rows = [
        {
            "messages": [{"role": "user", "content": f"{n}?"}],
            "answer": str(n),
            "samples": [str(n) if one <= n % 4 else "no" for one in range(4)],
        }
        for n in range(steps * 2)
    ]
    return {
        "model": "o4-mini-2025-04-16",
        "training_file": uploaded(server, rows),
        "validation_file": uploaded(server, rows[:3]),
        "suffix": "numbers",
        "method": {
            "type": "reinforcement",
            "reinforcement": {
                "grader": CHECK,
                "hyperparameters": {"n_epochs": 1, "batch_size": 2, "eval_interval": 1},
            },
        },
    }


JOBS = "**/v1/fine_tuning/jobs*"


ODD: list[dict[str, Any]] = [
    {"id": "ftjob-odd", "status": ["?"], "dry_run": 7, "model": {"a": 1}, "created_at": "x"},
    {"id": "__proto__", "status": "<b>", "created_at": 1e300, "method": [], "error": "no"},
    {
        "id": "ftjob-new/../x", "status": "hibernating", "created_at": -1,
        "dry_run": {
            "step": "x", "total_steps": -4,
            "verdict": {"reward_curve": [[1, "x"], 3, [2, 0.5, None]], "reasons": 4, "failures": [3]},
        },
    },
]  # fmt: skip
NO_JOBS: list[Any] = [{"id": 5, "status": None}, None, 3, "x", {}]


def test_jobs_of_odd_fields_do_not_break_the_list(visit: Callable[..., Visit]) -> None:
    page = visit()
    events: list[Any] = [
        {"id": f"e{n}", "data": {"step": n, "train_mean_reward": n / 9}} for n in range(9, 0, -1)
    ]
    events += [{"id": "x", "data": None, "created_at": {}, "message": {"a": 1}}, 3, {"id": 4}]

    def answer(route: Any) -> None:
        path = route.request.url.split("/v1/fine_tuning/jobs")[1]
        if "/events" in path:
            route.fulfill(json={"data": events, "has_more": True})
        elif "/checkpoints" in path:
            route.fulfill(json={"data": [{"metrics": 3}, None, {"step_number": 2}]})
        elif path.startswith("/"):
            wanted = unquote(path.split("?")[0][1:])
            route.fulfill(json=next(one for one in ODD if one["id"] == wanted))
        else:
            route.fulfill(json={"data": ODD + NO_JOBS, "has_more": "yes"})

    page.page.route(re.compile("/v1/fine_tuning/jobs"), answer)
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-list button").nth(4).wait_for()
    for n, one in enumerate(ODD):
        place = page.page.locator(f'#jobs-list button[data-id="{one["id"]}"]')
        place.click()
        page.page.locator("#job-name", has_text=one["id"]).wait_for()
        page.page.locator("#job-curve svg.curve[role=img]").wait_for()
        assert not page.page.locator("#job-tools").is_visible(), n
    page.page.locator("#job-points tr").nth(8).wait_for(state="attached")
    assert page.page.locator("#job-points tr").count() == 9
    assert page.text("#job-state") == "hibernating"


def test_jobs_are_asked_for_only_while_they_are_looked_at(visit: Callable[..., Visit]) -> None:
    page = visit()
    asked: list[str] = []
    page.page.on("request", lambda one: asked.append(one.url))
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="job").wait_for()
    page.page.wait_for_timeout(300)

    def looks(hidden: bool) -> int:
        page.page.evaluate(
            """(hidden) => {
              Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )
        asked.clear()
        page.page.wait_for_timeout(6000)
        return len(asked)

    assert looks(hidden=True) == 0
    assert looks(hidden=False) > 0
    page.page.click("#tab-play")
    asked.clear()
    page.page.wait_for_timeout(6000)
    assert asked == []


def test_a_job_is_paused_resumed_and_cancelled(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    still = start("--jobs", "0")  # Nothing runs them.
    names = [created(still) for _ in range(3)]
    page = visit(of=still)
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="3 jobs, 3 at work").wait_for()
    assert [
        one.get_attribute("data-id") for one in page.page.locator("#jobs-list button").all()
    ] == names[::-1]
    page.page.locator(f'#jobs-list button[data-id="{names[1]}"]').click()
    page.page.locator("#job-lead", has_text=names[1]).wait_for()
    page.page.click("#job-pause")
    page.page.locator("#job-state", has_text="paused").wait_for()
    assert not page.page.locator("#job-pause").is_visible()
    assert status_of(still, names[1]) == "paused"
    page.page.click("#job-resume")
    page.page.locator("#job-state.queued, #job-state.validating_files").wait_for()
    page.page.click("#job-cancel")
    page.page.click("#sure-no")
    assert status_of(still, names[1]) != "cancelled"
    page.page.click("#job-cancel")
    page.page.click("#sure-yes")
    page.page.locator("#job-state", has_text="cancelled").wait_for()
    assert page.focused() == "job-name"
    assert not page.page.locator("#job-tools").is_visible()  # Nothing can be done with it any more.
    page.page.locator("#jobs-said", has_text="3 jobs, 2 at work").wait_for()
    page.page.locator("#job-events li", has_text="ancel").first.wait_for()


def test_what_a_job_refuses_is_said(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    still = start("--jobs", "0")
    name = created(still)
    page = visit(of=still)
    page.expected = ("status of 400",)
    page.page.click("#tab-jobs")
    page.page.locator("#job-lead", has_text=name).wait_for()
    held: list[Any] = []
    page.page.route(re.compile(f"{name}/pause"), lambda route: held.append(route))  # noqa: PLW0108  (it is given attributes)
    page.page.click("#job-pause")
    while not held:
        page.page.wait_for_timeout(50)
    still.ask("POST", f"/v1/fine_tuning/jobs/{name}/cancel")
    held[0].continue_()
    page.page.locator(".notice.bad", has_text="The job was not told to pause.").wait_for()
    page.page.locator("#job-state", has_text="cancelled").wait_for()


def test_a_job_that_runs_is_followed_to_its_verdict(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    serving = start()
    page = visit(of=serving)
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-said", has_text="no jobs yet").wait_for()
    name = created(serving)
    page.page.locator(f'#jobs-list button[data-id="{name}"]').wait_for()
    page.page.locator("#job-state", has_text="succeeded (a dry run").wait_for()
    page.page.locator("#job-curve svg.curve[role=img]").wait_for()
    page.page.locator("#job-verdict", has_text="Verdict: this job would").wait_for()
    job = serving.ask("GET", f"/v1/fine_tuning/jobs/{name}").json
    curve = job["dry_run"]["verdict"]["reward_curve"]
    page.page.click("#job-steps summary")
    rows = [
        row.locator("td").all_inner_texts() for row in page.page.locator("#job-points tr").all()
    ]
    assert rows == [
        [str(step), *("–" if one is None else f"{one:.4f}" for one in means)]
        for step, *means in curve
    ]
    path = page.page.locator("#job-curve path.train").first.get_attribute("d")
    assert len(re.findall("[ML]", path)) == len(curve)
    assert "No weights were trained" in page.text("#job-verdict")
    assert page.page.locator("#job-events li", has_text="Step 1/").count() == 1
    checkpoints = serving.ask("GET", f"/v1/fine_tuning/jobs/{name}/checkpoints").json["data"]
    assert page.page.locator("#job-checkpoints tr").count() == len(checkpoints)
    assert page.page.locator("#job-progress").evaluate("one => one.value / one.max") == 1
    for button in ("pause", "resume", "cancel"):
        assert not page.page.locator(f"#job-{button}").is_visible()


def test_a_job_at_work_shows_its_curve_and_is_paused_and_resumed(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    serving = start()
    method = job_body(serving)["method"]
    source = "import time\ndef grade(sample, item):\n    time.sleep(0.3)\n    return 0.5\n"
    grader = {"type": "python", "name": "slow", "source": source}
    method["reinforcement"]["grader"] = grader
    name = created(serving, method=method)
    page = visit(of=serving)
    page.page.click("#tab-jobs")
    page.page.locator("#job-points tr").first.wait_for(state="attached")
    assert page.text("#job-state") == "running"
    points = page.page.locator("#job-points tr").count()
    page.page.click("#job-pause")
    page.page.locator("#job-state", has_text="paused").wait_for()
    assert page.focused() == "job-resume"
    assert status_of(serving, name) == "paused"
    page.page.keyboard.press("Enter")
    page.page.locator("#job-state", has_text="succeeded").wait_for()
    page.page.locator("#job-points tr").nth(5).wait_for(state="attached")
    assert points < 6


def test_jobs_that_new_ones_push_off_the_first_page_stay_in_the_list(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    still = start("--jobs", "0")
    names = [created(still) for _ in range(25)]
    page = visit(of=still)
    page.page.click("#tab-jobs")
    page.page.locator("#jobs-list button").nth(19).wait_for()
    page.page.click("#jobs-more")
    page.page.locator("#jobs-list button").nth(24).wait_for()
    until(lambda: page.focused() == "jobs-name")
    names.append(created(still))
    page.page.locator("#jobs-list button").nth(25).wait_for()
    shown = [one.get_attribute("data-id") for one in page.page.locator("#jobs-list button").all()]
    assert shown == names[::-1]
    assert page.page.locator("#jobs-more").is_hidden()


def test_a_job_with_a_bad_file_says_why_it_failed(
    visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    serving = start()
    name = created(serving, training_file=serving.upload(b'{"messages": []}\nno\n').json["id"])
    page = visit(of=serving)
    page.page.click("#tab-jobs")
    page.page.locator("#job-state", has_text="failed").wait_for()
    error = serving.ask("GET", f"/v1/fine_tuning/jobs/{name}").json["error"]
    assert error["message"] in page.text("#job-verdict")
    assert error["code"] in page.text("#job-verdict")
