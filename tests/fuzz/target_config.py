"""Configs: refused with paths and lines, or dumped and loaded to an equal one, and fit to grade with.

Input: JSON or YAML.
"""

from __future__ import annotations

import json
from typing import Any

from graders.config import document, dump, load, load_source
from graders.errors import ConfigError, Fault
from graders.kinds import EvalCriteria
from graders.plan import build

TOKENS = tuple(
    one.encode()
    for one in (
        '"type": ', "type: ", "string_check", "text_similarity", "python", "score_model", "label_model",
        "multi", '"name": "a"', '"input": ', '"reference": ', '"operation": ', '"eq"', "ilike",
        '"evaluation_metric": ', '"fuzzy_match"', "rouge_l", "cosine", '"graders": {', '"calculate_output": ',
        '"source": ', "def grade(sample, item):\\n    return 1.0", '"image_tag": ', '"model": ', '"range": [0, 1]',
        '"labels": ["a", "b"]', '"passing_labels": ["a"]', '"pass_threshold": ', '"sampling_params": {', '"seed": ',
        '"temperature": ', '"role": "user"', '"content": ', '{"type": "input_text", "text": "', "input_image",
        '"image_url": ', "input_audio", '"testing_criteria": [', '"method": {', '"reinforcement": {', '"grader": ',
        '"response_format": ', '"hyperparameters": {', "{{ item.a }}", "{{", "}}", "{{sample.output_json.a}}",
        "&a ", "*a", "<<: ", "!!binary ", "!!python/object:os.system ", "!!set ", "!!timestamp ", "? ", "- ", ": ",
        "|\n  ", ">\n  ", "---\n", "...\n", "1e999", "0x1F", "0o7", ".inf", ".nan", "1:2:3", "2001-01-01", "~", "NaN",
        "\\ud800", "\\u0000", "\ufeff", "\u2028", "\t", "\n", "1" * 30, "[" * 40, "]" * 40, "{", "}", '"', ",", "'",
    )
)  # fmt: skip


def target(data: bytes) -> None:
    loaded = _loaded(data)
    if isinstance(loaded, ConfigError):
        assert loaded.faults
        for fault in loaded.faults:
            _check_fault(fault, data)
        _check_refused_again(data)
        return
    config = loaded.config
    dumped = dump(config)
    again = load(json.loads(json.dumps(dumped)))
    assert again == config
    assert dump(again) == dumped
    build(config)


def _loaded(data: Any) -> Any:
    try:
        return load_source(data)
    except ConfigError as error:
        return error


def _check_fault(fault: Fault, data: bytes) -> None:
    assert fault.path.startswith("$")
    assert fault.message
    assert "\0" not in str(fault)
    assert "Input should" not in str(fault)
    assert str(fault).encode()
    if fault.line is not None:
        # YAML knows more line breaks than a file has.
        lines = data.decode("utf-8-sig").splitlines()
        assert 1 <= fault.line <= len(lines) + 1


def _check_refused_again(data: bytes) -> None:
    """What was refused as a text is refused as the object that it holds."""
    try:
        value = document.parse(data.decode("utf-8-sig"), "grader")
    except (ConfigError, UnicodeDecodeError):
        return
    if isinstance(value, dict | list):
        again = _loaded(value)
        assert isinstance(again, ConfigError)
        assert not isinstance(again, EvalCriteria)
