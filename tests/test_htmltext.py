"""Grades and runs show themselves in notebooks: small, and nothing in them is markup of a row."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from graders.batch.run import Run
from graders.batch.tally import Tally
from graders.grade import Failure, Grade

BAD = "<img src=x onerror=alert(1)>\u202e"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        drawn = DRAWN if tag in PICTURE else set()
        assert {name for name, _ in attrs} <= {"class", "style", "scope"} | drawn

    def handle_data(self, data: str) -> None:
        self.text += data + " "


TABLE = {"div", "table", "caption", "tbody", "tr", "th", "td"}
DRAWN = {
    "role", "aria-label", "aria-hidden", "x", "y", "dy", "width", "height", "text-anchor", "font-size",
}  # fmt: skip
PICTURE = {"figure", "svg", "g", "title", "rect", "text", "figcaption"}


def test_a_grade_shows_its_reward_and_its_parts() -> None:
    shown = Tags(
        Grade(
            reward=0.1 + 0.2, sub_rewards={"a": 0.5, BAD: 1.0}, name=BAD, type="multi"
        )._repr_html_()
    )
    assert shown.names == TABLE
    assert "reward 0.30000000000000004" in shown.text
    assert "a 0.5" in shown.text
    assert "⟨U+202E⟩" in shown.text


def test_a_failed_grade_shows_why() -> None:
    failure = Failure("other_error", BAD * 100, "part")
    shown = Tags(Grade(reward=None, sub_rewards={"part": None}, failures=(failure,))._repr_html_())
    assert shown.names == TABLE
    assert "reward none" in shown.text
    assert "part failed" in shown.text
    assert "other_error part: <img" in shown.text
    assert "characters)" in shown.text


@pytest.mark.parametrize("rewards", [[], [1.0], [0.5, None, 1.0]])
def test_a_run_shows_its_means_over_both_denominators(rewards: list[float | None]) -> None:
    tally = Tally()
    failed = {n: (Failure("other_error", BAD),) for n, one in enumerate(rewards) if one is None}
    tally.add(range(len(rewards)), rewards, {BAD: rewards}, failed, {})
    shown = Tags(Run(tally=tally, complete=len(rewards) != 1)._repr_html_())
    # Where there are rewards, their distribution is drawn.
    assert shown.names == TABLE | (PICTURE if rewards else set())
    assert f"{len(rewards)} rows" in shown.text
    assert ("not complete" in shown.text) == (len(rewards) == 1)
    if failed:
        assert "0.75 over the 2 scored; 95% interval -2.427 … 3.927 (Student's t)" in shown.text
        assert "0.5 over all 3" in shown.text
        assert "other_error 1 failed so" in shown.text
