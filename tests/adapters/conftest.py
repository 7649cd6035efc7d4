"""Graders whose rows fail in known ways, for trainers to be."""

from __future__ import annotations

from typing import Any

EXACT = {
    "type": "string_check", "name": "exact", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "operation": "eq",
}  # fmt: skip
NEAR = {
    "type": "text_similarity", "name": "near", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "evaluation_metric": "fuzzy_match",
}  # fmt: skip
BOTH: dict[str, Any] = {
    "type": "multi", "name": "both", "graders": {"exact": EXACT, "near": NEAR},
    "calculate_output": "0.5 * exact + 0.5 * near",
}  # fmt: skip
PYTHON = {
    "type": "python", "name": "python",
    "source": "def grade(sample, item):\n    return float(item['number'])",
}  # fmt: skip
