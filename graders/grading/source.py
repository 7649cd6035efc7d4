"""What can be said of a grader before any row is graded: what its sources ask for."""

from __future__ import annotations

from typing import Any

from graders.calls import PythonError
from graders.errors import UnavailableError
from graders.plan import Plan
from graders.sandbox import IMAGES, PythonOptions, Seen, look
from graders.sandbox.image import interpreter

__all__ = ["package_hint", "refuse_machine", "seen_in"]


def seen_in(plan: Plan, python: Any) -> dict[str, Seen]:
    """Return what is seen of each python source, by sub-grader key.

    Args:
        plan: the graders.
        python: how they are run; nothing is known of what another performer has.
    """
    found = {}
    for leaf in plan.leaves:
        if (code := leaf.code) is not None and isinstance(python, PythonOptions):
            tag = code.image_tag or ""
            one = look(code.source, python.interpreters([tag]).get(tag))
            if python.sandbox in ("limits", "basic"):  # which let a source start processes
                one = Seen(one.missing, tuple(hint for hint in one.hints if hint.kind != "process"))
            found[leaf.key] = one
    return found


def refuse_machine(error: PythonError) -> None:
    """Raise what is this machine's doing and no source's.

    Raises:
        UnavailableError: it is.
    """
    if error.kind in ("sandbox_unavailable", "worker_start"):
        raise UnavailableError(f"python graders cannot run on this machine: {error.message}")


def package_hint(error: PythonError, tag: str | None) -> str:
    """Return how a package that a source lacks could be there, "" for other errors."""
    if error.exception != "ModuleNotFoundError":
        return ""
    if tag is not None and tag in IMAGES and interpreter(tag) is None:
        return f"; `graders image build {tag}` makes its image, --python names another interpreter"
    return "; --python names the interpreter of an environment that has it"
