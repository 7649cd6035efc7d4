"""Graders to start from on the page, each with rows to try it on."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["samples"]

_CHECK: Final = {
    "type": "string_check",
    "name": "capital",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "operation": "ilike",
}
_SIMILAR: Final = {
    "type": "text_similarity",
    "name": "close",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.reference }}",
    "evaluation_metric": "fuzzy_match",
}
_MULTI: Final = {
    "type": "multi",
    "name": "answer and format",
    "graders": {
        "close": {**_SIMILAR, "evaluation_metric": "rouge_l"},
        "has_word": {**_CHECK, "name": "has_word", "reference": "{{ item.must_have }}"},
    },
    "calculate_output": "0.7 * close + 0.3 * has_word",
}
_PYTHON: Final = {
    "type": "python",
    "name": "digits",
    "source": (
        "import re\n\n\n"
        "def grade(sample, item):\n"
        '    """The share of the expected numbers that the answer has."""\n'
        '    found = set(re.findall(r"\\d+", sample["output_text"]))\n'
        '    wanted = set(map(str, item["numbers"]))\n'
        "    return len(found & wanted) / len(wanted)\n"
    ),
}
_JUDGE: Final = {
    "type": "score_model",
    "name": "polite",
    "model": "gpt-4o-2024-08-06",
    "input": [
        {
            "role": "user",
            "content": "How polite is this answer, from 0 to 1?\n\n{{ sample.output_text }}",
        }
    ],
    "range": [0, 1],
    "sampling_params": {"temperature": 0, "seed": 1},
}
_Rows = tuple[tuple[Any, str], ...]
_ROWS: Final[tuple[tuple[str, Any, _Rows], ...]] = (
    (
        "multi",
        _MULTI,
        (
            (
                {"reference": "We refund you within 14 days.", "must_have": "refund"},
                "You will get a refund within 14 days.",
            ),
            (
                {"reference": "We refund you within 14 days.", "must_have": "refund"},
                "We refund you within 14 days.",
            ),
            (
                {"reference": "The parcel was sent on Monday.", "must_have": "Monday"},
                "It left us on Monday.",
            ),
            (
                {"reference": "The parcel was sent on Monday.", "must_have": "Monday"},
                "The parcel was sent last week.",
            ),
            (
                {"reference": "Reset the router with the pin.", "must_have": "reset"},
                "Please reset the router with the pin on its back.",
            ),
            (
                {"reference": "Reset the router with the pin.", "must_have": "reset"},
                "Have you tried to turn it off and on again?",
            ),
            ({"reference": "The shop opens at nine."}, "We open at nine in the morning."),
            (
                {"reference": "Your seat is 14A, by the window.", "must_have": "14A"},
                "Your seat is 14A, by the window.",
            ),
        ),
    ),
    (
        "string_check",
        _CHECK,
        (
            ({"answer": "Paris"}, "It is paris."),
            ({"answer": "Lima"}, "Lima"),
            ({"answer": "N'Djamena"}, "Moundou"),
            ({"answer": "Bern"}, "The capital is Bern, not Zurich."),
        ),
    ),
    (
        "text_similarity",
        _SIMILAR,
        (
            (
                {"reference": "The parcel was sent on Monday."},
                "Your parcel was sent out on Monday.",
            ),
            ({"reference": "The parcel was sent on Monday."}, "The parcel was sent on Monday."),
            ({"reference": "We open at nine."}, "At nine."),
            ({"reference": "We open at nine."}, "I cannot say."),
        ),
    ),
    (
        "python",
        _PYTHON,
        (
            ({"numbers": [3, 14, 15]}, "The numbers are 3 and 14."),
            ({"numbers": [3, 14, 15]}, "3, 14, 15"),
            ({"numbers": [7]}, "None of them."),
            ({"numbers": []}, "There are none."),
        ),
    ),
    (
        "score_model",
        _JUDGE,
        (({}, "Thank you for waiting. Your order is on its way."),),
    ),
)


def samples() -> list[dict[str, Any]]:
    """Return each as the texts that stand in the page's editors; the first is what the page opens with."""
    return [
        {
            "name": name,
            "grader": json.dumps(grader, indent=2),
            "item": json.dumps(rows[0][0], indent=2),
            "sample": rows[0][1],
            "rows": "".join(
                json.dumps({"item": item, "sample": sample}) + "\n" for item, sample in rows
            ),
        }
        for name, grader, rows in _ROWS
    ]
