"""Suite files: refused with lines, or read into the same tests every time.

Input: YAML or JSON.
"""

from __future__ import annotations

from typing import Any

from graders.errors import ConfigError
from graders.suite.load import KEYS, load_suite
from tests.fuzz import scratch, target_config

_WORDS = (
    "grader: g.json\n", "cases:\n", "- name: a\n", "  item: {a: x}\n", "  sample: x\n", "  reward: 1.0\n",
    "reward: {about: 1, within: 0.1}", 'reward: ">= 0.5"', "reward: null", "at_most: ", "at_least: ", "between: [0, 1]",
    "failure: invalid_variable_error", "failure: {code: other_error, where: a}", "orderings:\n", "order: [a, b]",
    "margin: 0.1", "invariances:\n", "of: a", "of: [a, b]", "changes: outer_whitespace", "changes: [letter_case]",
    "paraphrases: [x]", "within: ", "defaults: {item: {a: b}}", "options: {", "offline: true", "cache_file: x",
    "python_timeout: 1", "model_map: {a: b}", "base_url: local", "dialect: jinja2", "repeats: 2", "deadline: .inf",
)  # fmt: skip
TOKENS = (
    *target_config.TOKENS, *(one.encode() for one in _WORDS),
    *(f"{key}: ".encode() for keys in KEYS.values() for key in keys),
)  # fmt: skip
_GRADER = (
    b'{"type": "string_check", "name": "s", "operation": "eq", "input": "{{ item.a }}", '
    b'"reference": "{{ sample.output_text }}"}'
)


def target(data: bytes) -> None:
    scratch.written("g.json", _GRADER)
    path = scratch.written("s.yaml", data)
    suite = _loaded(path)
    if isinstance(suite, ConfigError):
        lines = data.decode("utf-8", "replace").splitlines()
        assert suite.faults
        for fault in suite.faults:
            assert fault.path.startswith("$")
            assert "\0" not in str(fault)
            assert str(fault).encode()
            assert fault.line is None or 1 <= fault.line <= len(lines) + 1
        return
    assert suite.tests
    assert len({test.name for test in suite.tests}) == len(suite.tests)
    again = _loaded(path)
    assert repr(again.tests) == repr(suite.tests)


def _loaded(path: Any) -> Any:
    try:
        return load_suite(path)
    except ConfigError as error:
        return error
