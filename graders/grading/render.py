"""What a row's templates give: the texts that its leaves see. Nobody is asked for anything."""

from __future__ import annotations

from typing import Any

from graders.plan import Plan
from graders.sample import prepared

__all__ = ["render_inputs"]


def render_inputs(plan: Plan, item: Any, sample: Any) -> dict[str, dict[str, str]]:
    """Return one row's rendered text fields by leaf key; a field that fails is left out."""
    samples = [prepared(sample, plan.wanted)]
    shown: dict[str, dict[str, str]] = {}
    for leaf in plan.leaves:
        for name, index in leaf.fields.items():
            rendered = plan.render(index, [item], samples)
            if not rendered.failures:
                shown.setdefault(leaf.key, {})[name] = rendered.texts[0]
    return shown
