"""`graders doctor`: what this machine gives to the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def test_a_machine_is_described_for_people_and_for_machines(command: Command) -> None:
    people, machines = command("doctor"), command("doctor", "--json")
    assert people.err == machines.err == ""
    assert people.code == machines.code == (0 if machines.json["default"] else 1)
    for level in machines.json["levels"]:
        assert level in people.out
    assert "\x1b" not in people.out


def test_the_models_of_ours_are_named_with_what_they_lack(command: Command) -> None:
    people, machines = command("doctor"), command("doctor", "--json")
    models = machines.json["models"]
    assert list(models) == ["judge of --base-url local", "cosine of --embedding-url local"]
    for name, missing in models.items():
        assert name in people.out
        assert not missing or "pip install" in missing
