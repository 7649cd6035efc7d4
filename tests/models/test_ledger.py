"""The books of a run, and a panel of faulty judges with a budget that runs out in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from graders.calls import ChatReply
from graders.errors import BudgetError
from graders.grade import Usage
from graders.models.ledger import Ledger
from graders.models.price import Prices
from tests.models.conftest import Command, Done
from tests.models.server import Asked, ScriptedServer, Told, completion, error

ROWS = 40
BILLED = ("verdict", "garbage", "cut")
FAULTS = ("silence", "429", "500", "garbage", "cut")
PRICES = {name: {"prompt": 3, "cached": 1, "completion": 12.5} for name in ("a", "b", "c")}
GRADER = {
    "type": "multi", "name": "m", "calculate_output": "judge",
    "graders": {"judge": {"type": "score_model", "name": "j", "model": "unasked",
                          "input": [{"role": "user", "content": "{{ sample.output_text }}"}]}},
}  # fmt: skip


class FaultyJudge:
    """Answers 30 % of all rows with a fault: of one row always the same, but for 429 and 500.

    After two of those it answers, as servers do that were only busy.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tries: Counter[str] = Counter()
        self.billed: Counter[str] = Counter()
        self.dollars = Fraction(0)

    def __call__(self, asked: Asked, _: int) -> Told:
        row = asked.body["messages"][-1]["content"]
        self.tries[row] += 1
        dice = hashlib.sha256(f"{self.name} {row}".encode()).digest()
        fault = FAULTS[dice[1] % len(FAULTS)] if dice[0] < 0.3 * 256 else "verdict"
        if fault in {"429", "500"}:
            if self.tries[row] <= 2:
                return error(int(fault), **({"retry_after": "0"} if fault == "429" else {}))
            fault = "verdict"
        if fault == "silence":
            return Told(held=lambda: True)
        text = {
            "garbage": "I would say it is rather good",
            "cut": '{"steps": [{"description": "It is',
            "verdict": json.dumps({
                "steps": [{"description": f"{self.name} read {row}", "conclusion": "é\u2028"}],
                "result": dice[2] % 5 / 4,
            }),
        }[fault]  # fmt: skip
        self.billed[row] += 1
        prompt, reply = 20 + dice[3] % 20, 5 + dice[4] % 30
        self.dollars += (prompt * 3 + Fraction("12.5") * reply) / 10**6
        told = completion(text)
        body = json.loads(told.body)
        body["model"] = f"{self.name}-2026-01-01"
        body["usage"] = {
            "prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply,
        }  # fmt: skip
        return Told(body=json.dumps(body).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "g.json").write_text(json.dumps(GRADER))
    (tmp_path / "prices.json").write_text(json.dumps(PRICES))
    rows = [{"id": f"r{n}", "item": {}, "sample": f"answer {n}"} for n in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


Score = Callable[..., Done]


@pytest.fixture
def panel(serve: Any, command: Command, folder: Path) -> tuple[list[FaultyJudge], Score]:
    """Three faulty judges, each on a server of its own, and a command that asks them."""
    judges = [FaultyJudge(name) for name in "abc"]
    servers: list[ScriptedServer] = [serve(judge) for judge in judges]
    named = [
        {"name": judge.name, "model": judge.name, "base_url": server.url}
        for judge, server in zip(judges, servers, strict=True)
    ]
    (folder / "panel.json").write_text(json.dumps(named))

    def score(output: str, *more: str) -> Done:
        return command(
            folder, "score", "g.json", "rows.jsonl", "-o", output, "--panel", "panel.json",
            "--panel-rule", "median", "--panel-quorum", "2", "--deadline", "3", "--prices",
            "prices.json", "--keep-judgements", "--concurrency", "6", "--reply-form", "text", *more,
        )  # fmt: skip

    return judges, score


def start_over(judges: list[FaultyJudge]) -> None:
    for judge in judges:
        judge.tries.clear()
        judge.billed.clear()
        judge.dollars = Fraction(0)


def spent(judges: list[FaultyJudge]) -> Fraction:
    return sum((judge.dollars for judge in judges), Fraction(0))


def test_a_budget_stops_a_panel_of_faulty_judges_and_more_money_goes_on_to_the_same_bytes(
    panel: tuple[list[FaultyJudge], Score], folder: Path
) -> None:
    judges, score = panel
    done = score("whole.jsonl")
    assert done.code == 0, done.err
    whole = spent(judges)
    asked = [Counter(judge.billed) for judge in judges]
    start_over(judges)

    budgets = [whole / 4, whole / 2, whole * Fraction(3, 4)]
    for step, budget in enumerate(budgets):
        before = spent(judges)
        more = ("--resume",) if step else ()
        done = score("out.jsonl", "--budget", str(float(budget)), *more)
        assert done.code == 5, done.err
        assert "the budget is used up: $" in done.err
        assert done.err.rstrip().endswith(
            "--resume with a higher budget goes on, and pays for no reply twice"
        )
        assert before < spent(judges) <= budget
        # What was used is near what could be: the rest is what lost requests may have cost.
        assert spent(judges) > 0.6 * budget
        assert not (folder / "out.jsonl").exists()
        manifest = json.loads((folder / "out.jsonl.partial.manifest.json").read_bytes())
        assert manifest["cost"]["dollars"] == pytest.approx(float(spent(judges)))
    rows = (folder / "out.jsonl.partial").read_bytes().count(b"\n")
    assert 0 < rows < ROWS
    assert score("out.jsonl", "--resume").code == 0
    assert [judge.billed for judge in judges] == asked  # Nothing was paid for twice.
    assert all(set(judge.billed.values()) == {1} for judge in judges)
    for name in ("", ".judgements.jsonl"):
        assert (folder / f"out.jsonl{name}").read_bytes() == (
            folder / f"whole.jsonl{name}"
        ).read_bytes()
    manifest = json.loads((folder / "out.jsonl.manifest.json").read_bytes())
    assert manifest["cost"]["dollars"] == pytest.approx(float(whole))
    assert [one.name for one in folder.glob("out.jsonl*partial*")] == []


def test_what_the_judges_said_is_kept_row_by_row_for_its_owner_alone(
    panel: tuple[list[FaultyJudge], Score], folder: Path
) -> None:
    _, score = panel
    assert score("out.jsonl", "--summary", "summary.json").code == 0
    results = [json.loads(line) for line in (folder / "out.jsonl").read_text().split("\n")[:-1]]
    file = folder / "out.jsonl.judgements.jsonl"
    kept = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(one["index"], one["id"]) for one in kept] == [(n, f"r{n}") for n in range(ROWS)]
    manifest = json.loads((folder / "out.jsonl.manifest.json").read_bytes())
    assert manifest["judgements"] == {
        "file": file.name, "bytes": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }  # fmt: skip
    for result, line in zip(results, kept, strict=True):
        said = line["judgements"]
        assert [one["judge"] for one in said] == ["a", "b", "c"]
        assert {one["judge"]: one["score"] for one in said} == result["panel"]["judge"]["scores"]
        given = [one["score"] for one in said if one["score"] is not None]
        assert (result["reward"] is None) == (len(given) < 2)
        assert (result["reward"] is None) == bool(result["failures"])
        for one in said:
            assert one["grader"] == "judge"
            assert (one["score"] is None) == (one["failure"] is not None)
            if one["score"] is not None:
                assert one["model"] == f"{one['judge']}-2026-01-01"
                assert (
                    one["steps"][0]["description"] == f"{one['judge']} read answer {line['index']}"
                )
                assert json.loads(one["reply"])["result"] == one["result"]
                assert one["usage"]["completion_tokens"] >= 5
    figures = json.loads((folder / "summary.json").read_bytes())["panel"]["judge"]
    apart = [one["panel"]["judge"]["disagreement"] for one in results]
    known = [one for one in apart if one is not None]
    assert figures["disagreement"] == pytest.approx(sum(known) / len(known))
    assert figures["compared"] == len(known)
    assert sum(one["failed"] for one in figures["judges"].values()) > 0.05 * 3 * ROWS


def test_without_a_way_to_go_on_paid_replies_are_not_dropped_unsaid(
    panel: tuple[list[FaultyJudge], Score],
) -> None:
    _, score = panel
    assert score("out.jsonl", "--budget", "0.004").code == 5
    done = score("out.jsonl", "--budget", "1")
    assert done.code == 2
    assert "--resume goes on" in done.err
    assert "--restart drops them" in done.err


def test_replies_of_the_cache_cost_nothing(
    panel: tuple[list[FaultyJudge], Score], folder: Path
) -> None:
    judges, score = panel
    caching = ("--cache", "--cache-file", "replies.sqlite")
    assert score("first.jsonl", *caching).code == 0
    start_over(judges)
    # Garbage is in the cache, too; who never answered is asked again, and is silent again.
    done = score("again.jsonl", *caching, "--budget", "0.02")
    assert done.code == 0, done.err
    assert spent(judges) == 0
    manifest = json.loads((folder / "again.jsonl.manifest.json").read_bytes())
    assert manifest["cost"]["dollars"] == 0.0


PRICE = Prices({"m": {"prompt": 1, "completion": 10}})


def test_a_budget_below_a_single_reply_stops_before_the_first() -> None:
    ledger = Ledger(PRICE, budget=Fraction(1, 10**9))
    with pytest.raises(
        BudgetError, match=r"the budget is used up: \$0.00 for 0 tokens, of \$0.00000"
    ):
        asyncio.run(ledger.hold("m", 400, 100))


def test_what_cannot_be_counted_counts_as_perhaps() -> None:
    async def use() -> None:
        hold = await ledger.hold("m", 400, 100)
        ledger.settle(hold, b"1", ChatReply("x", usage=Usage(100, 20, 120)), billed=True)
        hold = await ledger.hold("m", 400, 100)
        ledger.settle(hold, b"2", ChatReply("no count"), billed=True)
        hold = await ledger.hold("m", 400, 100)
        ledger.settle(hold, b"3", None, billed=False, lost=2)

    ledger = Ledger(PRICE, tokens=10_000)
    asyncio.run(use())
    paid = ledger.paid.to_dict()
    assert (paid["tokens"], paid["perhaps_tokens"]) == (120, 360)
    assert str(ledger.paid) == "$0.000300 for 120 tokens, perhaps $0.000900 more, of 10,000 tokens"
