"""The books of a run, and a panel of faulty judges with a budget that runs out in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
FAULTS = ("429", "500", "garbage", "cut")
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
        # Two rows get no answer, and nobody may ask for them again: they may be billed all the same.
        if row in {f"answer {n + 3 * 'abc'.index(self.name)}" for n in (7, 23)}:
            return Told(cut_at=-1)
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
            "--panel-rule", "median", "--panel-quorum", "2", "--pay-once", "--prices",
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


@pytest.mark.parametrize(
    ("asked_of_a_row", "more"),
    [
        pytest.param(1, (), marks=pytest.mark.more),
        pytest.param(2, ("--repeats", "2"), marks=pytest.mark.more),
        pytest.param(1, ("--cache", "--cache-file", "{}.sqlite"), marks=pytest.mark.more),
    ],
    ids=["plain", "repeated", "cached"],
)
def test_a_budget_stops_a_panel_of_faulty_judges_and_more_money_goes_on_to_the_same_bytes(
    panel: tuple[list[FaultyJudge], Score],
    folder: Path,
    asked_of_a_row: int,
    more: tuple[str, ...],
) -> None:
    judges, ask = panel

    def score(output: str, *options: str) -> Done:
        return ask(output, *options, *(one.format(output) for one in more))

    done = score("whole.jsonl")
    assert done.code == 0, done.err
    whole = spent(judges)
    asked = [Counter(judge.billed) for judge in judges]
    start_over(judges)

    budgets = [whole / 4, whole / 2, whole * Fraction(3, 4)]
    for step, budget in enumerate(budgets):
        before = spent(judges)
        going_on = ("--resume",) if step else ()
        done = score("out.jsonl", "--budget", str(float(budget)), *going_on)
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
    assert all(set(judge.billed.values()) == {asked_of_a_row} for judge in judges)
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
    # Garbage is in the cache, too; who broke off is asked again, and breaks off again.
    done = score("again.jsonl", *caching, "--budget", "0.02")
    assert done.code == 0, done.err
    assert spent(judges) == 0
    manifest = json.loads((folder / "again.jsonl.manifest.json").read_bytes())
    assert manifest["cost"]["dollars"] == 0.0


PRICE = Prices({"m": {"prompt": 1, "completion": 10}})


def test_a_budget_below_a_single_reply_stops_before_the_first() -> None:
    ledger = Ledger(PRICE, budget=Fraction(1, 10**9))
    with pytest.raises(
        BudgetError, match=r"is too small for a first request: \$0.00 for 0 tokens, of \$0.00000"
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
    assert (
        str(ledger.paid)
        == "$0.000300 for 120 tokens, perhaps $0.000900 for 360 more, of 10,000 tokens"
    )


def test_many_at_once_never_pass_a_budget_and_come_near_it() -> None:
    """Loops of several threads share one ledger; replies differ by less than a quarter."""
    prices = Prices({"m": {"prompt": 1, "completion": 10}, "n": {"prompt": 3, "completion": 1}})
    ledger = Ledger(prices, budget=Fraction(1, 10))
    most, now, lock = [0], [0], threading.Lock()

    async def ask(row: int) -> None:
        model = "mn"[row % 2]
        hold = await ledger.hold(model, 900, 4096, row)
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        await asyncio.sleep(0)
        usage = Usage(200 + row % 40, 100 + row % 20, 300)
        with lock:
            now[0] -= 1
        ledger.settle(hold, b"%d" % row, ChatReply("x", usage=usage), billed=True)

    async def ask_all(rows: range) -> list[BaseException | None]:
        return await asyncio.gather(*map(ask, rows), return_exceptions=True)

    with ThreadPoolExecutor(3) as pool:
        shares = [range(at, 300, 3) for at in range(3)]
        ends = [
            end for found in pool.map(lambda rows: asyncio.run(ask_all(rows)), shares)
            for end in found
        ]  # fmt: skip
    stopped = [one for one in ends if one is not None]
    assert stopped
    assert all(isinstance(one, BudgetError) for one in stopped)
    assert Fraction(95, 1000) < ledger.paid.dollars <= Fraction(1, 10)
    assert most[0] > 3
    ledger.drain(1.0)  # Nothing is on its way: it does not wait.


def test_the_first_rows_go_first_where_not_all_can() -> None:
    ledger, went = Ledger(tokens=1000), []

    async def ask(row: int) -> None:
        hold = await ledger.hold("m", 400, 4096, row)
        went.append(row)
        await asyncio.sleep(0)
        ledger.settle(hold, b"%d" % row, ChatReply("x", usage=Usage(90, 10, 100)), billed=True)

    async def ask_all() -> None:
        await asyncio.gather(*map(ask, reversed(range(20))), return_exceptions=True)

    asyncio.run(ask_all())
    # The very first was there before the others; nine more fit, and one may cost a quarter more.
    assert went[0] == 19
    assert went[1:] == list(range(len(went) - 1))
    assert len(went) == 9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--budget", "5"), "budget is in dollars and needs prices"),
        (("--budget", "inf", "--prices", "prices.json"), "budget is a number of dollars, got inf"),
        (("--budget", "0", "--prices", "prices.json"), "0.0 is not in the range x>0"),
        (("--budget-tokens", "0"), "0 is not in the range x>=1"),
        (("--prices", "prices.json"), "prices.json has no price of the model unasked; it has a, b, c"),
        (("--prices", "prices.json", "--model-map", "unasked=d"), "no price of the model d"),
        (("--prices", "prices.json", "--panel", "a,d"), "no price of the model d"),
        (("--prices", "missing.json"), "'missing.json' does not exist"),
        (("--panel", "a"), "Invalid value for '--panel': a panel has two judges or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence_before_the_first_row(
    serve: Any, command: Command, folder: Path, options: tuple[str, ...], says: str
) -> None:
    server = serve(lambda *_: completion())
    base = ("score", "g.json", "rows.jsonl", "-o", "out.jsonl", "--base-url", server.url)
    done = command(folder, *base, *options)
    assert done.code == 2
    assert says in done.err
    assert server.asked == []
    assert not list(folder.glob("out.jsonl*"))


def test_a_budget_of_tokens_needs_no_prices_and_a_stream_cannot_be_gone_on_with(
    serve: Any, command: Command, folder: Path
) -> None:
    server = serve(lambda *_: completion())  # 15 tokens each.
    base = ("score", "g.json", "rows.jsonl", "--base-url", server.url, "--budget-tokens", "300")
    done = command(folder, *base)
    assert done.code == 5
    assert 200 < 15 * server.answered <= 300
    assert "results in a file (-o) could be gone on with" in done.err
    assert f"{15 * server.answered} tokens paid for, of 300" in done.err
    assert done.out.count("\n") <= server.answered


EACH = 150


def _dear() -> Told:
    """Return a reply of so many tokens."""
    body = json.loads(completion().body)
    body["usage"] = {"prompt_tokens": 100, "completion_tokens": EACH - 100, "total_tokens": EACH}
    return Told(body=json.dumps(body).encode())


def test_workers_of_shards_together_never_pass_the_budget_and_more_goes_on(
    serve: Any, command: Command, folder: Path
) -> None:
    tries: Counter[str] = Counter()
    billed: list[str] = []

    def answer(asked: Asked, _: int) -> Told:
        row = asked.body["messages"][-1]["content"]
        tries[row] += 1
        if len(row) % 2 and tries[row] < 2:
            return error(429, retry_after="0")
        billed.append(row)
        return _dear()

    url = serve(answer).url

    def workers(budget: int) -> list[Done]:
        words = ("score", "g.json", "rows.jsonl", "-o", "parts/", "--base-url", url, "--no-cache",
                 "--resume", "--json", "--budget-tokens", str(budget))  # fmt: skip
        return [command(folder, *words, "--shard", f"{one}/3") for one in range(3)]

    done = workers(5000)
    assert [one.code for one in done] == [5, 5, 5]
    assert all(
        f"the share of shard {at}/3 of the budget is used up" in one.err
        for at, one in enumerate(done)
    )
    assert all("--resume with a higher budget goes on" in one.err for one in done)
    assert 2500 < EACH * len(billed) <= 5000
    done = workers(20_000)
    assert [one.code for one in done] == [0, 0, 0], done[0].err
    assert sum(json.loads(one.out)["cost"]["budget_tokens"] for one in done) == 20_000
    assert len(billed) == len(set(billed)) == ROWS


def test_all_shards_of_one_command_share_one_concurrency(
    serve: Any, command: Command, folder: Path
) -> None:
    def answer(*_: Any) -> Told:
        return replace(_dear(), held=lambda: server.most < 3)  # Until so many are under way.

    server = serve(answer)
    done = command(
        folder, "score", "g.json", "rows.jsonl", "-o", "parts/", "--shards", "4", "--workers", "2",
        "--base-url", server.url, "--no-cache", "--concurrency", "3",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (server.most, server.answered) == (3, ROWS)


@pytest.mark.more
def test_all_shards_by_one_worker_share_one_budget(
    serve: Any, command: Command, folder: Path
) -> None:
    server = serve(lambda *_: _dear())
    base = ("score", "g.json", "rows.jsonl", "-o", "parts/", "--shards", "4", "--json",
            "--base-url", server.url, "--no-cache", "--resume", "--budget-tokens")  # fmt: skip
    before = 0
    for budget in (3000, 5000):
        done = command(folder, *base, str(budget))
        assert done.code == 5, done.err
        assert "a shard's share of the budget is used up" in done.err
        assert before < EACH * server.answered <= budget, done.err
        before = EACH * server.answered
    done = command(folder, *base, "20000")
    assert done.code == 0, done.err
    cost = json.loads(done.out)["cost"]
    assert (cost["tokens"], cost["budget_tokens"]) == (EACH * ROWS, 20_000)
    assert server.answered == ROWS
    # All of it is done: that nothing is left of the budget stops nobody.
    assert command(folder, *base, str(EACH * ROWS)).code == 0
    assert server.answered == ROWS


@pytest.mark.parametrize(
    "order",
    [["--shard=3/4", "--shard=2/4", "--shards=4"], ["--shards=4", *(f"--shard={at}/4" for at in range(4)), "--shards=4"]],
    ids=["all last", "all first"],
)  # fmt: skip
def test_the_budget_holds_however_workers_and_shards_are_mixed(
    serve: Any, command: Command, folder: Path, order: list[str]
) -> None:
    server = serve(lambda *_: _dear())
    for shards in order:
        done = command(
            folder, "score", "g.json", "rows.jsonl", "-o", "parts/", "--base-url", server.url,
            "--no-cache", "--resume", "--budget-tokens", "4000", shards,
        )  # fmt: skip
        assert done.code == 5, done.err
    assert 3000 < EACH * server.answered <= 4000


def test_embeddings_are_paid_for_too(serve: Any, command: Command, folder: Path) -> None:
    near = {"type": "text_similarity", "name": "n", "input": "{{ sample.output_text }}",
            "reference": "{{ item.a }}", "evaluation_metric": "cosine"}  # fmt: skip
    (folder / "near.json").write_text(json.dumps(near))
    (folder / "p.json").write_text('{"small": {"prompt": 1000, "completion": 0}}')
    (folder / "two.jsonl").write_text('{"item": {"a": "x"}, "sample": "y"}\n')

    def embed(asked: Asked, _: int) -> Told:
        data = [{"index": n, "embedding": [1.0, n]} for n, _ in enumerate(asked.body["input"])]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return Told(body=json.dumps({"data": data, "usage": usage}).encode())

    server = serve(embed)
    base = ("score", "near.json", "two.jsonl", "-o", "out.jsonl", "--base-url", server.url,
            "--no-cache", "--embedding-model", "small", "--prices", "p.json", "--json")  # fmt: skip
    done = command(folder, *base)
    assert done.code == 0, done.err
    assert json.loads(done.out)["cost"]["dollars"] == 0.007
    done = command(folder, *base, "--budget", "0.007", "--restart")
    assert done.code == 0, done.err
