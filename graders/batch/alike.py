"""What decides a grade on a machine, so that several machines can be seen to grade alike.

A run over several of them has one manifest: it holds only where all have the same graders, Python,
packages, extensions, interpreters and sandbox.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from graders.batch.executor import Job
from graders.errors import GradersError
from graders.grading.performers import Setup
from graders.grading.source import seen_in
from graders.plan import Plan, build
from graders.sandbox.level import require
from graders.version import __version__

__all__ = ["Machine", "describe", "difference", "machine"]

_OURS: Final = "local-graders"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECONDS: Final = 60.0
_ASK: Final = (
    "import json, platform; from importlib.metadata import distributions; "
    "print(json.dumps([platform.python_version(), "
    "{one.name.lower(): one.version for one in reversed([*distributions()]) if one.name}]))"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides a grade on one machine.

    Attributes:
        facts: what has to be the same everywhere, by what a sentence calls it.
        packages: versions that have to be the same where both machines have the package, by what
            runs python graders and by package.
    """

    facts: Mapping[str, str]
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def describe(job: bytes) -> Machine | str:
    """Return this machine for a job that another one pickled; why it cannot do it where it cannot."""
    try:
        given: Job = pickle.loads(job)  # noqa: S301  (of the run's own process)
        if given.setup is None:
            raise TypeError("a job for other machines has a setup")
        return machine(given.setup)
    except GradersError as error:
        return str(error)
    except ImportError as error:  # The config is of a kind that an extension has.
        return f"{error.name or error} cannot be imported there ({error})"
    except (AttributeError, pickle.UnpicklingError) as error:
        return f"its graders are of another version ({error})"


def machine(setup: Setup) -> Machine:
    """Return what decides the grades of a setup on this machine.

    Raises:
        GradersError: it cannot grade so.
    """
    plan = build(setup.config, setup.reading)
    facts = {
        "graders": __version__,
        "Python": platform.python_version(),
        **{f"the package {name}": version for name, version in _needed(plan).items()},
        **{f"the code of {name}": digest for name, digest in _code(plan).items()},
        **{f"how {key or 'the score'} is made": how for key, how in plan.signatures.items()},
    }
    packages: dict[str, Mapping[str, str]] = {}
    if plan.needs("python"):
        facts["the sandbox level"] = require(setup.python.sandbox)
        given = setup.python.interpreter
        found = setup.python.interpreters(plan.image_tags)
        for tag in sorted(plan.image_tags):
            called = f"image {tag}" if tag and given is None else f"{given or 'python graders'}"
            path = found.get(tag)
            version, packages[called] = ("graders' own", _own()) if path is None else _asked(path)
            facts[f"the interpreter of {called}"] = version
        for key, seen in seen_in(plan, setup.python).items():
            named = ", ".join(sorted({one.module for one in seen.missing}))
            facts[f"what {key or 'the source'} imports and is missing"] = named or "nothing"
    return Machine(facts, packages)


def difference(here: Machine, there: Machine) -> str:
    """Return in what another machine differs from this one, as the end of a sentence; "" in nothing."""
    for name in {**here.facts, **there.facts}:
        mine, other = here.facts.get(name, "none"), there.facts.get(name, "none")
        if mine != other:
            return f"{name} is {other} there and {mine} here"
    for interpreter, mine_all in here.packages.items():
        others = there.packages.get(interpreter, {})
        for name in sorted(mine_all.keys() & others.keys()):
            if mine_all[name] != others[name]:
                return f"the package {name} of {interpreter} is {others[name]} there and {mine_all[name]} here"
    return ""


def _own() -> dict[str, str]:
    """Return the version of each package here; of two of one name the first is imported."""
    return {one.name.lower(): one.version for one in reversed([*distributions()]) if one.name}


def _needed(plan: Plan) -> dict[str, str]:
    """Return the version of each package that graders and a plan's extensions need to work."""
    found: dict[str, str] = {}
    names = [_OURS, *(one.package for one in plan.extensions)]
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name in found:
            continue
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue  # For another system or Python; or graders is on the path without being installed.
        found[name] = one.version
        for line in one.requires or ():
            match = _NAME.match(line)
            if match is not None and "extra ==" not in line:
                names.append(match.group())
    found.pop(_OURS, None)  # Its version is told by itself.
    return dict(sorted(found.items()))


def _code(plan: Plan) -> dict[str, str]:
    """Return a digest of the code of graders and of a plan's extensions: versions alone can lie."""
    modules = {"graders": "graders"}
    for one in plan.extensions:
        modules[one.package] = one.value.partition(":")[0].partition(".")[0]
    return {name: _digest(_files(module)) for name, module in modules.items()}


def _files(module: str) -> list[tuple[str, Path]]:
    spec = find_spec(module)
    if spec is None:
        return []
    folders = [Path(one) for one in spec.submodule_search_locations or ()]
    if not folders:
        return [(module, Path(spec.origin))] if spec.origin else []
    return sorted(
        (path.relative_to(folder).as_posix(), path)
        for folder in folders
        for path in folder.rglob("*.py")
    )


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _asked(interpreter: Path) -> tuple[str, Mapping[str, str]]:
    """Return version and packages of another interpreter; "not there" where none answers."""
    try:
        asked = subprocess.run(
            [str(interpreter), "-c", _ASK], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_SECONDS, check=True,
        )  # fmt: skip
        version, packages = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "not there", {}
    return f"Python {version}", packages
