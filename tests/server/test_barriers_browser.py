"""The playground keeps nobody out: axe finds nothing serious, light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.barriers import barriers
from tests.server.visit import CHECK, Visit
from tests.tree import faults

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
def test_the_playground_has_no_barrier(
    visit: Callable[..., Visit], scheme: str, size: dict[str, Any]
) -> None:
    page = visit(color_scheme=scheme, **size)
    assert barriers(page.page) == []
    assert faults(page.page) == []
    page.start("multi")
    page.run()
    assert barriers(page.page) == []
    assert faults(page.page) == []
    page.fill(grader={**CHECK, "operation": "equals"}, item={}, sample="x")
    page.page.click("#run")
    page.page.get_by_text("the operation is spelled eq").first.wait_for()
    page.fill(item="{", sample="x")
    page.page.locator('#item[aria-invalid="true"]').wait_for()
    assert barriers(page.page) == []
    assert faults(page.page) == []
