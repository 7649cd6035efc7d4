"""The image, built for real by buildah, and its command run as an engine's defaults would run it (make test-container)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.container.box import Box
from tests.container.conftest import FOLDER, ROOT, Dockerfile
from tests.waiting import until

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root on Linux"
    ),
]

TOKEN = "a-token-of-some-length-0123"
ASK = """
import json, sys, urllib.request
body = json.dumps({"grader": {"type": "python", "name": "p", "source": sys.argv[2]}, "model_sample": "x", "item": {}})
head = {"Authorization": "Bearer " + sys.argv[1], "Content-Type": "application/json"}
asked = urllib.request.Request("http://127.0.0.1:8000/v1/fine_tuning/alpha/graders/run", body.encode(), head)
print(urllib.request.urlopen(asked, timeout=120).read().decode())
"""
HOSTILE = """
def grade(sample, item):
    import os, socket
    held = 0
    for act in (socket.socket, os.fork, lambda: open("/data/store/token"), lambda: open("/run/secrets/token").read(),
                lambda: open("/data/mine", "w"), lambda: open("/tmp/mine", "w"), lambda: os.kill(1, 0)):
        try:
            act()
        except OSError:
            held += 1
    open("scratch", "w").write("mine")
    return held / 7
"""


@dataclass(frozen=True)
class Image:
    root: Path
    config: dict[str, Any]

    def box(self, command: list[str] | None = None, **more: Any) -> Box:
        environment = dict(one.split("=", 1) for one in self.config["Env"])
        words = [*self.config["Entrypoint"], *(self.config["Cmd"] if command is None else command)]
        more.setdefault("environment", {**environment, "GRADERS_SERVER_TOKEN": TOKEN})
        return Box(self.root, self.config["User"], command=words, **more)


def buildah(*words: str, check: bool = True) -> str:
    """Return what buildah says; it runs what it builds in a chroot, as it needs no more rights."""
    kept = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        ["buildah", *words], env=kept, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.strip() if done.returncode == 0 else ""


def have_base(name: str, folder: Path) -> None:
    """Have the image that ours begins with: from here, from its registry, or made of Debian's packages."""
    looks = (("inspect", "--type", "image", name), ("pull", "-q", name))
    if any(buildah(*words, check=False) for words in looks):
        return
    suite = name.rpartition(":")[2].removesuffix("-slim")
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", suite, str(folder / "base.tar")], check=True
    )
    made = buildah("from", "scratch")
    buildah("add", "-q", made, str(folder / "base.tar"), "/")
    buildah("commit", "-q", "--rm", made, name)


def lent(folder: Path) -> list[str]:
    """Return options that lend a build how this machine reaches its package index, where it has a way of its own."""
    found = Path("/etc/pip.conf")
    told = found.read_text(encoding="utf-8").splitlines() if found.exists() else ["[global]"]
    bundle = Path(os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"))
    if bundle.exists():
        shutil.copy(bundle, folder / "authorities.pem")
        told = [one for one in told if not one.startswith("cert")] + [
            "cert = /lent/authorities.pem"
        ]
    (folder / "pip.conf").write_text("\n".join([*told, ""]), encoding="utf-8")
    return [f"--volume={folder}:/lent:ro", f"--volume={folder / 'pip.conf'}:/etc/pip.conf:ro"]


@pytest.fixture(scope="session")
def image(dockerfile: Dockerfile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    for tool in ("buildah", "mmdebstrap"):
        assert shutil.which(tool), f"{tool} is missing: make test-container installs it"
    base = dockerfile.last("ARG").partition("=")[2]
    have_base(base, tmp_path_factory.mktemp("base"))
    name = "localhost/local-graders-test"
    buildah(
        "bud", "--quiet", "--format", "docker", "--pull=never", "--network", "host", "--layers",
        *lent(tmp_path_factory.mktemp("lent")),
        "--file", str(FOLDER / "Dockerfile"), "--ignorefile", str(FOLDER / "Dockerfile.dockerignore"), "--tag", name, str(ROOT),
    )  # fmt: skip
    config = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
    made = buildah("from", "--pull-never", name)
    try:
        yield Image(Path(buildah("mount", made)), config)
    finally:
        buildah("umount", made)
        buildah("rm", made)


def test_it_holds_what_the_file_says(image: Image, dockerfile: Dockerfile) -> None:
    assert [*image.config["Entrypoint"], *image.config["Cmd"]] == dockerfile.command
    assert image.config["User"] == dockerfile.last("USER")
    assert image.config["Healthcheck"]["Test"] == ["CMD", *dockerfile.health]
    data = (image.root / "data").stat()
    assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (10001, 10001, 0o700)
    assert not [*image.root.glob("opt/graders/bin/pip*")]
    assert not [*image.root.glob("var/lib/apt/lists/*")]
    written = [
        one
        for one in (image.root / "opt/graders").rglob("*")
        if one.stat().st_mode & 0o022 and not one.is_symlink()
    ]
    assert written == []


def test_it_serves_and_holds_python_graders(image: Image) -> None:
    with image.box() as box:
        box.listening()
        until(lambda: box.inside(*image.config["Healthcheck"]["Test"][1:]).returncode == 0)
        done = box.inside("python", "-c", ASK, TOKEN, HOSTILE)
        assert json.loads(done.stdout)["reward"] == 1.0, done.stdout + done.stderr
        until(lambda: sum(one["event"] == "sandbox" for one in box.lines) >= 2)
        lacks = [one["lacks"] for one in box.lines if one["event"] == "sandbox"]
        assert any(
            "no mount namespace" in one and "--security-opt seccomp=unconfined" in one
            for one in lacks
        )
        assert any(
            one.startswith("processes that lose their parent") and "--init" in one for one in lacks
        )
        assert box.inside("sh", "-c", "touch /opt/graders/mine /etc/mine").returncode != 0


def test_as_it_is_composed_it_serves_too(image: Image, compose: dict[str, Any]) -> None:
    service = compose["services"]["server"]
    how = service["tmpfs"][0].partition(":")[2]
    kept = dict(one.split("=", 1) for one in image.config["Env"])
    with image.box(service["command"], tmpfs=how, token=TOKEN, environment=kept) as box:
        box.listening()
        done = box.inside("python", "-c", ASK, TOKEN, "def grade(sample, item):\n    return 0.5")
        assert json.loads(done.stdout)["reward"] == 0.5, done.stdout + done.stderr


def test_where_python_graders_would_not_be_held_it_does_not_start(image: Image) -> None:
    with image.box(landlock=False) as box:
        assert box.ended() == 2
        assert "the sandbox level 'standard' needs Linux 5.13 or later with Landlock" in box.said
        assert "the container's seccomp profile refuses Landlock: Docker 23" in box.said
        assert "Traceback" not in box.said
