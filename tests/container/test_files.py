"""The image definition and the compose file are true: options, ports, paths, sizes, versions; and the image's command serves."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest

import graders
from graders.cli import commands
from graders.cli.option import byte_size
from graders.sandbox import probe
from tests.container.conftest import FOLDER, ROOT, Dockerfile
from tests.server.process import BEARER, TOKEN, Serving
from tests.waiting import PATIENCE, until

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GRADER = {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 0.75"}


def options(words: Sequence[str]) -> dict[str, Any]:
    """Return what `graders serve` understands of words; fails as it does."""
    name, *rest = words
    assert name == "serve"
    serve = commands()["serve"]
    with click.Context(serve, info_name="serve") as context:
        serve.parse_args(context, [*rest])
        return context.params


@pytest.fixture(scope="module")
def service(compose: dict[str, Any]) -> dict[str, Any]:
    (found,) = compose["services"].values()
    assert isinstance(found, dict)
    return found


def of(service: dict[str, Any], name: str) -> Any:
    return options(service["command"])[name]


def size(text: str) -> int:
    found: int = byte_size.convert(text, None, None)
    return found


def test_the_images_options_are_the_servers(dockerfile: Dockerfile) -> None:
    assert dockerfile.command[0] == "graders"
    found = options(dockerfile.command[1:])
    assert found["sandbox"] == "standard"  # By name, so that it does not start where none is.
    assert found["host"] == "0.0.0.0"


def test_the_composed_options_are_the_servers_and_say_what_the_images_do(
    dockerfile: Dockerfile, service: dict[str, Any]
) -> None:
    image, composed = options(dockerfile.command[1:]), options(service["command"])
    for name in ("host", "port", "data_dir", "sandbox"):
        assert composed[name] == image[name], name


def test_one_port_is_spoken_of(dockerfile: Dockerfile, service: dict[str, Any]) -> None:
    port = str(options(dockerfile.command[1:])["port"])
    assert dockerfile.last("EXPOSE") == port
    assert f"127.0.0.1:{port}/healthz" in dockerfile.health[-1]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_what_is_written_has_a_place_though_the_root_is_read_only(
    dockerfile: Dockerfile, compose: dict[str, Any], service: dict[str, Any]
) -> None:
    place = Path(dockerfile.last("VOLUME"))
    assert service["read_only"] is True
    assert place in Path(options(dockerfile.command[1:])["data_dir"]).parents
    assert Path(dockerfile.environment["HOME"]) == place  # Where judges' replies are kept.
    volume, _, where = service["volumes"][0].partition(":")
    assert (Path(where), volume in compose["volumes"]) == (place, True)
    assert any(f"--mode 0700 {place}" in one for one in dockerfile.all("RUN"))


def test_nobody_is_root_and_nothing_is_gained(
    dockerfile: Dockerfile, service: dict[str, Any]
) -> None:
    user = dockerfile.last("USER")
    assert user == service["user"]
    number, _, group = user.partition(":")
    assert int(number) > 0
    made = dockerfile.all("RUN")[-1]
    assert f"--gid {group} graders" in made
    assert f"--uid {number} --gid {group}" in made
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


def test_scratch_memory_and_processes_are_enough_for_the_workers(service: dict[str, Any]) -> None:
    (tmpfs,) = service["tmpfs"]
    where, _, how = tmpfs.partition(":")
    said = dict(one.partition("=")[::2] for one in how.split(","))
    workers, memory, disk = (of(service, f"python_{one}") for one in ("workers", "memory", "disk"))
    assert where == "/tmp"
    assert {"noexec", "nosuid", "nodev"} <= {*said}
    assert size(said["size"]) > workers * disk
    assert size(service["mem_limit"]) >= workers * memory + size(said["size"]) + (1 << 30)
    assert service["memswap_limit"] == service["mem_limit"]
    assert service["pids_limit"] >= 128
    assert service["ulimits"]["nofile"] >= 1024


def test_the_token_is_a_secret_that_is_there(
    compose: dict[str, Any], service: dict[str, Any]
) -> None:
    token = Path(of(service, "token_file"))
    assert token.parent == Path("/run/secrets")
    assert token.name in service["secrets"]
    assert token.name in compose["secrets"]
    kept = compose["secrets"][token.name]["file"].removeprefix("./")
    assert subprocess.run(
        ["git", "check-ignore", "-q", f"tools/container/{kept}"], cwd=ROOT, check=False
    ).returncode in (0, 128), "the token is not to be committed"  # fmt: skip


def test_versions_are_those_of_the_project(service: dict[str, Any]) -> None:
    assert service["image"] == f"local-graders:{graders.__version__}"
    assert service["image"].startswith(PROJECT["project"]["name"])


def test_the_composed_file_builds_this_image(service: dict[str, Any]) -> None:
    build = service["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).resolve() == FOLDER / "Dockerfile"


def test_what_is_copied_is_there_and_goes_to_the_builder(dockerfile: Dockerfile) -> None:
    let_in = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        word for one in dockerfile.all("COPY") if "--from" not in one for word in one.split()[:-1]
    ]
    assert copied
    for one in copied:
        assert (ROOT / one).exists(), one
        assert f"!{one}" in let_in, f"{one} is kept from the builder"
    assert {one[1:] for one in let_in if one.startswith("!")} == {*copied}


def test_packages_come_from_locks_with_hashes(dockerfile: Dockerfile) -> None:
    installs = [
        part for one in dockerfile.all("RUN") for part in one.split("&&") if "pip install" in part
    ]
    assert len(installs) == 3
    for one in installs:
        assert "--require-hashes" in one or "--no-deps" in one, one
    locked = (ROOT / "tools/lock/container.txt").read_text(encoding="utf-8")
    needed = PROJECT["project"]["optional-dependencies"]["server"]
    for one in [*PROJECT["project"]["dependencies"], *needed]:
        name = re.split(r"[>=;]", one)[0].strip().replace(".", "-")
        assert f"\n{name}==" in f"\n{locked}", name


def test_what_built_it_is_taken_out_again(dockerfile: Dockerfile) -> None:
    (removed,) = (one for one in dockerfile.all("RUN") if "pip uninstall" in one)
    for one in ("setuptools", "wheel", "hatchling", "editables", "pip"):
        assert re.search(rf"uninstall --yes [\w\s-]*\b{one}\b", removed), one


@pytest.mark.skipif(probe().default is None, reason="no level standard here")
def test_the_images_command_serves_and_its_health_is_seen(
    dockerfile: Dockerfile, tmp_path: Path
) -> None:
    """As it stands there, but for the port and the folder, which are others' here."""
    _, name, *words = dockerfile.command
    assert name == "serve"
    for flag in ("--port", "--data-dir"):
        at = words.index(flag)
        del words[at : at + 2]
    server = Serving(tmp_path / "store", tuple(words), {"GRADERS_SERVER_TOKEN": TOKEN})
    try:
        program, *rest = dockerfile.health
        assert program == "python"
        rest = [one.replace(":8000", f":{server.port}") for one in rest]
        look = [
            sys.executable,
            *rest,
        ]  # More than once, as a container's engine does, where a machine is busy.
        until(lambda: subprocess.run(look, check=False, capture_output=True).returncode == 0)
        assert server.run(GRADER, **BEARER).json["reward"] == 0.75
    finally:
        server.close()
    ill = subprocess.run(
        [sys.executable, *rest], check=False, capture_output=True, timeout=PATIENCE
    )
    assert ill.returncode != 0


def test_without_a_token_it_does_not_start(dockerfile: Dockerfile, tmp_path: Path) -> None:
    words = tuple(one for one in dockerfile.command[2:] if one not in ("--data-dir", "/data/store"))
    with pytest.raises(AssertionError, match="token"):
        Serving(
            tmp_path / "store",
            (*words[:2], "--port", "0", *words[4:]),
            {"GRADERS_SERVER_TOKEN": ""},
        )
