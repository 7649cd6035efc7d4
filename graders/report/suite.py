"""What the tests of suites gave, as terminal text, as JSON values and as JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from rich.console import Group, RenderableType
from rich.text import Text

from graders.suite import Coverage, Outcome, Rewrite
from graders.suite.explain import explain_outcome

__all__ = ["SuiteRun", "coverage_view", "junit_xml", "suite_json", "suite_view", "total_view"]

_LISTED: Final = 8
# XML 1.0 has no way to write these, not even escaped.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """What became of one suite file.

    Attributes:
        path: the file.
        outcomes: of its tests, in order; empty with an error.
        coverage: what they exercised; None where that was not followed.
        error: why it could not be run; "" where it was.
        rewrite: what became of its expectations; None where they were not to be rewritten.
        grader: the file its grader came from; "" where it could not be run, or has it within.
    """

    path: str
    outcomes: Sequence[Outcome] = ()
    coverage: Coverage | None = None
    error: str = ""
    rewrite: Rewrite | None = None
    grader: str = ""

    @property
    def failed(self) -> list[Outcome]:
        """The tests that did not pass; those whose expectations were rewritten do."""
        written = set(self.rewrite.changed) if self.rewrite is not None else set()
        return [one for one in self.outcomes if not one.passed and one.test.name not in written]


def suite_view(run: SuiteRun) -> RenderableType:
    """Show one suite: a line when all is well, else each failed test and why."""
    if run.error:
        return Text.assemble((f"{run.path}: not run\n", "bold red"), _clean(run.error))
    count, failed = len(run.outcomes), run.failed
    head = Text.assemble((run.path, "bold"), f"  {count:,} test{'' if count == 1 else 's'}")
    head.append(
        f", {len(failed)} failed" if failed else ", all passed", "red" if failed else "green"
    )
    parts: list[RenderableType] = [head]
    for one in failed:
        where = f"{run.path}:{one.test.line}"
        title = Text.assemble(("FAILED  ", "bold red"), (_clean(one.test.name), "bold"))
        title.append(f"  ({one.test.kind}, {where})", "dim")
        body = explain_outcome(one).split("\n")
        problems = len(one.problems)
        parts += ["", title, *(Text(f"  {line}", "red") for line in body[:problems])]
        parts += [Text(f"  {line}" if line else "") for line in body[problems:]]
    if run.rewrite is not None:
        parts += _rewritten(run.rewrite)
    if failed:
        parts.append("")
    if run.coverage is not None:
        parts.append(coverage_view(run.coverage))
    return Group(*parts)


def _rewritten(rewrite: Rewrite) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if rewrite.changed:
        names = ", ".join(map(_clean, rewrite.changed))
        parts.append(Text(f"rewrote what is expected of: {names}", "yellow"))
    parts += [Text(f"not rewritten: {_clean(one)}", "yellow") for one in rewrite.refused]
    return parts


def coverage_view(coverage: Coverage) -> RenderableType:
    """Show which parts of a grader were exercised, and what was not."""
    share = f"{coverage.share:.0%}"
    lines = [Text(f"coverage  {share}  {coverage.covered} of {coverage.points}", "dim")]
    for part in coverage.parts:
        if missing := part.missing:
            runs = _runs(missing)
            listed = ", ".join(map(_clean, runs[:_LISTED]))
            more = len(runs) - _LISTED
            listed += f" and {more} more" if more > 0 else ""
            name = _clean(part.key) or part.type
            lines.append(Text(f"  {name}: not reached: {listed}", "yellow"))
        if part.note:
            lines.append(Text(f"  {_clean(part.key) or part.type}: {_clean(part.note)}", "yellow"))
    return Group(*lines)


def _runs(points: Sequence[str]) -> list[str]:
    """Return points with lines that follow each other put together: `lines 3-5`."""
    shown: list[str] = []
    first = last = -1
    for point in [*points, ""]:
        number = int(point[5:]) if re.fullmatch(r"line \d+", point) else -1
        if number != -1 and number == last + 1:
            last = number
            continue
        if first != -1:
            shown.append(f"line {first}" if first == last else f"lines {first}-{last}")
        first = last = number
        if number == -1 and point:
            shown.append(point)
    return shown


def total_view(runs: Sequence[SuiteRun], seconds: float) -> RenderableType:
    """Show the sum of several suites in a line."""
    tests = sum(len(run.outcomes) for run in runs)
    failed = sum(len(run.failed) for run in runs)
    broken = sum(bool(run.error) for run in runs)
    text = f"{tests - failed} passed" + (f", {failed} failed" if failed else "")
    text += f", {broken} suite{'s' if broken > 1 else ''} not run" if broken else ""
    return Text(f"{text} in {seconds:.2f} s", "bold red" if failed or broken else "bold green")


def suite_json(run: SuiteRun) -> dict[str, Any]:
    """Return what became of one suite for machines; nothing depends on time."""
    failed = {one.test.name for one in run.failed}
    body: dict[str, Any] = {
        "suite": run.path,
        "error": run.error or None,
        "tests": [
            {
                "name": one.test.name,
                "kind": one.test.kind,
                "line": one.test.line,
                "passed": one.test.name not in failed,
                "problems": list(one.problems),
                "rows": [
                    {
                        "label": shown.row.label,
                        **shown.explained.grade.to_dict(),
                        "rendered": shown.explained.rendered,
                    }
                    for shown in one.shown
                ],
            }
            for one in run.outcomes
        ],
        "coverage": None if run.coverage is None else run.coverage.to_dict(),
    }
    if run.rewrite is not None:
        body["rewritten"] = list(run.rewrite.changed)
        body["not_rewritten"] = list(run.rewrite.refused)
    return body


def junit_xml(runs: Iterable[SuiteRun]) -> bytes:
    """Return the JUnit XML that CI systems read: a testsuite a file, a testcase a test."""
    root = ET.Element("testsuites", name="graders")
    for run in runs:
        failed = {one.test.name for one in run.failed}
        seconds = sum(one.seconds for one in run.outcomes)
        suite = ET.SubElement(
            root, "testsuite", name=_xml(run.path), tests=str(len(run.outcomes) or 1),
            failures=str(len(failed)), errors=str(int(bool(run.error))), skipped="0",
            time=f"{seconds:.3f}",
        )  # fmt: skip
        if run.error:
            case = ET.SubElement(suite, "testcase", classname=_xml(run.path), name="suite")
            ET.SubElement(case, "error", message=_xml(run.error.split("\n")[0])).text = _xml(
                run.error
            )
        for one in run.outcomes:
            case = ET.SubElement(
                suite, "testcase", classname=_xml(run.path), name=_xml(one.test.name),
                file=_xml(run.path), line=str(one.test.line), time=f"{one.seconds:.3f}",
            )  # fmt: skip
            if one.test.name in failed:
                failure = ET.SubElement(case, "failure", message=_xml(one.problems[0]))
                failure.text = _xml(explain_outcome(one))
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", text)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
