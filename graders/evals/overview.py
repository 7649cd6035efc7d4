"""What a run's report shows: figures over all output items, and each item in a few words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders import jsontext
from graders.batch.tally import Figures

__all__ = [
    "Figure", "Overview", "beginning", "criterion_names", "haystack", "record", "shown_source",
    "status_in", "text_of_answer",
]  # fmt: skip

STATUSES: Final = ("pass", "fail", "error")
_BLOCK: Final = 4096
_BEGINNING: Final = 200
_FEW: Final = 5


@dataclass(slots=True)
class Figure:
    """What one criterion said of all items.

    Attributes:
        verdicts: how many it passed, failed, and could not grade.
        scores: its scores.
        codes: why it could not grade, and how often.
    """

    verdicts: list[int] = field(default_factory=lambda: [0, 0, 0])
    scores: Figures = field(default_factory=Figures)
    codes: Counter[str] = field(default_factory=Counter)
    _held: list[float] = field(default_factory=list)

    def add(self, result: Mapping[str, Any]) -> None:
        """Count one result."""
        status, score = status_in(result), result.get("score")
        self.verdicts[STATUSES.index(status)] += 1
        if isinstance(score, int | float) and not isinstance(score, bool):
            self._held.append(float(score))
            if len(self._held) >= _BLOCK:
                self.settle()
        if status == "error":
            error = result.get("error")
            code = error.get("code") if isinstance(error, Mapping) else None
            self.codes[str(code or "error")[:80]] += 1

    def settle(self) -> None:
        """Take up what was added last."""
        self.scores.add(self._held)
        self._held = []

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON, with the bars of the distribution and the ends of its axis."""
        self.settle()
        passed, failed, errored = self.verdicts
        bars = self.scores.bars() if self.scores.count else []
        few = self.scores.values() is not None
        ends = None if few or not bars else self.scores.histogram(len(bars))
        return {
            "passed": passed, "failed": failed, "errored": errored,
            "scores": self.scores.to_dict(), "bars": bars,
            "ends": None if ends is None else [ends[0][0], ends[-1][1]],
            "codes": self.codes.most_common(_FEW),
        }  # fmt: skip


class Overview:
    """The figures of a run, exact over the items that were added.

    Args:
        shown: the testing_criteria as the API shows them.
    """

    def __init__(self, shown: Sequence[Mapping[str, Any]]) -> None:
        self._shown = {str(one.get("id") or one.get("name")): one for one in shown}
        self.figures = {name: Figure() for name in self._shown}
        self.counts = dict.fromkeys(STATUSES, 0)

    def add(self, status: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Count one item."""
        self.counts[status if status in STATUSES else "error"] += 1
        for one in results:
            self.figures.setdefault(str(one.get("name")), Figure()).add(one)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and what each criterion said, as JSON."""
        names = criterion_names(self._shown.values(), self.figures)
        return {
            "counts": {"total": sum(self.counts.values()), **self.counts},
            "criteria": [
                {
                    "id": name, "name": names[name], "type": self._shown.get(name, {}).get("type"),
                    "threshold": self._shown.get(name, {}).get("pass_threshold"),
                    **one.to_dict(),
                }
                for name, one in self.figures.items()
            ],
        }  # fmt: skip


def criterion_names(shown: Iterable[Mapping[str, Any]], found: Iterable[str]) -> dict[str, str]:
    """Return what people call each criterion, by its id: its name, or the id where it has none."""
    named = {str(one.get("id") or one.get("name")): one.get("name") for one in shown}
    return {name: str(named.get(name) or name)[:200] for name in found}


def status_in(result: Mapping[str, Any]) -> str:
    """Return what a result says; those brought along from elsewhere may say only `passed`."""
    status = result.get("status")
    if status in STATUSES:
        return str(status)
    return "pass" if result.get("passed") is True else "fail"


def record(item: Mapping[str, Any], *, short: int = _BEGINNING) -> dict[str, Any]:
    """Return an output item as a line of a table: verdicts, and how item and answer begin."""
    return {
        "id": item["id"],
        "place": item["datasource_item_id"],
        "status": item["status"],
        "item": beginning(item["datasource_item"], short),
        "answer": _cut(text_of_answer(item["sample"]), short),
        "results": {
            str(one.get("name")): [status_in(one), one.get("score")] for one in item["results"]
        },
    }


def beginning(item: Any, most: int = _BEGINNING) -> str:
    """Return how an item begins: names and values, as many as fit."""
    if not isinstance(item, Mapping):
        return _cut(_plain(item), most)
    parts, room = [], most
    for name, value in item.items():
        if room <= 0:
            parts.append("…")
            break
        parts.append(f"{_cut(str(name), 60)}: {_cut(_plain(value), room)}")
        room -= len(parts[-1])
    return " · ".join(parts)


def text_of_answer(sample: Any) -> str:
    """Return what a model said in a sample as an output item shows it; "" for nothing."""
    output = sample.get("output") if isinstance(sample, Mapping) else None
    said = [_said(one) for one in output if isinstance(one, Mapping)] if output else []
    return "\n".join(one for one in said if one)


def _said(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        content = "".join(text for text in parts if isinstance(text, str))
    if isinstance(content, str) and content:
        return content
    if message.get("refusal"):
        return str(message["refusal"])
    return _plain(message["tool_calls"]) if message.get("tool_calls") else ""


def haystack(item: Mapping[str, Any]) -> str:
    """Return all that people look for in an output item, in lower case."""
    parts = [str(item["datasource_item_id"]), _plain(item["datasource_item"])]
    parts.append(text_of_answer(item["sample"]))
    for one in item["results"]:
        if isinstance(error := one.get("error"), Mapping):
            parts += [str(error.get("code")), str(error.get("message"))]
        parts.append(text_of_answer(one.get("sample")))
    return "\n".join(parts).lower()


def shown_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a run's rows and answers come from, without the rows themselves."""
    of = source.get("source")
    of = of if isinstance(of, Mapping) else {}
    content = of.get("content")
    kept = {name: value for name, value in source.items() if name not in ("source", "type")}
    return {
        "type": source.get("type"),
        "rows": len(content) if isinstance(content, list) else None,
        "of": {name: value for name, value in of.items() if name != "content"},
        "asked": _cut(jsontext.encode(kept, indent=True).decode(), 20_000) if kept else None,
    }


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return jsontext.encode(value).decode()
    except ValueError:
        return "(it nests too deeply to be shown)"


def _cut(text: str, most: int) -> str:
    """Return a text that is no longer than that, and says so where it is cut."""
    return text if len(text) <= most else f"{text[:most]}…"
