"""Criteria of type `azure_ai_evaluator`: those that need no service, as graders of this engine.

Does: reads Azure's built-in f1, bleu, gleu, meteor and rouge scores, whose definitions are public
(package azure-ai-evaluation). Does not: run any other; it is left out by name, and the rest runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders.errors import TemplateError, quoted
from graders.template import Path, Template, compile_template

__all__ = ["TYPE", "translated"]

TYPE: Final = "azure_ai_evaluator"

_ROUGE: Final[Mapping[str, str]] = {
    **{f"rouge{n}": f"rouge_{n}" for n in range(1, 6)},
    "rougeL": "rouge_l",
}
_SOURCES: Final = frozenset(
    {"builtin.f1_score", "builtin.bleu_score", "builtin.gleu_score", "builtin.meteor_score"}
)


def translated(criterion: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return a criterion as a grader of ours, or why it is not run, in one sentence."""
    evaluator = criterion.get("evaluator_name")
    given = criterion.get("initialization_parameters")
    given = given if isinstance(given, dict) else {}
    mapping = criterion.get("data_mapping")
    mapping = mapping if isinstance(mapping, dict) else {}
    texts = [mapping.get("response"), mapping.get("ground_truth")]
    named = {"name": criterion["name"]} if "name" in criterion else {}
    if evaluator not in _SOURCES and evaluator != "builtin.rouge_score":
        return f"the evaluator {quoted(evaluator, 60)} runs in Azure Foundry only"
    if not all(isinstance(one, str) for one in texts):
        return f"{evaluator} needs response and ground_truth in its data_mapping"
    if evaluator in _SOURCES:
        source = _source(str(evaluator), texts, given)
        if source is None:
            return f"{evaluator} is run where each side of its data_mapping is one template, and its parameters are numbers"
        threshold = given.get("threshold", 0.5)
        return {"type": "python", **named, "source": source, "pass_threshold": threshold}
    metric = _ROUGE.get(str(given.get("rouge_type")))
    if metric is None:
        return f"rouge_type is one of {', '.join(_ROUGE)}, got {quoted(given.get('rouge_type'))}"
    return {
        "type": "text_similarity", **named, "input": texts[0], "reference": texts[1],
        "evaluation_metric": metric, "pass_threshold": given.get("f1_score_threshold", 0.5),
    }  # fmt: skip


_F1: Final = '''\
"""Azure's builtin.f1_score: words in common, without case, punctuation and articles."""

import re
import string
from collections import Counter


def words(text):
    kept = "".join(one for one in text.lower() if one not in string.punctuation)
    return re.sub(r"\\b(a|an|the)\\b", " ", kept).split()


def grade(sample, item):
    said, wanted = words({response}), words({truth})
    common = sum((Counter(said) & Counter(wanted)).values())
    if not common:
        return 0.0
    precision, recall = 1.0 * common / len(said), 1.0 * common / len(wanted)
    return (2.0 * precision * recall) / (precision + recall)
'''

_BY_NLTK: Final = '''\
"""Azure's {evaluator}, by the library that Azure calls and with Azure's own rule for words."""

import nltk
{imports}


def words(text):
    if text.isascii():
        return nltk.word_tokenize(text)
    from nltk.tokenize.nist import NISTTokenizer  # which needs NLTK's perluniprops

    return list(NISTTokenizer().international_tokenize(text))


def grade(sample, item):
    said, wanted = words({response}), words({truth})
    return {call}
'''
_NLTK_CALLS: Final[Mapping[str, tuple[str, str]]] = {
    "builtin.bleu_score": (
        "from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu",
        "sentence_bleu([wanted], said, smoothing_function=SmoothingFunction().method4)",
    ),
    "builtin.gleu_score": (
        "from nltk.translate.gleu_score import sentence_gleu", "sentence_gleu([wanted], said)",
    ),
    "builtin.meteor_score": (
        "from nltk.translate.meteor_score import meteor_score",
        "meteor_score([wanted], said, alpha={alpha!r}, beta={beta!r}, gamma={gamma!r})",
    ),
}  # fmt: skip
_METEOR: Final = {"alpha": 0.9, "beta": 3.0, "gamma": 0.5}


def _source(evaluator: str, texts: list[Any], given: Mapping[str, Any]) -> str | None:
    """Return a python source that does what an evaluator does; None where its texts are mixtures."""
    sides = [_expression(one) for one in texts]
    if None in sides:
        return None
    response, truth = sides
    if evaluator == "builtin.f1_score":
        return _F1.format(response=response, truth=truth)
    imports, call = _NLTK_CALLS[evaluator]
    numbers = {name: given.get(name, usual) for name, usual in _METEOR.items()}
    if not all(isinstance(one, int | float) for one in numbers.values()):
        return None
    call = call.format(**numbers) if evaluator == "builtin.meteor_score" else call
    return _BY_NLTK.format(
        evaluator=evaluator, imports=imports, call=call, response=response, truth=truth
    )


def _expression(text: str) -> str | None:
    """Return the Python expression for a text that is one path, None for any other text."""
    try:
        template = compile_template(text)
    except TemplateError:
        return None
    parts = template.parts if isinstance(template, Template) else ()
    if len(parts) != 1 or not isinstance(parts[0], Path) or not parts[0].steps:
        return None
    return parts[0].namespace + "".join(f"[{step!r}]" for step in parts[0].steps)
