"""The page: its structure, its escapes, its size; exact figures and a fair sample of rows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.manifest import manifest_of
from graders.batch.tally import Figures
from graders.htmltext import columns, element, script_json, shortened, visible
from graders.report.finding import Notice, read_finding
from graders.report.html import build
from graders.report.html.appendix import appendix, named_rows
from graders.report.html.chart import histogram, meter
from graders.report.html.page import MOST_BYTES
from graders.report.sample import MOST_ROWS
from graders.report.terminal import number
from graders.rows import Layout, find_source
from tests.waiting import at_most

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "samples/support-answers"
ResultsFile = Callable[[Path, int], Path]
RowsFile = Callable[[Path, int, str], Path]
VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    """Reads a page as a browser does, and notes what stands in it."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> Any:
        return json.loads(self.texts["script"][0])


def test_rows_bring_the_beginning_of_their_answer_and_their_category(tmp_path: Path) -> None:
    results, rows = tmp_path / "out.jsonl", tmp_path / "rows.jsonl"
    answers: list[Any] = ["a\nb  c", {"choices": [{"message": {"content": "d"}}]}, None, "e" * 500]
    rows.write_text("".join(json.dumps({"item": {}, "sample": one}) + "\n" for one in answers))
    results.write_text(
        "".join(
            json.dumps({"index": at, "reward": 1.0, "sub_rewards": {}, "failures": [], "by": by})
            + "\n"
            for at, by in enumerate(["x", None, "x", "é"])
        )
    )
    page = build(read_finding(results), source=find_source([rows]))[0]
    data = Reader(page).data
    assert [row[7] for row in data["rows"]] == ["a b c", "d", "", "e" * 160]
    assert [row[8] for row in data["rows"]] == ["x", "", "x", "é"]
    assert '<option value="=x">x</option><option value="=">(none)</option>' in page.decode()


def page_of(path: Path, **more: Any) -> bytes:
    return build(read_finding(path), **more)[0]


@pytest.fixture(scope="module")
def sample_page(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sample")
    grader = graders.load(SUPPORT / "grader.json")
    graders.score_file(grader, SUPPORT / "rows.jsonl", folder / "out.jsonl")
    return build(
        read_finding(folder / "out.jsonl"),
        source=find_source([SUPPORT / "rows.jsonl"]),
        grader=grader,
    )[0]


def test_every_element_is_closed_and_every_id_is_there_once(sample_page: bytes) -> None:
    read = Reader(sample_page)
    assert read.open == []
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] for _, a in read.tags if "aria-labelledby" in a]
    assert set(named) <= set(ids)
    for link in read.all("a"):
        assert link["href"] is not None
        assert link["href"][1:] in ids


def test_the_page_has_landmarks_headings_and_headed_tables(sample_page: bytes) -> None:
    read = Reader(sample_page)
    for tag in ("header", "nav", "main", "footer", "h1"):
        assert len(read.all(tag)) == 1
    assert len(read.all("h2")) == len(read.all("section"))
    assert all("scope" in one for one in read.all("th"))
    assert all("type" in one for one in read.all("button"))
    assert read.all("html") == [{"lang": "en"}]


def test_every_chart_says_in_words_what_it_shows_or_stands_beside_words(
    sample_page: bytes,
) -> None:
    charts = Reader(sample_page).all("svg")
    assert len(charts) > 5
    assert all(one.get("aria-label") or one.get("aria-hidden") == "true" for one in charts)


def test_the_page_forbids_to_load_anything_and_names_its_own_script(sample_page: bytes) -> None:
    read = Reader(sample_page)
    policy = next(one["content"] or "" for one in read.all("meta") if one.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind, text in (("script", read.texts["script"][1]), ("style", read.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", sample_page)
    assert not any("src" in attributes or "style" in attributes for _, attributes in read.tags)


def test_the_script_never_makes_elements_of_text() -> None:
    script = (ROOT / "graders/report/html/page.js").read_text()
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in script


def test_the_explorer_has_item_sample_and_rendered_inputs_each_text_once(
    sample_page: bytes,
) -> None:
    data = Reader(sample_page).data
    assert len(data["rows"]) == 336
    names = [text[0] for text in data["rows"][0][6]]
    assert names[0] == "item"
    assert "sample · mentions.input · wording.input · close.input · phrasing.input" in names
    assert "mentions.reference" in names


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, results_file: ResultsFile) -> None:
    path = results_file(tmp_path, MOST_ROWS + 100)
    assert page_of(path) == page_of(path)


def test_the_figures_are_those_of_the_tally_over_all_rows(
    tmp_path: Path, results_file: ResultsFile
) -> None:
    path = results_file(tmp_path, 1200)
    bodies = [json.loads(line) for line in path.read_text().splitlines()]
    rewards = [one["reward"] for one in bodies if one["reward"] is not None]
    finding = read_finding(path)
    tally = finding.tally
    assert (tally.rows, tally.scored, tally.failed) == (1200, len(rewards), 1200 - len(rewards))
    whole = Figures()
    whole.add(rewards)
    assert tally.rewards.to_dict() == whole.to_dict()
    page = page_of(path).decode()
    assert number(whole.mean) in page
    assert number(sum(rewards) / 1200) in page
    assert f"over the {len(rewards):,} scored; 95% interval" in page
    for name, count in whole.bars():
        assert f"<title>{name}: {count:,} rows</title>" in page
    assert sum(count for _, count in whole.bars()) == len(rewards)


def test_a_graded_run_and_its_results_read_back_say_the_same(tmp_path: Path) -> None:
    grader = graders.load(ROOT / "samples/partial-credit/grader.json")
    run = graders.score_file(
        grader, ROOT / "samples/partial-credit/rows.jsonl", tmp_path / "out.jsonl"
    )
    found = read_finding(tmp_path / "out.jsonl").to_dict()
    assert {key: found[key] for key in run.tally.to_dict()} == run.tally.to_dict()
    assert found["name"] == "contact_details"


@pytest.mark.parametrize("count", [0, 1, 2, 10, MOST_ROWS])
def test_of_few_rows_all_are_shown(tmp_path: Path, results_file: ResultsFile, count: int) -> None:
    picked = read_finding(results_file(tmp_path, count)).sampler.pick()
    assert [spot.place for spot in picked.spots] == list(range(count))
    assert Reader(page_of(tmp_path / "results.jsonl")).open == []


@pytest.mark.more
def test_of_many_rows_the_failed_the_ends_and_every_rank_are_shown(
    tmp_path: Path, results_file: ResultsFile
) -> None:
    path = results_file(tmp_path, 8_000)
    picked = read_finding(path, named=[7_999, 11, 12]).sampler.pick()
    bodies = [json.loads(line) for line in path.read_text().splitlines()]
    shown = {spot.place for spot in picked.spots}
    assert len(picked.spots) == len(shown) == MOST_ROWS
    assert {7_999, 11, 12} <= shown
    failed = [place for place in sorted(shown) if bodies[place]["failures"]]
    assert 600 <= len(failed) <= 603
    assert f"{len(failed)} of the 1,000 rows with failures" in picked.said
    by_code = Counter(bodies[place]["failures"][0]["code"] for place in failed)
    assert min(by_code.values()) >= 195
    scored = [place for place in range(8_000) if not bodies[place]["failures"]]
    scored.sort(key=lambda place: bodies[place]["reward"])
    assert {*scored[:200], *scored[-200:]} <= shown
    ranks = [rank for rank, place in enumerate(scored) if place in shown]
    assert max(b - a for a, b in pairwise(ranks)) <= 16
    assert "This is a sample of 2,000 of the 8,000 rows" in picked.said


def test_rows_that_all_failed_fill_the_sample(tmp_path: Path) -> None:
    line: dict[str, Any] = {"index": 0, "reward": None, "sub_rewards": {},
            "failures": [{"code": "other_error", "message": "m", "where": ""}]}  # fmt: skip
    lines = [json.dumps({**line, "index": n}) for n in range(MOST_ROWS + 500)]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
    assert len(read_finding(tmp_path / "r.jsonl").sampler.pick().spots) == MOST_ROWS
    assert b"No row has a reward." in page_of(tmp_path / "r.jsonl")


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_page_of_many_long_rows_is_small_and_soon_there(
    tmp_path: Path, results_file: ResultsFile, rows_file: RowsFile, count: int
) -> None:
    path = results_file(tmp_path, count)
    rows = rows_file(tmp_path, count, "<&> " * 1000)
    with at_most():
        page = page_of(path, source=find_source([rows]))
    assert len(page) <= MOST_BYTES == 2_000_000
    data = Reader(page).data
    assert MOST_ROWS // 5 < len(data["rows"]) < MOST_ROWS // 3
    said = f"To keep the page below 2 MB, {len(data['rows'])} of these are here."
    assert said in page.decode()
    assert "--max-size makes a larger page" in page.decode()
    name, text, length = data["rows"][0][6][1]
    assert (name, len(text)) == ("sample", data["limit"])
    assert length == len("It is 0. ") + 4000
    assert f"Texts are cut after {data['limit']:,} characters." in page.decode()


def test_a_page_of_hostile_rows_is_below_the_limit_and_holds_nothing_of_theirs_as_html(
    tmp_path: Path, hostile_page: Callable[[Path], Path]
) -> None:
    page = hostile_page(tmp_path).read_bytes()
    assert len(page) <= MOST_BYTES
    read = Reader(page)
    assert read.open == []
    assert len(read.all("script")) == 2
    assert len(read.all("style")) == 1
    assert {tag for tag, _ in read.tags} & {"img", "iframe", "object", "embed", "base"} == set()
    assert not any(key.startswith("on") for _, attributes in read.tags for key in attributes)
    text = page.decode()
    assert not set("\u202e\u2066\u2028\u2029\x00\x1b\U000e0041") & set(text)
    assert "⟨U+202E⟩evil" in text


def test_a_page_of_a_thousand_sub_graders_is_below_the_limit(tmp_path: Path) -> None:
    parts = {"<" * 200 + str(n): n / 1000 for n in range(1000)}
    lines = [
        json.dumps(
            {"index": n, "id": "&" * 15_000, "reward": n / 20, "sub_rewards": parts, "failures": []}
        )
        for n in range(20)
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
    page = page_of(tmp_path / "r.jsonl")
    assert len(page) <= MOST_BYTES
    assert "960 more sub-graders are not shown." in page.decode()


def test_what_breaks_off_is_shown_up_to_there_with_a_note(
    tmp_path: Path, results_file: ResultsFile
) -> None:
    path = results_file(tmp_path, 10)
    path.write_bytes(path.read_bytes()[:-20])
    finding = read_finding(path)
    assert finding.tally.rows == 9
    assert "line 10 is no whole result line" in finding.notes[0]
    assert "breaks off" in build(finding)[0].decode()


@pytest.mark.parametrize(
    "line",
    [
        b"broken\n", b"{}\n", b"[1]\n", b'{"index": 0, "reward": "high", "sub_rewards": {}, "failures": []}\n',
        b'{"index": 0, "reward": 1, "sub_rewards": {"a": "x"}, "failures": []}\n',
        b'{"index": 0, "reward": null, "sub_rewards": {}, "failures": [{"x": 1}]}\n',
        b'{"index": 0, "reward": null, "sub_rewards": {}, "failures": [7]}\n',
        b'{"index": 0, "reward": 1, "sub_rewards": {}, "failures": [], "usage": {"m": 3}}\n',
        b'{"index": 99999999999999999999999, "reward": 1, "sub_rewards": {}, "failures": []}\n',
        b'{"index": 0, "reward": 1' + b"0" * 400 + b', "sub_rewards": {}, "failures": []}\n',
    ],
)  # fmt: skip
def test_what_is_no_file_of_results_is_said_to_be_none(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "r.jsonl").write_bytes(line)
    with pytest.raises(graders.GradersError, match=r"r\.jsonl"):
        read_finding(tmp_path / "r.jsonl")


def test_rewards_of_any_size_have_a_page(tmp_path: Path) -> None:
    for values in ([1e300, -1e300, 1.0], [5e-324, 0.0, 1e-320], [2.0, 2.0, 2.0], [-1.5, 0.25, 7]):
        lines = [
            json.dumps({"index": n, "reward": v, "sub_rewards": {"a": v, "b": 1.0}, "failures": []})
            for n, v in enumerate(values)
        ]
        (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
        assert Reader(page_of(tmp_path / "r.jsonl")).open == []


def test_the_manifest_says_how_the_results_were_made(tmp_path: Path) -> None:
    grader = graders.load(SUPPORT / "grader.json")
    graders.score_file(grader, SUPPORT / "rows.jsonl", tmp_path / "out.jsonl", limit=5)
    text = page_of(tmp_path / "out.jsonl").decode()
    assert "<h1><bdi>support_answer</bdi></h1>" in text
    assert f"{graders.__version__}" in text
    assert "rows.jsonl" in text
    assert str(SUPPORT) not in text
    manifest_of(tmp_path / "out.jsonl").unlink()
    assert "No manifest stands beside the results" in page_of(tmp_path / "out.jsonl").decode()


def test_other_rows_and_another_grader_are_noted(tmp_path: Path) -> None:
    grader = graders.load(SUPPORT / "grader.json")
    graders.score_file(grader, SUPPORT / "rows.jsonl", tmp_path / "out.jsonl", limit=5)
    other = grader.to_dict()
    other["calculate_output"] = "mentions"
    (tmp_path / "rows.jsonl").write_text('{"id": "z", "item": {}, "sample": "x"}\n')
    finding = read_finding(tmp_path / "out.jsonl")
    source = find_source([tmp_path / "rows.jsonl"])
    page, notes = build(finding, source=source, grader=graders.load(other))
    assert [note.split(" since")[0] for note in notes] == [
        "The grader has changed", "The rows have changed",
    ]  # fmt: skip
    assert page.decode().count('role="note"') == 2
    assert build(finding, source=find_source([SUPPORT / "rows.jsonl"]), grader=grader)[1] == []
    manifest_of(tmp_path / "out.jsonl").unlink()
    page, notes = build(read_finding(tmp_path / "out.jsonl"), source=source)
    assert notes[0].startswith("1 of 5 rows have another id")


def test_rows_of_another_layout_and_broken_ones_have_what_there_is(tmp_path: Path) -> None:
    lines = [{"index": n, "reward": 1.0, "sub_rewards": {}, "failures": []} for n in range(3)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (tmp_path / "rows.jsonl").write_text('{"q": 1, "out": "a"}\nbroken\n{"q": 2}\n')
    page = page_of(
        tmp_path / "r.jsonl",
        source=find_source([tmp_path / "rows.jsonl"]),
        layout=Layout.parse(".", "out"),
    )
    rows = Reader(page).data["rows"]
    assert rows[0][6][1] == ["sample", "a", 1]
    assert rows[1][6] == []
    assert rows[2][6][1][1].startswith("(the row has no out")


PROBE = {
    "grader": "g", "rows": 12, "honest": {"mean": 0.5, "max": 1.0}, "passed": False,
    "attacks": [
        {"name": "empty", "mean": 0.1, "max": 0.5, "paid_by": {"a": 0.1}, "worst": [3, 4]},
        {"name": "copied", "mean": 1.0, "max": 1.0, "paid_by": None, "worst": []},
    ],
    "parts": {"a": {"delta": -0.25, "rows": 3}, "b": {"delta": 0.5, "rows": 9}},
    "rows_moved": [{"index": 7, "before": 1.0, "after": 0.0, "note": ["x", "y"]}],
}  # fmt: skip


def test_json_of_other_commands_is_facts_tables_and_links_to_rows() -> None:
    made = appendix("probe", "Probes", PROBE, frozenset({3, 7}))
    for text in ("Attacks", "Paid by", "a 0.1000", "Mean", "<dd>no</dd>", "x, y", "-0.2500"):
        assert text in made
    assert 'data-row="3"' in made
    assert 'data-row="7"' in made
    assert 'data-row="4"' not in made
    assert list(named_rows(PROBE)) == [3, 4, 7]


FOUND = {
    "attacks": [
        {
            "title": "an empty answer", "attack": "empty", "honest": {"expected": 0.625, "rows": 9},
            "expected": 0.25, "expected_95": [0.125, 0.375], "failures": {}, "reason": "",
            "paid_by": [{"sub_grader": "close", "paid": 0.0625}],
            "worst": [{"index": 8, "answer": "<b>", "rendered": {"close": {"input": "text"}}}],
        }
    ],
    "histogram": [{"from": -0.5, "to": 0.0, "count": 3}, {"from": 0.0, "to": 0.5, "count": 4}],
}  # fmt: skip


def test_what_fits_no_cell_of_a_table_stands_closed_below_it() -> None:
    made = appendix("probe", "Probes", FOUND, frozenset({8}))
    assert Reader(made.encode()).open == []
    table, _, below = made.partition("More on each")
    head = re.findall(r'<th scope="col"[^>]*>([^<]*)', table)
    assert head == ["Attack", "Title", "Expected", "Honest", "Expected 95%", "Worst"]
    assert "0.6250" in table
    assert "0.1250 … 0.3750" in table
    assert table.count('data-row="8"') == 1
    for text in ("Paid by", "0.0625", "&lt;b&gt;", "Row 8", "text"):
        assert text in below
    assert 'aria-label="Histogram. -0.5000 – 0.0000: 3; 0.0000 – 0.5000: 4"' in made


@pytest.mark.parametrize(
    "body",
    [
        {}, {"a": []}, {"a": {}}, {"a": [[1, 2], [3]]}, {"a": [{"b": {"c": [1]}}]}, {"": None},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}, {"a": [1, {"b": 2}]},
        {"rows": "many", "index": -1, "worst": ["x"]}, {"mean": 1e308, "max": -0.5},
        {"attacks": [{}], "rows": [{"index": True}]},
        {"h": [{"from": "x", "to": None, "count": 1}, {"from": 1, "to": 2, "count": -3.5}]},
        {"worst": [{"index": "x"}], "first": [[1]], "a": {"b": [{"c": {"d": [{"e": {}}]}}]}},
    ],
)  # fmt: skip
def test_json_of_any_shape_is_shown(body: dict[str, Any]) -> None:
    list(named_rows(body))
    assert Reader(appendix("x", "X", body, frozenset()).encode()).open == []


def test_large_json_is_cut_and_says_so() -> None:
    body = {f"t{n}": [{"text": "<" * 500}] * 1000 for n in range(50)}
    made = appendix("x", "X", body, frozenset())
    assert len(made) < 420_000
    assert "More is in the JSON than is shown here." in made


def test_an_interval_stands_in_one_cell_with_its_method() -> None:
    told = {"kappa_95": [0.25, 0.5], "kappa_95_method": "Wilson"}
    made = appendix(
        "x", "X", {**told, "by": {"": {**told, "rows": 1}, "a": {"rows": 2}}}, frozenset()
    )
    assert "Kappa 95%" in made
    assert '<span class="n">0.2500 … 0.5000</span> (Wilson)' in made
    assert "method" not in made
    assert "By category" in made
    assert "(none)" in made


def test_charts_are_functions_of_figures() -> None:
    figures = Figures()
    figures.add([0.0, 0.0, 1.0])
    assert figures.bars() == [("0", 2), ("1", 1)]
    chart = columns(figures.bars(), label="l")
    assert chart.count('class="bar"') == 2
    assert 'height="100%"' in chart
    assert 'height="50%"' in chart
    assert "<text" not in chart
    counted = columns(
        [("0", 12), ("1", 0), ("2", 12_345), ("3", 45_678_901)], label="l", counts=True
    )
    assert re.findall(r"<text[^>]*>([^<]*)<", counted) == ["12", "12k", "46M"]
    assert "2: 12,345 rows" in counted
    assert "0: 2; 1: 1" in histogram(figures)
    assert 'width="25"' in meter(0.25)
    assert 'class="against"' in meter(-0.25)
    assert 'width="100"' in meter(7.0)


def test_text_becomes_html_only_once_and_only_when_it_is_html() -> None:
    assert element("p", "<b>&", class_='a"b') == '<p class="a&quot;b">&lt;b&gt;&amp;</p>'
    assert element("p", element("b", "x"), None, hidden=True, id=None) == "<p hidden><b>x</b></p>"
    assert element("rect", x=1) == '<rect x="1"></rect>'


def test_unseen_characters_are_named_and_long_texts_measured() -> None:
    assert visible("a\r\nb\tc\r\u202e\ud800\u200d") == "a\nb\tc⟨U+000D⟩⟨U+202E⟩⟨U+D800⟩\u200d"
    assert visible("e" + "\u0301" * 9) == "e" + "\u0301" * 4 + "⟨5 more marks⟩"
    assert visible(visible("e" + "\u0301" * 9)) == visible("e" + "\u0301" * 9)
    assert shortened("x" * 12, 5) == "xxxxx … (12 characters)"


@pytest.mark.parametrize("text", ["</script>", "<!--", "a&b", "\u2028\u2029", "]]>", "\ud800"])
def test_json_in_a_script_cannot_end_it(text: str) -> None:
    made = script_json([text])
    assert not set("<>&\u2028\u2029") & set(made)
    assert json.loads(made) == [text]


def test_a_finding_without_anything_known_is_named_by_its_file() -> None:
    finding = Notice(Path("out.jsonl"))
    assert (finding.name, finding.type, finding.signatures) == ("out.jsonl", "", {})
    made: Sequence[str] = build_empty(finding)
    assert any("No row failed." in text for text in made)


def build_empty(finding: Notice) -> list[str]:
    finding.path = Path("/dev/null")
    return Reader(build(finding)[0]).texts["p"]
