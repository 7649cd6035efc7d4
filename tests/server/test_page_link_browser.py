"""Links and files of rows in the playground, in a real browser."""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.visit import CHECK, Visit
from tests.waiting import until

pytestmark = pytest.mark.browser


def link_of(page: Visit) -> str:
    page.page.click("#share")
    page.page.locator("#link[open]").wait_for()
    link: str = page.page.input_value("#link-text")
    page.page.click("#link-close")
    return link


def texts_of(page: Visit) -> list[Any]:
    found: list[Any] = page.page.evaluate(
        """[...["grader", "item", "sample"].map((name) => document.getElementById(name).value),
          document.getElementById("kind-json").checked, document.getElementById("target").value]"""
    )
    return found


@pytest.mark.parametrize("plain", [False, True])
def test_a_link_opens_to_the_same_texts_and_switches(
    visit: Callable[..., Visit], plain: bool
) -> None:
    script = "delete window.CompressionStream; delete window.DecompressionStream" if plain else None
    page = visit(script=script)
    texts = [
        '{"näme": "東京 😀 \u202e\u0000\u2028"}',
        '{"a": "\\ud800", "b": 1.0}',
        "x" * 3 + "\u00e9\ud83d\ude00",
    ]
    texts[2] = texts[2].encode("utf-16", "surrogatepass").decode("utf-16")
    page.fill(*texts)
    page.say_json()
    page.page.select_option("#target", "azure")
    link = link_of(page)
    assert ("#p1." in link) == plain
    other = visit(link.removeprefix(page.address), script=script)
    other.page.locator("#results-said", has_text="The link's texts").wait_for()
    assert texts_of(other) == texts_of(page)
    assert texts_of(other)[:3] == texts


def test_a_link_holds_200_kb_and_says_that_it_is_long(visit: Callable[..., Visit]) -> None:
    page = visit()
    noise = base64.b64encode(os.urandom(120_000)).decode()
    page.fill(CHECK, json.dumps({"a": noise}), "y" * 60_000)
    page.page.click("#share")
    page.page.locator("#link-said", has_text="Some programs cut links that long").wait_for()
    link = page.page.input_value("#link-text")
    assert len(link) > 100_000
    other = visit(link.removeprefix(page.address))
    other.page.locator("#results-said", has_text="The link's texts").wait_for()
    assert texts_of(other) == texts_of(page)


def test_texts_too_long_for_a_link_are_said_to_be(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.fill(sample=base64.b64encode(os.urandom(1_500_000)).decode())
    page.page.click("#share")
    page.page.locator(".notice", has_text="too long for a link").wait_for()
    assert "#" not in page.page.url


def fragment(data: bytes) -> str:
    squeezed = zlib.compressobj(wbits=-15)
    packed = squeezed.compress(data) + squeezed.flush()
    return "#z1." + base64.urlsafe_b64encode(packed).decode().rstrip("=")


GOOD = json.dumps({"grader": "g", "item": "{}", "sample": "s"}).encode()


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("#z1.AAAA", "damaged"), ("#z1.", "damaged"), ("#p1.e30", "damaged"), ("#%00%ff", "damaged"),
        ("#__proto__", "damaged"), ("#z1.****", "damaged"), (fragment(GOOD)[:-6], "damaged"),
        ("#z9.AAAA", "newer graders"), (fragment(b"null"), "damaged"), (fragment(b"\xff\xfe"), "damaged"),
        (fragment(b'{"grader": 1, "item": [], "sample": {}}'), "damaged"),
        # Packed where it is wanted, not by everyone who looks for tests here.
        (lambda: fragment(b"[" * 9_000_000), "damaged"),
        (lambda: fragment(b" " * 60_000_000), "unpacks to more"),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_damaged_link_gets_a_sentence(
    visit: Callable[..., Visit], damaged: str | Callable[[], str], said: str
) -> None:
    page = visit(damaged if isinstance(damaged, str) else damaged())
    page.page.locator(".notice.bad", has_text=said).wait_for()
    page.start("string_check")
    assert page.run() == "1.0000"


def test_a_link_that_is_opened_in_the_same_tab_can_be_undone(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.fill("#grader", "mine")
    page.page.evaluate("(to) => { location.hash = to; }", fragment(GOOD))
    page.page.locator(".notice", has_text="The link took the place").wait_for()
    assert page.page.input_value("#grader") == "g"
    page.page.click("text=Undo")
    assert page.page.input_value("#grader") == "mine"


# Rows


def rows_text(page: Visit) -> list[list[str]]:
    return [
        row.locator("th, td").all_inner_texts() for row in page.page.locator("#rows-body tr").all()
    ]


def test_rows_of_a_file_are_paged_opened_and_run(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    rows = [{"id": f"r{n}", "item": {"answer": f"a{n}"}, "sample": f"a{n % 7}"} for n in range(25)]
    lines = [json.dumps(one) for one in rows]
    lines.insert(3, '{"item": {"answer": 1}, oh no}')
    lines.insert(5, "")
    (tmp_path / "rows.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    page = visit()
    page.fill(CHECK)
    page.page.set_input_files("#rows-file", tmp_path / "rows.jsonl")
    page.page.locator("#rows-said", has_text="rows.jsonl: 26 rows").wait_for()
    page.page.locator("#rows-body tr").nth(9).wait_for()
    shown = rows_text(page)
    assert len(shown) == 10
    assert shown[2] == ["2", "r2 · answer: a2", "a2", ""]
    assert "line 4 is no JSON: a key in quotes is wanted" in shown[3][1]
    assert shown[5] == ["5", "r4 · answer: a4", "a4", ""]
    assert json.loads(page.page.input_value("#item")) == {"answer": "a0"}
    page.page.click("#rows-run")
    page.page.locator("#rows-body tr:nth-child(10) td:last-child", has_text=".").wait_for()
    assert [row[-1] for row in rows_text(page)] == [
        "1.0000", "1.0000", "1.0000", "", "1.0000", "1.0000", "1.0000", "1.0000", "0.0000", "0.0000",
    ]  # fmt: skip
    page.page.click("#rows-next")
    page.page.locator("#rows-back:enabled").wait_for()
    page.page.click("#rows-next")
    until(lambda: page.focused() == "rows-back")  # There is no page after this one.
    page.page.keyboard.press("Enter")
    page.page.get_by_role("button", name="Open row 10", exact=True).click()
    assert page.page.input_value("#sample") == "a2"
    page.page.fill("#rows-goto", "25")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="r24").wait_for()
    assert page.page.locator("#rows-next").is_disabled()
    page.page.fill("#rows-goto", "26")
    page.page.keyboard.press("Enter")
    assert "rows 0 to 25" in page.text("#results-said")


def test_training_rows_are_items_as_a_whole_and_bring_their_samples(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    text = '{"messages": [{"role": "user", "content": "q"}], "n": 1.0, "samples": ["first", {"output_text": "second"}]}\n'
    text += '{"messages": [], "n": 2}\n[1, 2]\n'
    (tmp_path / "train.jsonl").write_text(text)
    page = visit()
    page.fill({**CHECK, "reference": "{{ item.n }}"})
    page.page.set_input_files("#rows-file", tmp_path / "train.jsonl")
    page.page.locator("#rows-said", has_text="3 rows").wait_for()
    page.page.locator("#rows-which").wait_for()
    assert '"n": 1.0' in page.page.input_value("#item")
    assert page.page.input_value("#sample") == "first"
    page.page.select_option("#rows-sample", "1")
    assert json.loads(page.page.input_value("#sample")) == {"output_text": "second"}
    assert page.page.is_checked("#kind-json")
    page.page.get_by_role("button", name="Open row 1", exact=True).click()
    assert page.page.input_value("#sample") == ""
    assert "no sample" in page.text("#sample-state")
    page.page.get_by_role("button", name="Open row 2", exact=True).click()
    assert json.loads(page.page.input_value("#item")) == [1, 2]


def test_a_file_of_50_mb_is_paged_in_little_memory(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    path = tmp_path / "large.jsonl"
    filler = "so it was said, and more of it " * 15
    with path.open("w") as file:
        for n in range(100_000):
            file.write(f'{{"item": {{"answer": "{n}"}}, "sample": "{n}", "filler": "{filler}"}}\n')
        file.write('{"item": {"answer": "' + "L" * 9_000_000 + '"}, "sample": "long"}\n')
        file.write('{"item": {"answer": "last"}, "sample": "last"}')
    assert path.stat().st_size > 50_000_000
    page = visit()
    page.fill(CHECK)
    page.page.set_input_files("#rows-file", path)
    page.page.locator("#rows-said", has_text="large.jsonl: 100,002 rows").wait_for()
    page.page.fill("#rows-goto", "100001")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="last").wait_for()
    assert "100,001 has 9,0" in page.text("#rows-body")
    assert page.run() == "1.0000"
    page.page.fill("#rows-goto", "77777")
    page.page.keyboard.press("Enter")
    page.page.locator("tr[aria-current]", has_text="77777").wait_for()
    assert page.page.input_value("#sample") == "77777"
    tools = page.context.new_cdp_session(page.page)
    tools.send("HeapProfiler.collectGarbage")
    assert tools.send("Runtime.getHeapUsage")["usedSize"] < 30_000_000
