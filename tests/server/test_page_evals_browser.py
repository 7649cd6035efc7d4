"""Evals in a real browser: the report page of a run, two side by side, and the playground's Evals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.evals.store import EvalStore
from graders.evals.view import EvalView
from graders.jobs import Store
from graders.report.html.eval import eval_page
from tests.server.process import Serving
from tests.server.visit import CHECK, Visit
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.browser

LINE = "#lines button.row"
HOSTILE = (
    "</script><script>window.ran = 1</script>", "<img src=x onerror='window.ran = 2'>",
    "\u202eevil\u2066\u2028\u0007\x1b[31m\U000e0041", "a\u0300" + "\u0301" * 300, "/*data*/ <!--token-->",
    "W" * 3000, "x" * 60_000,
)  # fmt: skip
CRITERIA = [
    CHECK,
    {"type": "text_similarity", "name": "alike", "input": "{{ sample.output_text }}",
     "reference": "{{ item.answer }}", "evaluation_metric": "fuzzy_match", "pass_threshold": 0.5},
]  # fmt: skip


def made_eval(server: Serving, name: str = "capitals", criteria: Any = None) -> str:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": name, "data_source_config": config, "testing_criteria": criteria or CRITERIA}
    found: str = server.ask("POST", "/v1/evals", body).json["id"]
    return found


def made_run(server: Serving, of: str, rows: list[Any], name: str = "", ends: bool = True) -> Any:
    content = [
        {"item": {"answer": answer}, **({} if said is None else {"sample": {"output_text": said}})}
        for answer, said in rows
    ]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    path = f"/v1/evals/{of}/runs"
    run = server.ask("POST", path, {"name": name, "data_source": source}).json
    if ends:
        path = f"{path}/{run['id']}"
        until(lambda: server.ask("GET", path).json["status"] == "completed")
        run = server.ask("GET", path).json
    return run


@pytest.fixture
def report(visit: Callable[..., Visit], playground: Serving) -> Callable[..., Visit]:
    """Opens the page that a run's report_url names."""

    def go(run: Any, query: str = "", **settings: Any) -> Visit:
        of, path = settings.pop("of", playground), run["report_url"]
        assert path.startswith(of.url)
        settings.setdefault("ready", f"{LINE} >> nth=0")
        return visit(path[len(of.url) + 1 :] + query, of=of, **settings)

    return go


def places(page: Any) -> list[str]:
    found: list[str] = page.locator(LINE).all_inner_texts()
    return found


def counted(page: Any, said: str) -> list[str]:
    page.locator("#count", has_text=said).wait_for()
    return places(page)


ROWS = [("Paris", "Paris"), ("Rome", "Romes"), ("Bern", None), ("Oslo", "Pekin")]


def test_a_runs_report_says_what_ran_how_it_went_and_why(
    report: Callable[..., Visit], playground: Serving
) -> None:
    run = made_run(playground, made_eval(playground), ROWS, "first try")
    page = report(run).page
    assert page.locator("h1").inner_text() == "capitals"
    assert "first try" in page.locator("#lead").inner_text()
    assert page.locator("#state").inner_text() == "Completed."
    tiles = page.locator(".tile").all_inner_texts()
    assert [one.split("\n")[:2] for one in tiles] == [
        ["Passed", "25.0%"],
        ["Failed", "2"],
        ["Errored", "1"],
    ]
    rows = [one.inner_text().split() for one in page.locator("#criteria-table tbody tr").all()]
    assert rows[0][-5:] == ["25.0%", "1", "2", "1", "0.3333"]
    assert "passes from 0.5" in page.locator("#criteria-table").inner_text()
    assert (
        page.locator("#score-figures svg[role=img]").count() == 1
    )  # Zeros and ones need no figure.
    assert places(page) == ["2", "1", "3", "0"]  # Those to read first.
    page.locator(LINE).first.click()
    page.locator(".detail h3", has_text="Item").wait_for()
    detail = page.locator(".detail").inner_text()
    assert "check errored" in detail
    assert "no sample" in detail
    assert '"answer": "Bern"' in detail
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".detail", has_text="alike passed, score 0.888").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("td.detail").count() == 1
    assert "4 rows in the run's own body" in page.locator("#what-ran").inner_text()


def test_rows_are_searched_filtered_ordered_and_turned(
    report: Callable[..., Visit], playground: Serving
) -> None:
    rows = [(f"a{n}", f"a{n}" if n % 2 else "zzzz") for n in range(120)]
    page = report(made_run(playground, made_eval(playground), rows)).page
    assert len(counted(page, "120 rows")) == 50
    page.select_option("#order", "rows")
    page.locator(f"{LINE} >> text='1'").first.wait_for()
    assert places(page)[:3] == ["0", "1", "2"]
    page.click("#next")
    page.locator("#place", has_text="Page 2 of 3").wait_for()
    assert places(page)[0] == "50"
    page.select_option("#status", "pass")
    assert counted(page, "60 rows")[0] == "1"
    page.select_option("#criterion", label="alike")
    page.select_option("#status", "fail")
    assert counted(page, "60 rows")[0] == "0"
    page.fill("#search", "A118")
    assert counted(page, "1 row") == ["118"]
    page.fill("#search", "nowhere")
    assert counted(page, "0 rows") == []
    page.click("#reset")
    assert len(counted(page, "120 rows")) == 50


def test_two_runs_stand_side_by_side(report: Callable[..., Visit], playground: Serving) -> None:
    of = made_eval(playground)
    one = made_run(playground, of, [("Paris", "Paris"), ("Rome", "no"), ("Bern", "Bern")], "old")
    other = made_run(
        playground, of, [("Rome", "Rome"), ("Paris", "Paris"), ("Oslo", "Oslo")], "new"
    )
    page = report(one).page
    page.select_option("#with", other["id"])
    page.locator("#count", has_text="4 pairs and rows").wait_for()
    assert f"?with={other['id']}" in page.url
    assert places(page) == ["1 | 0", "2 | –", "– | 2", "0 | 1"]
    tiles = " ".join(page.locator(".tile").all_inner_texts())
    assert "Flipped\n1\nof 2 pairs" in tiles
    assert "1 row of A and 1 of B have no equal item" in tiles
    rows = [one.inner_text().split() for one in page.locator("#criteria-table tbody tr").all()]
    assert [row[-4:] for row in rows] == [["66.7%", "100%", "0", "1"]] * 2
    page.locator(LINE).first.click()
    page.locator(".detail .side >> nth=1").wait_for()
    first, second = page.locator(".detail .side").all_inner_texts()
    assert ("check failed" in first, "check passed" in second) == (True, True)
    for status, found in (
        ("flipped", ["1 | 0"]),
        ("there", ["1 | 0"]),
        ("here", []),
        ("alone", ["2 | –", "– | 2"]),
    ):
        page.select_option("#status", status)
        counted(page, f"{len(found)} pair")
        assert places(page) == found
    page.select_option("#with", "")
    page.locator("#count", has_text="3 rows").wait_for()


def test_hostile_texts_are_texts(report: Callable[..., Visit], playground: Serving) -> None:
    criteria = [{**CHECK, "name": "<i>check</i>\u202e"}]
    of = made_eval(playground, HOSTILE[0] + "\u202e", criteria)
    run = made_run(playground, of, [(text, text + "!") for text in HOSTILE], HOSTILE[1])
    other = made_run(playground, of, [(text, text) for text in HOSTILE], "\x1b[31m")
    for query in ("", f"?with={other['id']}"):
        page = report(run, query)
        for n in range(len(HOSTILE)):
            page.page.locator(LINE).nth(n).click()
            page.page.locator("td.detail").nth(n).locator("h3", has_text="Item").wait_for()
        assert page.page.locator("main img, main script, main i").count() == 0
        text = page.text("body")
        assert "⟨U+202E⟩evil" in text
        assert "⟨U+001B⟩[31m" in text
        assert "more marks⟩" in text
        assert "60,001 characters" in text
        assert "\u202e" not in page.page.title() + text
        assert page.wide() <= 1280


def test_a_run_at_work_is_followed_to_its_end(
    report: Callable[..., Visit], visit: Callable[..., Visit], start: Callable[..., Serving]
) -> None:
    serving = start()
    source = "import time\ndef grade(sample, item):\n    time.sleep(0.15)\n    return 1\n"
    of = made_eval(serving, "slow", [{"type": "python", "name": "slow", "source": source}])
    run = made_run(serving, of, [(str(n), "x") for n in range(30)], ends=False)
    page = report(run, of=serving, ready="#going:not([hidden])")
    assert "of 30 rows" in page.text("#progress-word")
    page.page.locator("#state", has_text="Completed.").wait_for()
    assert page.page.locator("#going").is_hidden()
    page.page.locator("#count", has_text="30 rows").wait_for()


def test_without_the_token_a_report_shows_nothing(
    browser: Any, start: Callable[..., Serving], tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    with Store(folder) as store:
        evals = EvalStore(store)
        config = {"type": "custom", "item_schema": {}}
        body = {"name": "secret name", "data_source_config": config, "testing_criteria": [CHECK]}
        of = evals.create(body)["id"]
        rows = {"type": "file_content", "content": [{"item": {"answer": "secret"}}]}
        made = evals.create_run(of, {"data_source": {"type": "jsonl", "source": rows}})
    guarded = start("--jobs", "0", folder=folder, GRADERS_SERVER_TOKEN="a-rather-long-token")
    path = f"/evals/{of}/runs/{made['id']}"
    answer = guarded.ask("GET", path)
    assert answer.status == 200
    assert answer.body == guarded.ask("GET", "/evals/a/runs/b").body  # The same for all.
    assert b"secret name" not in answer.body
    assert "script-src 'sha256-" in answer.headers["content-security-policy"]
    assert guarded.ask("GET", f"/playground{path}").status == 401
    assert guarded.ask("GET", f"/playground{path}/rows").status == 401
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(guarded.url + path)
        page.locator("#token").wait_for()
        page.click("#token-not")
        page.locator(".notice", has_text="wants its token").wait_for()
        assert "secret" not in page.content()
        page.click("text=Give the token")
        page.fill("#token-key", "a-rather-long-token")
        page.keyboard.press("Enter")
        page.locator("h1", has_text="secret name").wait_for()
        page.locator("#state", has_text="Queued.").wait_for()
        page.click("#home")
        page.locator("#eval-name", has_text="secret name").wait_for()  # Asked for once in a tab.
    finally:
        context.close()


def test_a_report_of_nothing_says_so(visit: Callable[..., Visit], playground: Serving) -> None:
    of = made_eval(playground)
    page = visit(f"evals/{of}/runs/evalrun_none", ready=".notice.bad")
    page.expected = ("status of 404",)
    assert "No such run: evalrun_none" in page.text(".notice.bad")


def test_an_offline_report_works_without_a_server(
    browser: Any, tmp_path: Path, start: Callable[..., Serving]
) -> None:
    serving = start()
    of = made_eval(serving)
    runs = [made_run(serving, of, ROWS, "old")["id"], made_run(serving, of, ROWS[:2], "new")["id"]]
    with Store(tmp_path / "store") as store:
        view = EvalView(store)
        sides = [(view.get_run(of, one), view.items(of, one)) for one in runs]
        (tmp_path / "one.html").write_bytes(eval_page(view.get(of), *sides[0]))
        (tmp_path / "two.html").write_bytes(eval_page(view.get(of), *sides[0], sides[1]))
    context = browser.new_context(offline=True)
    said: list[str] = []
    try:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_default_timeout(1000 * PATIENCE)
        page.goto((tmp_path / "one.html").as_uri())
        assert counted(page, "4 rows") == ["2", "1", "3", "0"]
        page.fill("#search", "pekin")
        assert counted(page, "1 row") == ["3"]
        page.locator(LINE).click()
        page.locator(".detail", has_text="check failed, score 0").wait_for()
        page.click("#reset")
        page.select_option("#status", "error")
        assert counted(page, "1 row") == ["2"]
        page.goto((tmp_path / "two.html").as_uri())
        assert counted(page, "4 pairs and rows") == ["2 | –", "3 | –", "1 | 1", "0 | 0"]
        page.locator(LINE).nth(2).click()
        page.locator(".detail .side >> nth=1").wait_for()
        assert page.locator("#home").is_hidden()
        assert said == []
    finally:
        context.close()


# The playground


@pytest.fixture
def evals_of(visit: Callable[..., Visit]) -> Callable[..., Visit]:
    """Opens the playground's Evals."""

    def go(of: Serving, name: str = "", **settings: Any) -> Visit:
        page = visit(f"?evals={name}", of=of, **settings)
        page.page.locator("#evals-said", has_text="eval").wait_for()
        return page

    return go


def test_an_eval_is_made_run_looked_at_and_deleted(
    evals_of: Callable[..., Visit], start: Callable[..., Serving], tmp_path: Path
) -> None:
    serving = start()
    page = evals_of(serving)
    assert "There are no evals yet" in page.text("#evals-said")
    page.page.click("#tab-play")
    page.page.fill("#grader", "")
    page.page.click("#tab-evals")
    page.page.click("#eval-make")
    assert "There is no grader in the editor" in page.text("#make-said")
    page.page.click("#make-not")
    page.page.click("#tab-play")
    page.fill(json.dumps(CHECK))
    page.page.click("#tab-evals")
    page.page.click("#eval-make")
    assert page.page.input_value("#make-name-of") == "check"
    page.page.keyboard.type("of the editor")  # It is selected: what is typed takes its place.
    page.page.keyboard.press("Enter")
    page.page.locator("#eval-name", has_text="of the editor").wait_for()
    assert page.text("#eval-criteria tr").split("\t") == ["check", "string check", "eq"]
    page.page.click("#run-new summary")
    page.page.click("#run-start")
    assert "There are no rows" in page.text("#run-said")
    page.page.fill("#run-rows", '{"answer": 1.0}\n\n{"answer"')
    page.page.click("#run-start")
    assert "Line 3 of the rows is no JSON" in page.text("#run-said")
    page.page.fill(
        "#run-rows",
        '{"answer": "x", "sample": "x"}\n{"item": {"answer": "y"}, "sample": {"output_text": "z"}}',
    )
    page.page.fill("#run-name", "pasted")
    page.page.click("#run-start")
    page.page.locator("#runs-body .badge.completed").wait_for()
    assert "50.0%" in page.text("#runs-body tr")
    assert "Choose two" not in page.text("#runs-said")
    (tmp_path / "rows.jsonl").write_text('{"item": {"answer": "x"}, "sample": "x"}\n')
    page.page.set_input_files("#run-rows-file", tmp_path / "rows.jsonl")
    page.page.locator("#run-said", has_text="are in the box").wait_for()
    page.page.click("#run-start")
    page.page.locator("#runs-body .badge.completed >> nth=1").wait_for()
    assert "Choose two" in page.text("#runs-said")
    page.page.locator("#runs-body input").nth(0).check()
    assert page.page.locator("#runs-compare").is_disabled()
    page.page.locator("#runs-body input").nth(1).check()
    page.page.click("#runs-compare")
    page.page.locator("#lead", has_text="A pasted").wait_for()
    page.page.click("#home")
    page.page.locator("#eval-name", has_text="of the editor").wait_for()
    page.page.get_by_role("button", name="Delete pasted").click()
    page.page.click("#sure-no")
    page.page.get_by_role("button", name="Delete pasted").click()
    assert "with its 2 output items" in page.text("#sure-why")
    page.page.click("#sure-yes")
    page.page.locator("#runs-said", has_text="1 run,").wait_for()
    assert page.focused() == "eval-name"
    page.page.click("#eval-delete")
    page.page.click("#sure-yes")
    page.page.locator("#evals-said", has_text="no evals yet").wait_for()
    assert page.page.locator("#eval").is_hidden()


def test_a_large_file_is_uploaded_and_a_model_is_named(
    evals_of: Callable[..., Visit], start: Callable[..., Serving], tmp_path: Path
) -> None:
    still = start("--jobs", "0")
    page = evals_of(still, made_eval(still))
    large = tmp_path / "large.jsonl"
    large.write_text(
        json.dumps({"item": {"answer": "x" * 1000}}) * 1
        + "\n"
        + '{"item": {"answer": "y"}}\n' * 50_000
    )
    page.page.click("#run-new summary")
    page.page.set_input_files("#run-rows-file", large)
    page.page.locator("#run-said", has_text="is uploaded when the run starts").wait_for()
    page.page.locator("#answers-model").check()
    page.page.click("#run-start")
    assert "Name the model" in page.text("#run-said")
    page.page.fill("#run-model", "small")
    page.page.fill("#run-prompt", "Say {{ item.answer }}.")
    page.page.click("#run-start")
    page.page.locator("#run-said", has_text="Started.").wait_for()
    assert page.focused() == "run-start"
    page.page.locator("#runs-body .badge.queued").wait_for()
    of = still.ask("GET", "/v1/evals").json["data"][0]["id"]
    (run,) = still.ask("GET", f"/v1/evals/{of}/runs").json["data"]
    assert run["data_source"]["source"]["type"] == "file_id"
    assert (run["model"], run["data_source"]["type"]) == ("small", "completions")
    page.page.get_by_role("button", name=f"Cancel {run['id']}").click()
    page.page.click("#sure-yes")
    page.page.locator("#runs-body .badge.canceled").wait_for()
    # What can be done with the run now has the focus of what could be done before.
    assert page.page.evaluate("document.activeElement.ariaLabel") == f"Delete {run['id']}"


def test_evals_are_reached_by_keyboard(visit: Callable[..., Visit], playground: Serving) -> None:
    of = made_eval(playground, "by keys")
    made_run(playground, of, ROWS, "one")
    page = visit()
    page.page.locator("#tab-play").focus()
    page.page.keyboard.press("End")
    assert page.focused() == "tab-evals"
    first = page.page.locator("#evals-list button", has_text="by keys").first
    first.wait_for()
    first.focus()
    page.page.keyboard.press("Enter")
    page.page.locator("#runs-body a", has_text="one").wait_for()
    assert page.page.evaluate("document.activeElement.dataset.id") == of
    page.page.locator("#runs-body a").focus()
    page.page.keyboard.press("Enter")
    page.page.locator(LINE).first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_and_controls_have_names(
    report: Callable[..., Visit], evals_of: Callable[..., Visit], playground: Serving, scheme: str,
    poor_contrast: Callable[[Any], list[str]],
) -> None:  # fmt: skip
    of = made_eval(playground)
    run = made_run(playground, of, ROWS, "one")
    other = made_run(playground, of, ROWS[1:], "two")
    pages = [
        report(run, color_scheme=scheme),
        report(run, f"?with={other['id']}", color_scheme=scheme),
    ]
    for page in pages:
        page.page.locator(LINE).first.click()
        page.page.locator(".detail h3").first.wait_for()
    pages.append(evals_of(playground, of, color_scheme=scheme))
    pages[-1].page.locator("#runs-body a").first.wait_for()
    pages[-1].page.click("#run-new summary")
    pages[-1].page.locator("#answers-model").check()
    for page in pages:
        assert poor_contrast(page.page) == []
        unnamed = page.page.evaluate(
            """[...document.querySelectorAll("input, textarea, select, button, progress, pre[tabindex], [role=region]")].filter((one) => (
              !(one.labels && one.labels.length) && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")
              && !one.textContent.trim() && !one.closest("[aria-hidden]"))).map((one) => one.outerHTML)"""
        )
        assert unnamed == []


@pytest.mark.parametrize("width", [320, 768])
def test_narrow_pages_never_scroll_sideways(
    report: Callable[..., Visit], evals_of: Callable[..., Visit], playground: Serving, width: int
) -> None:
    of = made_eval(playground, "W" * 200)
    run = made_run(playground, of, [("W" * 400, "V" * 400), *ROWS], "U" * 200)
    other = made_run(playground, of, ROWS)
    sizes = {"viewport": {"width": width, "height": 740}}
    for query in ("", f"?with={other['id']}"):
        page = report(run, query, **sizes)
        page.page.locator(LINE).first.click()
        page.page.locator(".detail h3").first.wait_for()
        assert page.wide() <= width
    page = evals_of(playground, of, **sizes)
    page.page.locator("#runs-body a").first.wait_for()
    page.page.click("#run-new summary")
    assert page.wide() <= width
