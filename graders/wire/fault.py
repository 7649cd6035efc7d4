"""What a server's error says: one sentence for the user, and what to send otherwise. Pure.

Servers agree on little here: an object under `error`, a text there, a list of such objects, a list
of faults under `detail`, a page in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from graders.calls import ChatError
from graders.errors import shown
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey
from graders.wire.refusal import Refusal, refusal_in

__all__ = ["error_of_status", "is_loading", "is_out_of_money", "refused_in", "refuses_form"]

_FILTERS: Final = ("content_filter", "ResponsibleAIPolicyViolation", "content_policy_violation")
_OF_FORM: Final = re.compile(r"grammar|json[_ ]?schema|response_format", re.IGNORECASE)
_HEAD: Final = 4000
_TITLE: Final = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def error_of_status(answer: HttpAnswer, key: ApiKey) -> ChatError:
    """Return the error of an answer that is no success."""
    details = answer.text(key)
    reason = shown(key.redact(" ".join(_said(answer, key).split())), 300)
    if _is_filtered(_fault(answer)) or "content management policy" in reason:
        return ChatError("refused", f"the server's filter refused the request: {reason}", details)
    says = f"the server answered {answer.status}" + (f": {reason}" if reason else "")
    says += _hint(answer, key)
    temporary = answer.status >= 500 or answer.status == 429
    return ChatError("server" if temporary else "request", says, details)


def _fault(answer: HttpAnswer) -> Any:
    """Return the part of an error's body that speaks of the error."""
    value = answer.json()
    if isinstance(value, list) and value:
        value = value[0]
    return value.get("error", value) if isinstance(value, dict) else value


def _said(answer: HttpAnswer, key: ApiKey) -> str:
    fault = _fault(answer)
    if isinstance(fault, str):
        return fault
    if isinstance(fault, dict):
        for name in ("message", "detail", "msg"):
            if isinstance(fault.get(name), str):
                return str(fault[name])
        if found := "; ".join(f"{'.'.join(place)}: {text}" for place, text in _faults(fault)):
            return found
    if "html" in answer.kind.lower() or answer.body[:200].lstrip().lower().startswith(b"<"):
        found_title = _TITLE.search(answer.body[:_HEAD])
        title = found_title[1].decode(errors="replace").strip() if found_title else ""
        return f"a page in HTML titled {title!r}" if title else "a page in HTML"
    return answer.text(key)


def _faults(fault: Mapping[str, Any]) -> Iterator[tuple[list[str], str]]:
    """Yield (place, text) of each fault in a list under `detail`."""
    listed = fault.get("detail")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict):
            place = one.get("loc")
            parts = place if isinstance(place, list) else []
            yield [str(part) for part in parts], str(one.get("msg", ""))


def _is_filtered(fault: Any) -> bool:
    if not isinstance(fault, dict):
        return False
    inner = fault.get("innererror")
    codes = (fault.get("code"), inner.get("code") if isinstance(inner, dict) else None)
    return any(code in _FILTERS for code in codes)


def _hint(answer: HttpAnswer, key: ApiKey) -> str:
    if 300 <= answer.status < 400:
        place = f" to {shown(key.redact(answer.location), 200)}" if answer.location else ""
        return (
            f": it redirects{place}, and redirects are not followed, for the key would go along; "
            "name that server by --base-url"
        )
    if answer.status == 404 and isinstance(answer.json(), dict) and b"model" in answer.body:
        return "; --model-map NAME=OTHER asks another model"
    if answer.status in (404, 405):
        return "; is the base URL whole? most end with /v1"
    return ""


def refused_in(answer: HttpAnswer, sent: Mapping[str, Any], spoken: str) -> Refusal:
    """Return which of the optional parameters sent an answer refuses; arguments as `refusal_in`."""
    fault = _fault(answer)
    if fault is None:
        fault = answer.body[:_HEAD].decode(errors="replace")
    return refusal_in(fault, sent, spoken)


def refuses_form(answer: HttpAnswer) -> bool:
    """Whether a server may take the same request with the reply's shape asked for otherwise."""
    if answer.status in (400, 422, 501):
        return True
    # llama.cpp answers 500 where it cannot make a grammar of a schema: it always will.
    return answer.status == 500 and _OF_FORM.search(str(_fault(answer))[:_HEAD]) is not None


def is_loading(answer: HttpAnswer) -> bool:
    """Whether a server says that its model is not up yet."""
    return answer.status == 503 and b"loading" in answer.body[:_HEAD].lower()


def is_out_of_money(answer: HttpAnswer) -> bool:
    """Whether a 429 is one that no waiting ends."""
    return b"insufficient_quota" in answer.body or b"billing_hard_limit" in answer.body
