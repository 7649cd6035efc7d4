"""What judges say of each other, and what they cost, as lines beneath a summary."""

from __future__ import annotations

from graders.batch.tally import Tally
from graders.report.finding import Notice
from graders.report.terminal import number

__all__ = ["finding_notes", "panel_notes"]


def panel_notes(tally: Tally, *, marked: bool = True) -> list[str]:
    """Say how much the judges of panels agree with each other.

    Args:
        tally: what was counted.
        marked: whether the pass marks are known.
    """
    notes = []
    for key, panel in tally.panels.items():
        where = f"{key}: " if key else ""
        split = f", on both sides of the pass mark in {panel.split:,}" if marked else ""
        notes.append(
            f"panel: {where}two judges are {number(panel.disagreement)} apart on average; "
            f"unanimous in {panel.unanimous:,} of {panel.compared:,} rows{split}"
        )
        notes += [
            f"  {name}: mean {number(seat.mean)}, no verdict for {seat.failed:,} of {panel.rows:,} rows"
            for name, seat in panel.seats.items()
        ]
    return notes


def finding_notes(finding: Notice) -> list[str]:
    """Say of a file of results how its judges agree, and what they cost where that is known."""
    notes = panel_notes(finding.tally, marked=finding.judged_flips)
    return [*notes, f"cost: {finding.paid}"] if finding.paid else notes
