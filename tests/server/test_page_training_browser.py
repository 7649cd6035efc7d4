"""A job that trained, as the playground shows it: losses by step, checkpoints, and a box to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import Store
from graders.jobs.job import say
from graders.training import TrainingOptions, create_job
from graders.training.event import checkpoint_metrics, step_data, step_says
from tests.server.process import Serving
from tests.server.visit import Visit
from tests.waiting import until

pytestmark = pytest.mark.browser

MODEL = "ft:gpt-4o-mini:local::abcdefgh"
ROW = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


def trained(folder: Path) -> None:
    """Write a job down that has trained for five steps."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    with Store(folder / "store") as store:
        (folder / "rows").write_text(json.dumps(ROW) + "\n")
        with (folder / "rows").open("rb") as rows:
            file = store.files.create(rows, filename="rows.jsonl", purpose="fine-tune")["id"]
        options = TrainingOptions(models={"gpt-4o-mini": str(model)})
        job = create_job(store, {"model": "gpt-4o-mini", "training_file": file}, options)["id"]
        with store.database.writing() as base:
            place = base.execute("SELECT place FROM job WHERE id=?", (job,)).fetchone()[0]
            for step in range(1, 6):
                data = step_data(
                    step, 5, {"loss": 2 / step}, {"loss": 3 / step} if step > 3 else None
                )
                say(base, place, step_says(data), data=data, kind="metrics")
            base.execute(
                "INSERT INTO checkpoint (id, job, created_at, step, name, metrics)"
                " VALUES ('ftckpt_1', ?, 0, 5, ?, ?)",
                (place, f"{MODEL}:ckpt-step-5", json.dumps(checkpoint_metrics(data))),
            )
            base.execute(
                "UPDATE job SET status='succeeded', finished_at=1, step=5, total_steps=5,"
                " fine_tuned_model=? WHERE place=?",
                (MODEL, place),
            )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    trained(tmp_path)
    serving = Serving(tmp_path / "store", ("--processes", "1"))
    yield serving
    serving.close()


def test_losses_checkpoints_and_what_the_model_says(browser: Any, server: Serving) -> None:
    visit = Visit(browser, server.url)
    page = visit.page
    page.click("#tab-jobs")
    page.locator("#job-curve figcaption", has_text="loss by step").wait_for()
    assert page.locator("#job-state").inner_text() == "succeeded"
    label = page.locator("#job-curve svg.curve").first.get_attribute("aria-label")
    assert label.startswith("Loss from step 1 to 5: training 0.4")
    (row,) = page.locator("#job-checkpoints tr").all()
    assert row.inner_text().split("\t") == ["5", f"{MODEL}:ckpt-step-5", "0.6000"]
    names = [one.inner_text() for one in page.locator("#chat-model option").all()]
    assert names == [MODEL, f"{MODEL}:ckpt-step-5"]
    page.click("#chat-ask")
    assert page.locator("#chat-said").inner_text() == "Write what it is asked first."
    # This server does not train, so it has no models to ask: the page says what it was told.
    page.fill("#chat-prompt", "say <b>red</b>")
    page.click("#chat-ask")
    said = page.locator("#chat-said")
    until(lambda: "there is nothing at POST /v1/chat/completions" in said.inner_text())
    assert page.locator("#chat-said b").count() == 0
    visit.context.close()


def test_a_job_that_trains_is_no_dry_run(browser: Any, server: Serving) -> None:
    visit = Visit(browser, server.url, viewport={"width": 320, "height": 740})
    visit.page.click("#tab-jobs")
    visit.page.locator("#job-chat").wait_for()
    assert "dry run" not in visit.page.locator("#job").inner_text()
    assert visit.wide() <= 320
    visit.context.close()


def test_a_job_that_lacked_room_shows_its_failure_once_and_can_be_resumed(
    browser: Any, server: Serving
) -> None:
    visit = Visit(browser, server.url)
    told = {"code": "disk_full", "message": "there is no room", "param": None}
    with Store(server.folder) as store, store.database.writing() as base:
        base.execute(
            "UPDATE job SET status='failed', error=?, verdict=?",
            (json.dumps(told), json.dumps({"outcome": "undecided", "target": "local"})),
        )
    page = visit.page
    page.reload()
    page.click("#tab-jobs")
    page.locator("#job-verdict", has_text="there is no room").wait_for()
    assert "Verdict" not in page.locator("#job-verdict").inner_text()
    page.click("#job-resume")
    page.locator("#job-state", has_text="queued").wait_for()
    assert not page.locator("#job-resume").is_visible()
    visit.context.close()
