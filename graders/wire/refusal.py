"""Which parameters a server's 4xx says it does not take. Pure.

A parameter that a server does not know, and a value that it does not take, are two things: without
the first a request is still the grader's, without the second it would be another grader's. So a
parameter is left out only where the server says plainly that it takes none (or, of temperature and
top_p, no other value than its default); a refused value fails its row with the server's own words.

What an error's fields say (`code`, `type`, `param`, a fault's `loc`) counts before its words, and of
its words only those that do not stand in the request: servers quote what they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["CAPS", "OPTIONAL", "Refusal", "refusal_in"]

OPTIONAL: Final = (
    "max_completion_tokens",
    "max_tokens",
    "seed",
    "temperature",
    "top_p",
    "reasoning_effort",
)
"""The parameters that a request may do without."""

CAPS: Final = frozenset({"max_completion_tokens", "max_tokens"})
"""The two names that servers have for the cap on a reply's tokens."""

_FREE: Final = frozenset({"temperature", "top_p"})
"""Parameters of which a model may have one value only, its default."""
_LONGEST: Final = 4000

Verdict = Literal["unknown", "default", "value", "unclear"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server says of the parameters it was sent.

    Attributes:
        unknown: those it does not take, or only at their default; none where there are `values`,
            for the request is refused without them too.
        values: those whose value it does not take.
    """

    unknown: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()


def refusal_in(fault: Any, sent: Mapping[str, Any], spoken: str) -> Refusal:
    """Return which of the optional parameters sent an error refuses.

    Args:
        fault: the error's own part of the body: an object, or a text.
        sent: the request's parameters.
        spoken: everything else in the request, as a text.
    """
    names = [name for name in OPTIONAL if name in sent]
    found: dict[str, set[Verdict]] = {}
    for name, verdict in _verdicts(fault, names, spoken):
        found.setdefault(name, set()).add(verdict)
    values = {name for name, said in found.items() if "value" in said}
    unknown = {name for name, said in found.items() if said & {"unknown", "default"}}
    return Refusal(frozenset() if values else frozenset(unknown), frozenset(values))


def _verdicts(fault: Any, names: list[str], spoken: str) -> Iterator[tuple[str, Verdict]]:
    """Yield what an error says of parameters, by its fields where it has some."""
    if isinstance(fault, str):
        yield from _by_words(fault, names, spoken)
        return
    if not isinstance(fault, dict):
        return
    fault = {**fault, "message": _told(fault.get("message"))}
    listed = list(_listed(fault))
    for one in listed:
        yield from _by_place(one, names)
    if listed:
        return
    text = " ".join(
        fault[name] for name in ("message", "detail", "msg") if isinstance(fault.get(name), str)
    )
    param = _top(fault.get("param"))
    if param is None:
        yield from _by_words(text, names, spoken)
    elif param in names:
        verdict = _by_code(fault, param, text)
        if verdict is not None:
            yield param, verdict
            return
        said = [one for one in _by_words(text, [param], spoken) if one[0] == param]
        yield from said or _by_words(text, names, spoken)


# By fields.

_UNKNOWN_CODE: Final = re.compile(
    r"(?:unsupported|unknown|unrecogni[sz]ed|unexpected|extra)_"
    r"(?:parameter|argument|field|property|key|option|keyword_argument|request_argument)s?"
    r"|extra_forbidden|value_error\.extra|additional_?properties",
    re.IGNORECASE,
)
_VALUE_CODE: Final = re.compile(
    r".*(?:above_max|below_min|out_of_range|exceed|_too_(?:large|small|long|short|high|low)"
    r"|less_than|greater_than|not_multiple|multiple_of).*"
    r"|invalid_(?:value|type|enum|enum_value|format|number|integer|float|string)"
    r"|(?:type|value|assertion)_error.*|.*_(?:parsing|type)|literal_error|enum|finite_number",
    re.IGNORECASE,
)


def _by_code(fault: Mapping[str, Any], param: str, text: str) -> Verdict | None:
    """Return what the code of an error about a parameter says, None where it says nothing."""
    for name in ("code", "type"):
        code = fault.get(name)
        if not isinstance(code, str):
            continue
        if _UNKNOWN_CODE.fullmatch(code):
            return "unknown"
        if code.lower() == "unsupported_value":
            return "default" if param in _FREE and not _OTHER_VALUES.search(text) else "value"
        if _VALUE_CODE.fullmatch(code):
            return "value"
    return None


def _listed(fault: Any, levels: int = 3) -> Iterator[Mapping[str, Any]]:
    """Yield each fault that says its place: `loc` (pydantic) or `field` (Google)."""
    if isinstance(fault, list):
        for one in fault[:100]:
            if isinstance(one, dict) and isinstance(one.get("loc"), list):
                yield one
            elif isinstance(one, dict) and isinstance(one.get("fieldViolations"), list):
                for violation in one["fieldViolations"][:100]:
                    if isinstance(violation, dict) and _top(violation.get("field")) is not None:
                        yield {
                            "loc": [violation["field"]], "msg": violation.get("description")
                        }  # fmt: skip
    elif isinstance(fault, dict) and levels:
        for name in ("detail", "details", "errors", "message"):
            yield from _listed(fault.get(name), levels - 1)


def _told(message: Any) -> Any:
    """Return a message; a list of faults in Python's own notation (vLLM) as what it says."""
    if not isinstance(message, str) or not message.startswith("[{"):
        return message
    return [
        {"type": kind, "loc": _QUOTED.findall(places)}
        for kind, places in _PYTHON_FAULT.findall(message[:_LONGEST])
    ] or message


def _by_place(one: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, Verdict]]:
    """Yield what a fault with a place says, where the place is a parameter's own."""
    # What stands before a name is a part of the request or a model's class, as `ChatRequest`.
    places = [str(part) for part in one["loc"]]
    while places and (places[0] in _ROOTS or places[0][:1].isupper()):
        del places[0]
    if not places or places[0] not in names:
        return
    kind, said = one.get("type"), one.get("msg")
    kind, said = kind if isinstance(kind, str) else "", said if isinstance(said, str) else ""
    if _UNKNOWN_CODE.fullmatch(kind):
        yield places[0], "unknown" if len(places) == 1 else "value"
    elif kind:
        yield places[0], "value"
    else:
        yield places[0], "unknown" if _UNKNOWN_FAULT.search(said) else "value"


_PYTHON_FAULT: Final = re.compile(r"\{'type': '([\w.]+)', 'loc': \(([^)]*)\)")
_QUOTED: Final = re.compile(r"'([^']*)'")
_ROOTS: Final = frozenset({"body", "query", "request", "params", "data", "root", "__root__"})
_UNKNOWN_FAULT: Final = re.compile(
    r"extra (?:inputs?|fields?) (?:are |is )?not (?:permitted|allowed)"
    r"|unknown (?:name|field|parameter)|cannot find field|unexpected keyword",
    re.IGNORECASE,
)


def _top(param: Any) -> str | None:
    """Return the parameter that an error's `param` names; None where it names none."""
    if not isinstance(param, str) or param.lower() in ("", "none", "null"):
        return None
    root, _, name = param.rpartition(".")
    return name if root in ("", *_ROOTS) else param


# By words.

_OPEN: Final = r"[\"'`‘“]?(?:(?:body|request|params)\.)?"
_NAME: Final = rf"{_OPEN}(?P<name>[a-z_]+)[\"'`’”]?"
_NOUN: Final = (
    r"(?:(?:request|body|query|input|keyword|named|json|top-level|sampling|generation)[ -])*"
    r"(?:parameter|argument|arg|field|name|key|property|propertie|option|attribute|input|param)s?"
)
_BAD: Final = (
    r"(?:un(?:supported|recogni[sz]ed|known|expected)|extra(?:neous)?|additional|no such"
    r"|not (?:supported|permitted|allowed|recogni[sz]ed)|(?:does|do) not (?:support|recogni[sz]e|accept)"
    r"(?: the)?|doesn't support(?: the)?)"
)
_BEFORE: Final = re.compile(
    rf"\b{_BAD} {_NOUN}(?: (?:supplied|provided|found|passed|given|in request|is|are|was|were))*"
    rf"[:\s(\[{{]*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_IN_LIST: Final = re.compile(rf"{_NAME}(?!\w)(?:\s*[:=]\s*(?:[-+.\w]+|\"[^\"]*\"|'[^']*'))?")
_SEPARATOR: Final = re.compile(r"\s*(?:,\s*and\b|,|and\b|&)\s*")
_ITS_VALUE: Final = re.compile(
    r"[\s:,;]*(?:[=<>\d]|(?:must|should|has to|cannot be|value|exceeds?)\b)"
)
_AFTER: Final = re.compile(
    rf"(?<![\w.]){_NAME}(?: {_NOUN})?\s*[:,-]?\s*(?:(?:is|are|was|were)\s+)?(?:currently\s+|an?\s+)?"
    r"(?:un(?:supported|recogni[sz]ed|known|expected)"
    r"|(?:is )?not (?:supported|permitted|allowed|accepted|recogni[sz]ed|available|implemented|known)"
    rf"|not an? (?:supported|valid|known|recogni[sz]ed) {_NOUN}"
    r"|extra (?:inputs?|fields?) (?:are |is )?not (?:permitted|allowed))\b"
    r"(?=(?P<rest>[^.;\n]*))",
    re.IGNORECASE,
)
_FREE_ONLY: Final = re.compile(
    r"only the default|only (?:a value of |supports? |= ?)?\d+(?:\.\d+)? is (?:allowed|supported|accepted|permitted)"
    r"|(?:may|can) only be (?:set to )?\d+(?:\.\d+)?(?![\d.]* ?(?:to|-|and|or)\b)"
    r"|unsupported value: [\"'`]?(?:temperature|top_p)[\"'`]? does not support",
    re.IGNORECASE,
)
_OTHER_VALUES: Final = re.compile(r"supported values|allowed values|valid values", re.IGNORECASE)
_OF_VALUE: Final = re.compile(
    r"too (?:large|small|high|low|big|long|short)|exceed|at (?:most|least)|(?:less|greater|more|larger"
    r"|smaller|higher|lower|other|bigger) than|between|range|maximum|minimum|\bmax\b|\bmin\b"
    r"|(?:must|should|has to|have to|needs? to|cannot|can not|can't) be\b|[<>]|≤|≥|not a multiple|multiple of"
    r"|(?:invalid|unsupported|illegal|bad) (?:type|value)|cannot unmarshal|positive|negative|is not one of"
    r"|not a valid (?:number|integer|float|value|string)|out of|above|below|beyond|up to|expected an?\b|\bvalues?\b",
    re.IGNORECASE,
)
_BOTH: Final = re.compile(
    r"both|together|mutually|only one|at the same time|simultaneously|instead|deprecated|in favou?r",
    re.IGNORECASE,
)


def _by_words(text: str, names: list[str], spoken: str) -> Iterator[tuple[str, Verdict]]:
    """Yield what a text says of parameters; what it quotes from the request says nothing."""
    text = text[:_LONGEST]
    named = {
        name: match.start()
        for name in names
        if (match := re.search(rf"(?<![\w.]){_OPEN}{name}(?!\w)", text))
    }
    unknown = {name for name in _unknown(text, spoken) if name in named}
    if _OF_VALUE.search(text) and not unknown:
        if len(named) == 1 and set(named) <= _FREE and _is_free(text, spoken):
            yield next(iter(named)), "default"
            return
        if not (set(named) >= CAPS and _BOTH.search(text)):
            yield from ((name, "value") for name in named)
            return
    if len(named) == 1 and set(named) <= _FREE and _is_free(text, spoken):
        unknown |= set(named)
    if set(named) >= CAPS and _BOTH.search(text) and not unknown & CAPS:
        # One of the two is enough: the one that is told to go, else the first that is named.
        told = re.search(rf"instead of {_NAME}", text)
        gone = told["name"] if told is not None and told["name"] in CAPS else ""
        unknown.add(gone or min(CAPS, key=lambda name: named[name]))
    yield from ((name, "unknown" if name in unknown else "unclear") for name in named)


def _is_free(text: str, spoken: str) -> bool:
    match = _FREE_ONLY.search(text)
    return match is not None and match[0] not in spoken and not _OTHER_VALUES.search(text)


def _unknown(text: str, spoken: str) -> set[str]:
    """Return the words that a text calls parameters it does not know."""
    found: set[str] = set()
    if match := _BEFORE.search(text):
        at = match.start("rest")
        while item := _IN_LIST.match(text, at):
            at = item.end()
            if text[match.start() : at] not in spoken and not _ITS_VALUE.match(text, at):
                found.add(item["name"])
            if (separator := _SEPARATOR.match(text, at)) is None:
                break
            at = separator.end()
    for match in _AFTER.finditer(text):
        if match[0] not in spoken and not _OF_VALUE.search(match["rest"]):
            found.add(match["name"])
    return found
