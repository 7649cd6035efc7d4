"""Unit tests of rewards: suites in YAML or JSON, run by `graders test` and by pytest."""

from graders.suite.assertion import assert_reward
from graders.suite.bench import Bench
from graders.suite.coverage import Coverage
from graders.suite.find import ENDINGS, find_suites
from graders.suite.load import load_suite
from graders.suite.model import Case, Invariance, Ordering, Suite, Test
from graders.suite.outcome import Outcome
from graders.suite.rewrite import Rewrite, refusal, rewrite
from graders.suite.schema import schema

__all__ = [
    "ENDINGS",
    "Bench",
    "Case",
    "Coverage",
    "Invariance",
    "Ordering",
    "Outcome",
    "Rewrite",
    "Suite",
    "Test",
    "assert_reward",
    "find_suites",
    "load_suite",
    "refusal",
    "rewrite",
    "schema",
]
