"""The shapes in which trainers ask for rewards, and what each is answered: bodies to rows, grades to bodies.

Sources: OpenRLHF 0.11.2, `utils/agent.py`; Azure's document of the endpoint grader, with its request
`{"sample", "item", "trace_id"}` and reply `{"score"}`; Google's `ReinforcementTuningCloudRunRewardScorer`, with
`{"example", "response", "metadata"}` and `{"reward", "user_requested_aux_info"}`; Amazon's reward functions of Bedrock
and Nova, with lists of `{"id", "messages", "metadata"}` and `{"id", "aggregate_reward_score", "metrics_list"}`; NeMo
Gym 0.4.0, `BaseVerifyRequest` and `BaseVerifyResponse`. `batch` is our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders import jsontext
from graders.adapters.openrlhf import END_TOKENS, answer_of, row_of
from graders.errors import OptionError, quoted, suggestion
from graders.grade import Failure, Grade
from graders.wire.error import ApiError

__all__ = ["FORMS", "Form", "Known", "Row", "form_at", "path_of"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a request holds of one row.

    Attributes:
        item: the item; None for none.
        sample: what the model said, in any shape that `graders.shape` reads; None for none.
        failure: why there is no row; None where there is one.
    """

    item: Any
    sample: Any
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is the same for all rows of a grader.

    Attributes:
        failed: what a row without a reward gets; None where nobody said.
        judged: whether it asks judges.
        invalid: whether an `invalid_grade` stands for rows that cannot be scored.
    """

    failed: float | None
    judged: bool
    invalid: bool


@dataclass(frozen=True, slots=True)
class Form:
    """One trainer's way to ask.

    Attributes:
        name: what it is called, in paths and elsewhere.
        summary: what is asked for, in a line.
        read: returns the rows of a body; raises ApiError where it is none of this form.
        tell: returns the answer, from the body, the grades and what is known of the grader; raises ApiError
            where a row has no reward, and this form knows none without.
        body: the JSON Schema of bodies.
        answer: the JSON Schema of answers.
        nan: whether answers may have NaN, as Python's JSON has it; else it is null.
    """

    name: str
    summary: str
    read: Callable[[Any], list[Row]]
    tell: Callable[[Any, Sequence[Grade], Known], Any]
    body: Mapping[str, Any]
    answer: Mapping[str, Any]
    nan: bool = False


# --- What forms share. ------------------------------------------------------------------------------


def _required(value: Mapping[str, Any], name: str, kind: type, what: str) -> Any:
    given = value.get(name)
    if isinstance(given, kind):
        return given
    said = (
        f"{name} is {what}, got {quoted(given)}" if name in value else f"{name} is required: {what}"
    )
    raise ApiError(400, said, param=name)


def _tokens(*grades: Grade) -> dict[str, list[int]]:
    """Return what judges took for each row, under its name in trainers' logs; nothing where none was asked."""
    return (
        {"judge_tokens": [one.tokens for one in grades]} if any(one.usage for one in grades) else {}
    )


def _object(value: Mapping[str, Any], name: str, param: str | None = None) -> dict[str, Any]:
    """Return an object that may be null or missing; {} for none."""
    given = value.get(name)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ApiError(
            400, f"{param or name} is an object, got {quoted(given)}", param=param or name
        )
    return given


def _is_sample(value: Any) -> bool:
    return value is None or isinstance(value, str | dict | list)


def _number(grade: Grade, failed: float | None, at: int | None = None) -> float:
    """Return a reward where a form knows no row without one.

    Raises:
        ApiError: there is none, and nobody said what stands for it.
    """
    if grade.reward is not None:
        return grade.reward
    if failed is not None:
        return failed
    first = grade.failures[0]
    row = "" if at is None else f"row {at}: "
    says = f"{row}{first}; graders serve --failed NUMBER answers a number for such rows"
    raise ApiError(422, says, param=None if at is None else f"[{at}]", code=first.code)


def _said(grade: Grade) -> str:
    return "; ".join(map(str, grade.failures))


_SAMPLE: Final = {"type": ["string", "object", "array", "null"]}
_MAYBE_OBJECT: Final = {"type": ["object", "null"]}
_NUMBER: Final = {"type": "number"}
_MAYBE_NUMBER: Final = {"type": ["number", "null"]}


def _made(properties: dict[str, Any], *optional: str, **more: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def _list(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


# --- batch: our own. --------------------------------------------------------------------------------

_COLUMNS: Final = ("items", "samples")


def _read_batch(value: Any) -> list[Row]:
    _only(value, ("rows", *_COLUMNS), "the body")
    if "rows" in value:
        if len(value) > 1:
            says = "rows stand in rows, or in items and samples, not in both"
            raise ApiError(400, says, param="rows")
        return _of_rows(_required(value, "rows", list, "a list of objects with item and sample"))
    if not all(one in value for one in _COLUMNS):
        raise ApiError(400, "rows is required, or items and samples", param="rows")
    items, samples = (_required(value, one, list, "a list, one for each row") for one in _COLUMNS)
    if len(items) != len(samples):
        says = f"items and samples are as many, got {len(items):,} and {len(samples):,}"
        raise ApiError(400, says, param="samples")
    return [
        _batch_row(item, sample, f"items[{at}]", f"samples[{at}]")
        for at, (item, sample) in enumerate(zip(items, samples, strict=True))
    ]


def _of_rows(rows: Sequence[Any]) -> list[Row]:
    found = []
    for at, row in enumerate(rows):
        where = f"rows[{at}]"
        if not isinstance(row, dict):
            says = f"{where} is an object with item and sample, got {quoted(row)}"
            raise ApiError(400, says, param=where)
        _only(row, ("item", "sample"), where)
        given = row.get("item"), row.get("sample")
        found.append(_batch_row(*given, f"{where}.item", f"{where}.sample"))
    return found


def _only(value: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in value:
        if key not in known:
            says = f"{where} has no field {quoted(key)}; {suggestion(key, known, 'it holds')}"
            raise ApiError(400, says, param=key[:100], code="unknown_parameter")


def _batch_row(item: Any, sample: Any, item_at: str, sample_at: str) -> Row:
    if item is not None and not isinstance(item, dict):
        raise ApiError(400, f"{item_at} is an object, got {quoted(item)}", param=item_at)
    if not _is_sample(sample):
        says = f"{sample_at} is a text, an object or a list, got {quoted(sample)}"
        raise ApiError(400, says, param=sample_at)
    return Row(item, sample)


def _tell_batch(_: Any, grades: Sequence[Grade], _known: Known) -> dict[str, Any]:
    rewards = [one.reward for one in grades]
    without = rewards.count(None)
    return {
        "object": "list",
        "rewards": rewards,
        "results": [one.to_dict() for one in grades],
        "counts": {"rows": len(grades), "scored": len(grades) - without, "failed": without},
    }


_FAILURE: Final = _made({"code": {"type": "string"}, "message": {"type": "string"},
                         "where": {"type": "string"}, "details": {"type": "string"}}, "details")  # fmt: skip
_RESULT: Final = _made({
    "reward": _MAYBE_NUMBER,
    "sub_rewards": {"type": "object", "additionalProperties": _MAYBE_NUMBER},
    "failures": _list(_FAILURE), "replaced": _list(_FAILURE), "usage": {"type": "object"},
}, "replaced", "usage")  # fmt: skip
_BATCH: Final = {"oneOf": [
    _made({"rows": _list(_made({"item": _MAYBE_OBJECT, "sample": _SAMPLE}, "item", "sample",
                               additionalProperties=False))}, additionalProperties=False),
    _made({"items": _list(_MAYBE_OBJECT), "samples": _list(_SAMPLE)}, additionalProperties=False),
]}  # fmt: skip
_COUNT: Final = {"type": "integer", "minimum": 0}
_BATCH_ANSWER: Final = _made({
    "object": {"const": "list"}, "rewards": _list(_MAYBE_NUMBER), "results": _list(_RESULT),
    "counts": _made({"rows": _COUNT, "scored": _COUNT, "failed": _COUNT}),
})  # fmt: skip


# --- OpenRLHF. --------------------------------------------------------------------------------------


def _read_openrlhf(value: Any) -> list[Row]:
    queries = _required(value, "query", list, "a list of texts: prompts with their answers")
    prompts = value.get("prompts", [""] * len(queries))
    labels = value.get("labels", [None] * len(queries))
    for name, column in (("query", queries), ("prompts", prompts), ("labels", labels)):
        if not isinstance(column, list):
            raise ApiError(400, f"{name} is a list, got {quoted(column)}", param=name)
        if len(column) != len(queries):
            says = f"{name} has {len(column):,} entries and query {len(queries):,}"
            raise ApiError(400, says, param=name)
        for at, one in enumerate(column if name != "labels" else ()):
            if not isinstance(one, str):
                raise ApiError(
                    400, f"{name}[{at}] is a text, got {quoted(one)}", param=f"{name}[{at}]"
                )
    return list(map(_openrlhf_row, queries, prompts, labels))


def _openrlhf_row(query: str, prompt: str, label: Any) -> Row:
    try:
        item = row_of(label, prompt)
    except OptionError as error:
        return Row(None, None, Failure("row_parse_error", str(error)))
    return Row(item, answer_of(query, prompt, END_TOKENS))


def _tell_openrlhf(_: Any, grades: Sequence[Grade], known: Known) -> dict[str, Any]:
    """Return rewards and logs: lists, of a lone row numbers, as OpenRLHF asks for one at a time.

    Its logs become tensors, which hold no null, and go into batches by the names that the first row has:
    each row of a grader has the same, and a part without a score is NaN.
    """
    rewards = [known.failed if one.reward is None else one.reward for one in grades]
    parts = dict.fromkeys(key for one in grades for key in one.sub_rewards)
    logs: dict[str, list[Any]] = {"failed": [float(one.reward is None) for one in grades]}
    logs |= {"invalid": [float(bool(one.replaced)) for one in grades]} if known.invalid else {}
    logs |= {"judge_tokens": [one.tokens for one in grades]} if known.judged else {}
    for key in parts:
        scores = [one.sub_rewards.get(key) for one in grades]
        logs[f"reward_{key}"] = [math.nan if one is None else one for one in scores]
    if len(grades) != 1:
        return {"rewards": rewards, "scores": rewards, "extra_logs": logs}
    told = {key: one for key, (one,) in logs.items()}
    answer = {"rewards": rewards[0], "scores": rewards[0], "extra_logs": told}
    return answer | ({"failures": _said(grades[0])} if grades[0].failures else {})


_OPENRLHF: Final = _made({"query": _list({"type": "string"}), "prompts": _list({"type": "string"}),
                          "labels": {"type": "array"}}, "prompts", "labels")  # fmt: skip
_OPENRLHF_ANSWER: Final = _made({
    "rewards": {"type": ["number", "array", "null"]}, "scores": {"type": ["number", "array", "null"]},
    "extra_logs": {"type": "object"}, "failures": {"type": "string"},
}, "failures")  # fmt: skip


# --- Azure. -----------------------------------------------------------------------------------------


def _read_azure(value: Any) -> list[Row]:
    if "sample" not in value or not _is_sample(value["sample"]):
        given = f", got {quoted(value['sample'])}" if "sample" in value else ""
        says = (
            f"sample is required: what the model said, an object with output_text or a text{given}"
        )
        raise ApiError(400, says, param="sample")
    if not isinstance(value.get("trace_id"), str | None):
        raise ApiError(
            400, f"trace_id is a text, got {quoted(value['trace_id'])}", param="trace_id"
        )
    return [Row(_object(value, "item"), value["sample"])]


def _tell_azure(_: Any, grades: Sequence[Grade], known: Known) -> dict[str, Any]:
    return {"score": _number(grades[0], known.failed)}


_AZURE: Final = _made({"sample": _SAMPLE, "item": _MAYBE_OBJECT, "trace_id": {"type": ["string", "null"]}},
                      "item", "trace_id")  # fmt: skip
_AZURE_ANSWER: Final = _made({"score": _NUMBER})


# --- Gemini. ----------------------------------------------------------------------------------------


def _read_gemini(value: Any) -> list[Row]:
    example = _required(value, "example", dict, "an object, a line of the training data")
    response = _required(value, "response", dict, "an object with parts, what the model said")
    metadata = _object(value, "metadata")
    item = {**_object(example, "references", "example.references"), **example, "metadata": metadata}
    return [Row(item, _gemini_sample(response))]


def _gemini_sample(response: Mapping[str, Any]) -> Any:
    """Return what a Content says: its text without thoughts, and what functions it calls."""
    parts = response.get("parts", [])
    if not isinstance(parts, list):
        raise ApiError(
            400, f"response.parts is a list, got {quoted(parts)}", param="response.parts"
        )
    texts, calls = [], []
    for at, part in enumerate(parts):
        where = f"response.parts[{at}]"
        if not isinstance(part, dict):
            raise ApiError(400, f"{where} is an object, got {quoted(part)}", param=where)
        text = part.get("text")
        if text is not None and not isinstance(text, str):
            raise ApiError(
                400, f"{where}.text is a text, got {quoted(text)}", param=f"{where}.text"
            )
        if text is not None and part.get("thought") is not True:
            texts.append(text)
        if call := _object(part, "functionCall", f"{where}.functionCall"):
            arguments = jsontext.encode(call.get("args") or {}).decode()
            function = {"name": call.get("name"), "arguments": arguments}
            calls.append({"id": call.get("id"), "type": "function", "function": function})
    if not calls:
        return "".join(texts) if texts else None
    said = {"output_text": "".join(texts)} if texts else {}
    return {**said, "output_tools": calls}


def _tell_gemini(_: Any, grades: Sequence[Grade], known: Known) -> dict[str, Any]:
    grade = grades[0]
    told: dict[str, Any] = {"reward": _number(grade, known.failed)}
    if grade.sub_rewards or grade.failures or grade.usage:
        more: dict[str, Any] = {"sub_rewards": dict(grade.sub_rewards)} if grade.sub_rewards else {}
        more |= {"failures": _said(grade)} if grade.failures else {}
        more |= {"invalid": "; ".join(map(str, grade.replaced))} if grade.replaced else {}
        more |= {key: one[0] for key, one in _tokens(grade).items()}
        told["user_requested_aux_info"] = jsontext.encode(more).decode()
    return told


_PART: Final = _made({"text": {"type": ["string", "null"]}, "thought": {},
                      "functionCall": _MAYBE_OBJECT}, "text", "thought", "functionCall")  # fmt: skip
_GEMINI: Final = _made({
    "example": _made({"references": _MAYBE_OBJECT}, "references"),
    "response": _made({"parts": _list(_PART)}, "parts"),
    "metadata": _MAYBE_OBJECT,
}, "metadata")  # fmt: skip
_GEMINI_ANSWER: Final = _made(
    {"reward": _NUMBER, "user_requested_aux_info": {"type": "string"}}, "user_requested_aux_info"
)


# --- Bedrock. ---------------------------------------------------------------------------------------


def _read_bedrock(value: Any) -> list[Row]:
    found = []
    for at, row in enumerate(value):
        where = f"[{at}]"
        if not isinstance(row, dict):
            says = f"{where} is an object with id and messages, got {quoted(row)}"
            raise ApiError(400, says, param=where)
        for name, kind, what in (("id", str, "a text"), ("messages", list, "a list of messages")):
            if not isinstance(row.get(name), kind):
                given = f", got {quoted(row[name])}" if name in row else ""
                says = f"{where}.{name} is required: {what}{given}"
                raise ApiError(400, says, param=f"{where}.{name}")
        metadata = _object(row, "metadata", f"{where}.metadata")
        found.append(Row({**metadata, **row}, row["messages"]))
    return found


def _tell_bedrock(value: Any, grades: Sequence[Grade], known: Known) -> list[dict[str, Any]]:
    told = []
    for at, (row, grade) in enumerate(zip(value, grades, strict=True)):
        metrics = [
            {"name": key, "value": score, "type": "Reward"}
            for key, score in grade.sub_rewards.items()
            if score is not None
        ]
        facts = {"failed": float(grade.reward is None)}
        facts |= {"invalid": float(bool(grade.replaced))} if known.invalid else {}
        facts |= {key: float(one[0]) for key, one in _tokens(grade).items()}
        metrics += [{"name": key, "value": one, "type": "Metric"} for key, one in facts.items()]
        score = _number(grade, known.failed, at)
        told.append({"id": row["id"], "aggregate_reward_score": score, "metrics_list": metrics})
    return told


_BEDROCK: Final = _list(_made({"id": {"type": "string"}, "messages": {"type": "array"},
                               "metadata": _MAYBE_OBJECT}, "metadata"))  # fmt: skip
_METRIC: Final = _made(
    {"name": {"type": "string"}, "value": _NUMBER, "type": {"enum": ["Reward", "Metric"]}}
)
_BEDROCK_ANSWER: Final = _list(_made({"id": {"type": "string"}, "aggregate_reward_score": _NUMBER,
                                      "metrics_list": _list(_METRIC)}))  # fmt: skip


# --- NeMo Gym. --------------------------------------------------------------------------------------


def _read_verify(value: Any) -> list[Row]:
    _required(value, "responses_create_params", dict, "an object, what the model was asked")
    response = _required(value, "response", dict, "an object, the response of the Responses API")
    return [Row({key: one for key, one in value.items() if key != "response"}, response)]


def _tell_verify(value: Any, grades: Sequence[Grade], known: Known) -> dict[str, Any]:
    grade = grades[0]
    # What an earlier answer said of a sample that is graded again holds no more.
    told = {key: one for key, one in value.items() if key not in ("mask_sample", "failure_reason")}
    told["reward"] = _number(grade, known.failed)
    told |= {f"reward_{key}": one for key, one in grade.sub_rewards.items() if one is not None}
    told |= {key: one[0] for key, one in _tokens(grade).items()}
    if grade.failures:
        # Newer ones leave such a sample out of their figures.
        told |= {"mask_sample": True, "failure_reason": _said(grade)}
    return told


_VERIFY: Final = _made(
    {"responses_create_params": {"type": "object"}, "response": {"type": "object"}}
)
_VERIFY_ANSWER: Final = _made({**_VERIFY["properties"], "reward": _NUMBER, "mask_sample": {"const": True},
                               "failure_reason": {"type": "string"}}, "mask_sample", "failure_reason")  # fmt: skip


FORMS: Final[tuple[Form, ...]] = (
    Form("batch", "The rewards of many rows", _read_batch, _tell_batch, _BATCH, _BATCH_ANSWER),
    Form("openrlhf", "Rewards as OpenRLHF asks for them", _read_openrlhf, _tell_openrlhf, _OPENRLHF,
         _OPENRLHF_ANSWER, nan=True),
    Form("azure", "A reward as Azure's endpoint grader asks for it", _read_azure, _tell_azure, _AZURE,
         _AZURE_ANSWER),
    Form("gemini", "A reward as Gemini's Cloud Run reward asks for it", _read_gemini, _tell_gemini, _GEMINI,
         _GEMINI_ANSWER),
    Form("bedrock", "Rewards as Bedrock and Nova ask a Lambda for them", _read_bedrock, _tell_bedrock,
         _BEDROCK, _BEDROCK_ANSWER),
    Form("verify", "A reward as NeMo Gym asks a resources server for it", _read_verify, _tell_verify, _VERIFY,
         _VERIFY_ANSWER),
)  # fmt: skip
"""All forms. The place of one here is its number between processes."""


def form_at(name: str) -> int:
    """Return the place of a form."""
    return next(at for at, one in enumerate(FORMS) if one.name == name)


def path_of(form: int, grader: str) -> str:
    """Return the path at which a grader is asked for rewards in a form."""
    name = FORMS[form].name
    return f"/verify/{grader}" if name == "verify" else f"/v1/rewards/{name}/{grader}"
