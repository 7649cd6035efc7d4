"""What report pages show of runs: exact figures, rows found, two runs paired, and one offline page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from graders.evals.overview import beginning, haystack, record, shown_source, text_of_answer
from graders.evals.pair import pick_places
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.evals.view import EvalView, RowQuery
from graders.jobs import ApiError, RunOptions
from graders.report.html.eval import MOST_BYTES, Listed, eval_page
from tests.evals.conftest import EXACT, eval_body, jsonl

ROWS = (("Paris", "Paris"), ("Paris", "Pariss"), ("Paris", None), ("Rome", "Oslo"))
HOSTILE = (
    "</script><script>window.ran = 1</script><!-- \u202e \x1b[31m \ud800 /*data*/ <!--policy-->"
)


def ran(evals: EvalStore, *sources: Any, criteria: Any = ()) -> tuple[EvalView, str, list[str]]:
    """Create an eval, run it over each source, and return its id and the runs'."""
    made = evals.create(eval_body(*criteria))
    names = []
    for source in sources:
        names.append(evals.create_run(made["id"], {"data_source": source})["id"])
        run_eval(evals, names[-1], RunOptions())
    return EvalView(evals.store), made["id"], names


def test_figures_are_those_of_the_run_itself(evals: EvalStore) -> None:
    view, of, (run,) = ran(evals, jsonl(*ROWS))
    sheet, shown = view.sheet(of, run), view.get_run(of, run)
    assert sheet["counts"] == {"total": 4, "pass": 1, "fail": 2, "error": 1}
    assert [
        {"testing_criteria": one["id"], **{name: one[name] for name in ("passed", "failed", "errored")}}
        for one in sheet["criteria"]
    ] == shown["per_testing_criteria_results"]  # fmt: skip
    exact, alike = sheet["criteria"]
    assert (exact["name"], exact["type"], exact["bars"]) == (
        "exact",
        "string_check",
        [("0", 2), ("1", 1)],
    )
    assert (alike["threshold"], alike["scores"]["count"]) == (0.5, 3)
    assert sum(count for _, count in alike["bars"]) == 3
    assert len(exact["codes"]) == 1
    assert sheet["run"]["source"]["rows"] == 4
    assert "data_source" not in sheet["run"]


def test_rows_are_found_by_status_criterion_and_words(evals: EvalStore) -> None:
    view, of, (run,) = ran(evals, jsonl(*ROWS))
    items = view.items(of, run)

    def found(**query: Any) -> list[int]:
        answer = items.find(RowQuery(**query))
        places = [row["place"] for row in answer["rows"]]
        assert answer["total"] >= len(places)
        return places

    exact, alike = (one["id"] for one in view.get(of)["testing_criteria"])
    assert found() == [0, 1, 2, 3]
    assert found(first=True) == [2, 1, 3, 0]
    assert found(status="fail") == [1, 3]
    assert found(status="fail", criterion=exact) == [1, 3]
    assert found(status="fail", criterion=alike) == [3]
    assert found(search="PARISS q1") == [1]
    assert found(search="no sample") == [2]
    assert found(search="q1 rome") == []
    assert found(skip=3) == [3]
    assert found(limit=1, status="error") == [2]
    with pytest.raises(ApiError, match="status is pass, fail or error"):
        RowQuery(status="passed")


def test_rows_of_two_runs_are_paired_by_equal_items(evals: EvalStore) -> None:
    turned = jsonl(("Rome", "Rome"), ("Paris", "Paris"), ("Bern", "Bern"))
    content = turned["source"]["content"]
    content[0]["item"] = {"answer": "Rome", "question": "q3"}  # The order of keys says nothing.
    content[1]["item"] = {"question": "q1", "answer": "Paris"}
    view, of, (run, other) = ran(evals, jsonl(*ROWS), turned)
    two = view.sheet(of, run, other)
    pairs = two["pairs"]
    assert (pairs["paired"], pairs["here"], pairs["there"]) == (2, 2, 1)
    assert (pairs["flipped"], pairs["whole"]) == (2, [0, 2])
    places = [[one and one["place"] for one in row] for row in two["rows"]]
    assert places == [[1, 1], [3, 0], [0, None], [2, None], [None, 2]]
    exact, alike = pairs["criteria"].values()
    assert (exact, alike) == ([0, 2], [0, 1])
    assert two["here"]["run"]["id"], two["there"]["run"]["id"] == (run, other)
    assert "pairs and rows are here" in two["said"]


def test_equal_items_are_paired_in_the_order_they_stand(evals: EvalStore) -> None:
    twice = jsonl(("Rome", "Rome"), ("Rome", "no"))
    for row in twice["source"]["content"]:
        row["item"] = {"question": "q", "answer": "Rome"}
    view, of, (run, other) = ran(evals, twice, twice)
    two = view.sheet(of, run, other)
    assert (two["pairs"]["paired"], two["pairs"]["flipped"]) == (2, 0)
    assert {tuple(one["place"] for one in row) for row in two["rows"]} == {(0, 0), (1, 1)}


def test_lists_are_short_and_newest_first(evals: EvalStore) -> None:
    view, of, (run, other) = ran(evals, jsonl(*ROWS), jsonl(*ROWS))
    evals.create(eval_body(name="empty"))
    newest = view.newest(0, 20)["data"]
    assert [(one["name"], one["runs"]) for one in newest] == [("empty", 0), ("capitals", 2)]
    assert newest[0]["last"] is None
    assert newest[1]["last"]["id"] == other
    listed = view.newest_runs(of, 0, 1)
    assert ([one["id"] for one in listed["runs"]], listed["has_more"]) == ([other], True)
    assert [one["id"] for one in view.newest_runs(of, 1, 1)["runs"]] == [run]
    with pytest.raises(ApiError, match="No such run"):
        view.sheet(of, "evalrun_none")
    with pytest.raises(ApiError, match="No such eval"):
        view.newest_runs("eval_none", 0, 20)


def test_items_of_elsewhere_are_shown_as_they_are() -> None:
    item = {
        "id": "i", "datasource_item_id": 0, "status": "fail", "datasource_item": {"a": ["x", 1], "b": "y" * 500},
        "results": [{"name": "old", "passed": False}, {"name": "new", "status": "odd", "passed": True}],
        "sample": {"output": [{"role": "assistant", "content": [{"type": "text", "text": "said"}]}]},
    }  # fmt: skip
    row = record(item)
    assert row["results"] == {"old": ["fail", None], "new": ["pass", None]}
    assert row["answer"] == "said"
    assert row["item"].startswith('a: ["x",1] · b: yyy')
    assert row["item"].endswith("…")
    assert len(row["item"]) < 260
    assert "said" in haystack(item)
    assert text_of_answer({"output": [{"tool_calls": [{"id": "t"}]}]}) == '[{"id":"t"}]'
    assert text_of_answer({"output": [{"content": None, "refusal": "no"}]}) == "no"
    assert text_of_answer(None) == ""
    assert beginning({}) == ""
    assert shown_source({})["rows"] is None


def test_what_is_picked_shows_errors_failures_and_some_passes() -> None:
    assert pick_places(["pass"] * 3, 5) == [0, 1, 2]
    statuses = ["error"] * 5 + ["fail"] * 50 + ["pass"] * 945
    picked = pick_places(statuses, 100)
    assert len(picked) == 100
    assert picked[:55] == list(range(55))
    assert len(pick_places(["fail"] * 1000, 100)) == 100
    assert len(pick_places(["error"] * 1000, 100)) == 100


def offline(page: bytes) -> Any:
    """The data that stands in an offline page."""
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_an_offline_page_holds_the_run_whatever_stands_in_it(evals: EvalStore) -> None:
    source = jsonl(("Paris", HOSTILE), (HOSTILE, "x"))
    view, of, (run,) = ran(evals, source)
    shown = {**view.get(of), "name": HOSTILE}
    page = eval_page(shown, view.get_run(of, run), view.items(of, run))
    assert page == eval_page(shown, view.get_run(of, run), Listed(view.items(of, run)))
    assert page.count(b"</script>") == 2
    assert page.count(b"Content-Security-Policy") == 1
    assert b"\x1b" not in page
    data = offline(page)
    assert data["said"] == "All 2 rows are here."
    assert "window.ran" in data["rows"][0]["answer"]
    assert data["eval"]["name"].startswith("</script>")


@pytest.mark.parametrize("size", [3, 500_000])
def test_an_offline_page_of_huge_texts_stays_small(evals: EvalStore, size: int) -> None:
    rows = [(f"{n}" * (size if n == 1 else 3), "y" * size) for n in range(3)]
    view, of, (run, other) = ran(evals, jsonl(*rows), jsonl(*rows[:2]), criteria=[EXACT])
    sides = [(view.get_run(of, one), view.items(of, one)) for one in (run, other)]
    for page in (eval_page(view.get(of), *sides[0]), eval_page(view.get(of), *sides[0], sides[1])):
        assert len(page) <= MOST_BYTES
        assert "are here" in offline(page)["said"]
    data = offline(page)
    assert data["pairs"]["paired"] == 2
    if size > 3:
        assert f"{size:,} characters" in page.decode()


def test_of_many_rows_the_figures_are_exact_and_the_rows_a_sample(evals: EvalStore) -> None:
    made = evals.create(eval_body(EXACT))
    run = evals.create_run(made["id"], {"data_source": jsonl(("a", "a"))})
    (criterion,) = made["testing_criteria"]
    items = Listed()
    for place in range(20_000):
        status = "error" if place % 1000 == 7 else "fail" if place % 3 == 0 else "pass"
        score = {"pass": 1.0, "fail": 0.0, "error": None}[status]
        result = {"name": criterion["id"], "status": status, "score": score, "passed": score == 1}
        said = {"output": [{"role": "assistant", "content": f"said {place} " + "word " * 200}]}
        items.append(
            {"id": f"i{place}", "datasource_item_id": place, "datasource_item": {"answer": str(place)},
             "status": status, "results": [result], "sample": said}
        )  # fmt: skip
    page = eval_page(made, run, items)
    assert len(page) <= MOST_BYTES
    data = offline(page)
    assert data["counts"] == {"total": 20_000, "pass": 13_319, "fail": 6661, "error": 20}
    assert data["criteria"][0]["bars"] == [["0", 6661], ["1", 13_319]]
    shown = [row["status"] for row in data["rows"]]
    assert shown == sorted(shown, key=("error", "fail", "pass").index)
    assert shown.count("error") == 20
    assert re.match(
        f"{len(shown):,} of the 20,000 rows are here, errors and failures first.", data["said"]
    )
