"""Libraries that word their errors otherwise: all they say is nonsense."""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
import zlib
from typing import Any, Final

import click
import httpx2
import jinja2
import orjson
import pyarrow.lib
import pytest
import yaml

WORDS: Final = "colourless green ideas"


class _Reworded:
    """A pydantic error whose sentences are nonsense; its kinds and places are as they were."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def errors(self, **options: Any) -> list[dict[str, Any]]:
        return [{**one, "msg": WORDS} for one in self._error.errors(**options)]


def _caller() -> str:
    """Return the package that makes the object whose `__init__` this is called in."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_name in ("__init__", "fail"):
        frame = frame.f_back
    return str(frame.f_globals["__name__"]).partition(".")[0]


def _reword(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], library: str) -> None:
    """Let what a library raises of a kind say nonsense; what we raise of it is left alone."""
    initialise: Any = kind.__init__

    def worded(self: Any, *arguments: Any, **named: Any) -> None:
        if _caller() == library and not isinstance(self, click.exceptions.NoArgsIsHelpError):
            arguments = (
                tuple(WORDS if isinstance(one, str) else one for one in arguments[:1])
                + (arguments[1:])
            )
            named = {name: WORDS if name == "message" else one for name, one in named.items()}
        initialise(self, *arguments, **named)

    monkeypatch.setattr(kind, "__init__", worded)


def reword(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every library that reads what users give say nonsense of what it refuses."""
    for kind, library in (
        (click.ClickException, "click"),
        (jinja2.TemplateSyntaxError, "jinja2"),
        (json.JSONDecodeError, "json"),
        (yaml.error.MarkedYAMLError, "yaml"),
    ):
        _reword(monkeypatch, kind, library)
    for spoken in (
        orjson.JSONDecodeError,
        json.JSONDecodeError,
        yaml.YAMLError,
        yaml.reader.ReaderError,
        sqlite3.Error,
        zlib.error,
        pyarrow.lib.ArrowException,
        httpx2.HTTPError,
        httpx2.InvalidURL,
    ):
        monkeypatch.setattr(spoken, "__str__", lambda _: WORDS)
    for spoken in (jinja2.TemplateRuntimeError, jinja2.exceptions.SecurityError):
        monkeypatch.setattr(spoken, "__str__", lambda _: WORDS)
    undefined: Any = jinja2.Undefined.__init__

    def hinted(self: Any, hint: str | None = None, *rest: Any, **named: Any) -> None:
        said = WORDS if hint and _caller() == "jinja2" else hint
        undefined(self, said, *rest, **named)

    monkeypatch.setattr(jinja2.Undefined, "__init__", hinted)
    config_load: Any = importlib.import_module("graders.config.load")
    faults_of = config_load.faults_of
    monkeypatch.setattr(
        config_load, "faults_of", lambda error, *rest: faults_of(_Reworded(error), *rest)
    )
