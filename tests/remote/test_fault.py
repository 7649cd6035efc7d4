"""What is tried again, and what that leaves alone."""

from __future__ import annotations

import random

import pytest

from graders.remote.fault import PassingError, RemoteError, steadily


def test_waiting_takes_no_number_from_a_seeded_random() -> None:
    waited: list[float] = []

    def fail() -> None:
        raise PassingError("the server answers 503")

    before = random.getstate()
    with pytest.raises(RemoteError, match=r"the server answers 503 \(tried 8 times\)"):
        steadily(fail, waited.append)
    assert random.getstate() == before
    assert len(waited) == 7
    assert all(0.125 * 2**at <= one <= 0.25 * 2**at for at, one in enumerate(waited[:5]))
