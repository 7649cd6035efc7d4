"""Every kept input of every target again, and some new ones near them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fuzz import kept


@pytest.mark.parametrize("name", kept.names())
def test_every_kept_input_is_read_or_refused(name: str) -> None:
    target, _ = kept.found(name)
    files = sorted((kept.CORPUS / name).iterdir())
    assert files
    for path in files:
        try:
            target(path.read_bytes())
        except BaseException as error:
            error.add_note(f"input: {path}")
            raise


@pytest.mark.parametrize("name", kept.names())
def test_inputs_near_the_kept_ones_are_read_or_refused(name: str) -> None:
    target, tokens = kept.found(name)
    files = st.sampled_from(kept.inputs(kept.CORPUS / name))

    @given(files, files, st.randoms(use_true_random=False))
    @settings(
        max_examples=examples(60),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def near(data: bytes, other: bytes, random: Random) -> None:
        target(kept.mutated(data, random, tokens, other))

    near()


def test_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for path in kept.CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 200_000
