"""The image's two files, read."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tools/container"


@dataclass(frozen=True)
class Dockerfile:
    """Its instructions, in order: name and what follows it, on one line."""

    instructions: list[tuple[str, str]]

    @classmethod
    def read(cls) -> Dockerfile:
        text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
        return cls(
            [
                (one.split()[0], one.partition(" ")[2].strip())
                for one in joined.splitlines()
                if one.strip()
            ]
        )

    def all(self, name: str) -> list[str]:
        return [rest for one, rest in self.instructions if one == name]

    def last(self, name: str) -> str:
        return self.all(name)[-1]

    @property
    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for one in self.all("ENV") for word in shlex.split(one))

    @property
    def command(self) -> list[str]:
        """What a container runs where nothing else is said."""
        return [*json.loads(self.last("ENTRYPOINT")), *json.loads(self.last("CMD"))]

    @property
    def health(self) -> list[str]:
        found: list[str] = json.loads(self.last("HEALTHCHECK").partition("CMD ")[2])
        return found


@pytest.fixture(scope="session")
def dockerfile() -> Dockerfile:
    return Dockerfile.read()


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return found
