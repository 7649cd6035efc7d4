"""The playground in Firefox, where playwright's own is installed (`playwright install firefox`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Serving
from tests.server.visit import CHECK, REWARD, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def firefox(play: Any) -> Iterator[Any]:
    if not Path(play.firefox.executable_path).exists():
        pytest.skip("playwright's Firefox is not installed")
    started = play.firefox.launch()
    yield started
    started.close()


def test_a_stranger_grades_a_sample_and_rows_in_firefox(firefox: Any, playground: Serving) -> None:
    page = Visit(firefox, playground.url)
    page.page.locator(REWARD).wait_for()  # It opens with a sample that is graded.
    page.page.click("#rows-try")
    page.page.locator("#trial-body table").first.wait_for()
    page.fill(CHECK, {"answer": "Paris"}, "Paris")
    assert page.run() == "1.0000"
    assert page.said == []
    page.context.close()
