"""The manifest: what a run was made from, beside its results, so that only its like goes on.

It holds digests, versions, options and the sandbox's level; no key, no text of a row.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from graders import config as configs
from graders import jsontext
from graders.errors import quoted
from graders.extension import Extension, packages
from graders.grading.performers import Setup
from graders.models import JudgeOptions
from graders.option import options_of
from graders.plan import Plan
from graders.remote import Place, Remote
from graders.rows import Layout, RowRange, reader_of, written
from graders.sandbox.level import require
from graders.version import __version__
from graders.wire.endpoint import base_url
from graders.wire.transport import transport_of

__all__ = [
    "describe", "differences", "grader_digest", "input_changes", "manifest_for", "manifest_of", "new_manifest_of", "read_manifest",
    "scored_by", "write_manifest",
]  # fmt: skip

_FORMAT: Final = 1
_LONGEST: Final = 64 << 20


def manifest_of(output: Path) -> Path:
    """Return where the manifest of an output stands."""
    return output.with_name(output.name + ".manifest.json")


def new_manifest_of(path: Path) -> Path:
    """Return where a manifest is written before it takes its place."""
    return path.with_name(path.name + ".new")


def manifest_for(results: Place) -> dict[str, Any] | None:
    """Return the manifest beside results, an interrupted run's included; None where there is none."""
    if isinstance(results, Remote):
        return read_manifest(results.beside(".manifest.json"))
    beside = results.resolve()
    return read_manifest(manifest_of(beside.with_name(beside.name.removesuffix(".partial"))))


def scored_by(manifest: Mapping[str, Any] | None) -> str | None:
    """Return where in a row the categories of a run's results stand, as it is written; None for none."""
    options = (manifest or {}).get("options")
    steps = options.get("by") if isinstance(options, Mapping) else None
    return written(steps) if isinstance(steps, list) else None


def grader_digest(config: Any) -> str:
    """Return what tells a typed config from others."""
    return hashlib.sha256(jsontext.encode(configs.dump(config))).hexdigest()


def describe(
    plan: Plan,
    *,
    setup: Setup | None,
    signatures: Mapping[str, str],
    layout: Layout,
    rows: RowRange,
    on_error: str,
    inputs: Sequence[Mapping[str, Any]],
    judgements: bool = False,
) -> dict[str, Any]:
    """Return a run's manifest: JSON, the same for the same run.

    Args:
        plan: the config made executable.
        setup: how python graders are run and models asked; None where the caller does it.
        signatures: how each metric is made.
        layout: where item and sample stand.
        rows: which rows are scored.
        on_error: what stands for a failed row's reward.
        inputs: what tells the input from others.
        judgements: whether judgements are kept beside the results.
    """
    options: dict[str, Any] = {
        **_kept(plan.reading),
        "item_path": list(layout.item),
        "sample_path": list(layout.sample),
        "cells": "typed" if layout.typed else "text",
        **({} if layout.by is None else {"by": list(layout.by)}),
        "on_error": on_error,
        "rows": [rows.start, rows.stop],
        **({"keep_judgements": True} if judgements else {}),
    }
    sandbox = None
    used: list[Extension | None] = [*plan.extensions]
    if setup is not None and plan.needs("python"):
        options |= _kept(setup.python)
        sandbox = require(setup.python.sandbox)
    if setup is not None and plan.asks_servers:
        options |= _kept(setup.judge) | _panel(setup.judge)
        for name in ("base_url", "embedding_url"):
            options[name] = _without_secrets(options[name])
        urls = (base_url(setup.judge.base_url), setup.judge.embedding_url or "")
        used += [transport_of(urlsplit(url).scheme) for url in urls]
    used += [reader_of(Path(one["path"])) for one in inputs]
    extensions = packages(one for one in used if one is not None)
    return {
        "format": _FORMAT,
        "versions": {"graders": __version__, "python": platform.python_version()},
        "grader": {
            "name": plan.name,
            "type": plan.type,
            "sha256": grader_digest(plan.config),
        },
        "metrics": dict(signatures),
        "sandbox": sandbox,
        "options": options,
        "inputs": [dict(one) for one in inputs],
        **({"extensions": extensions} if extensions else {}),
    }


def _kept(options: Any) -> dict[str, Any]:
    """Return the options that can change a result; not how fast or how often it is asked for."""
    known = (one for one in options_of(options.__class__) if one.kept)
    return {one.name: _plain(getattr(options, one.field)) for one in known}


def _panel(judge: JudgeOptions) -> dict[str, Any]:
    """Return what can change a verdict of a panel, or of several criteria at once; {} without."""
    found: dict[str, Any] = {"ask_together": True} if judge.ask_together else {}
    if judge.panel is not None:
        judges = [one.to_dict() for one in judge.panel.judges]
        found["panel"] = [{**one, "base_url": _without_secrets(one["base_url"])} for one in judges]
        found |= {"panel_rule": judge.panel_rule, "panel_quorum": judge.panel_quorum}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else value


def _without_secrets(url: Any) -> Any:
    """Return an address without the user and the query, where keys are sometimes put."""
    if not isinstance(url, str):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in which points two runs differ so that one cannot go on with the other's results."""
    if then.get("format") != now["format"]:
        return ["the manifest is of another version of graders"]
    found = [
        f"{name} was {then['versions'].get(name)} and is {version}"
        for name, version in now["versions"].items()
        if then["versions"].get(name) != version
    ]
    if then["grader"] != now["grader"]:
        names = [one["grader"]["name"] for one in (then, now)]
        named = f" (it was {quoted(names[0])})" if names[0] != names[1] else ""
        found.append(f"the grader has changed{named}")
    old, new = (one.get("extensions", {}) for one in (then, now))
    if old != new:
        neither = dict.fromkeys([*old, *new], "none")
        change = _first_change({**neither, **old}, {**neither, **new})
        found.append(f"an extension has changed: {change}")
    elif then["metrics"] != now["metrics"] and then["grader"] == now["grader"]:
        found.append(
            "a metric is made otherwise: " + _first_change(then["metrics"], now["metrics"])
        )
    if then["sandbox"] != now["sandbox"]:
        found.append(f"the sandbox was {then['sandbox']} and is {now['sandbox']}")
    if then["options"] != now["options"]:
        found.append("an option has changed: " + _first_change(then["options"], now["options"]))
    found += input_changes(then["inputs"], now["inputs"])
    old, new = (one.get("only_failed") for one in (then, now))
    if (old is None) != (new is None):
        found.append("--only-failed was given for one run and not for the other")
    elif old is not None and new is not None and old.get("sha256") != new.get("sha256"):
        found.append("the earlier results of --only-failed are others")
    return found


def _first_change(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    name = next(one for one in [*now, *then] if then.get(one) != now.get(one))
    return f"{name} was {_shown(then.get(name))} and is {_shown(now.get(name))}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.encode(value).decode()


def input_changes(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in what the inputs of two runs differ."""
    if len(then) != len(now):
        return [f"the rows came from {len(then)} files and now come from {len(now)}"]
    for old, new in zip(then, now, strict=True):
        if any((one in old) != (one in new) for one in ("sha256", "version")):
            return [f"the rows came from {old['path']} and now come from {new['path']}"]
        if old.get("size") != new.get("size"):
            return [f"{new['path']} had {old['size']:,} bytes and has {new['size']:,}"]
        if any(old.get(one) != new.get(one) for one in ("sha256", "version")):
            return [f"{new['path']} holds other rows of the same size"]
    return []


def read_manifest(path: Place) -> dict[str, Any] | None:
    """Return a manifest; None where there is none that can be read."""
    try:
        data = path.read(_LONGEST) if isinstance(path, Remote) else path.read_bytes()
        found = jsontext.decode(data)
    except (OSError, ValueError):
        return None
    return found if _fits(found, _SHAPE) else None


_FILE: Final = {"path": str, "size?": int, "sha256?": str, "version?": str, "lines?": int}
_SHAPE: Final = {
    "format": int,
    "versions": {},
    "grader": {"name": str, "type": str, "sha256": str},
    "metrics": {},
    "sandbox": (str, type(None)),
    "options": {},
    "inputs": [_FILE],
    "extensions?": {},
    "only_failed?": _FILE,
    "stream?": {"rows": int, "bytes": int, "sha256": str},
    "complete?": {"rows": int, "bytes": int, "sha256": str},
    "judgements?": {"file": str, "bytes": int, "sha256": str},
    "cost?": {},
}
"""What a manifest is made of: a type, several, a list of such, an object with such (`?`: perhaps)."""


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            (name.endswith("?") and name.removesuffix("?") not in value)
            or _fits(value.get(name.removesuffix("?")), inner)
            for name, inner in shape.items()
        )
    return isinstance(value, shape)


def write_manifest(path: Path, body: Mapping[str, Any]) -> None:
    """Write a manifest whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    beside = new_manifest_of(path)
    try:
        with beside.open("wb") as stream:
            stream.write(jsontext.encode(dict(body), indent=True) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
