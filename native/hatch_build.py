"""Builds the library by cargo and puts it into the wheel, which is one of this platform."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NAMES = {"win32": "graders_native.dll", "darwin": "libgraders_native.dylib"}


class CustomBuildHook(BuildHookInterface):
    """The step before the wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the library, unless the wheel only points at this folder."""
        root = Path(self.root)
        target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
        command = [
            "cargo",
            "build",
            "--release",
            "--locked",
            "--offline",
            "--target-dir",
            str(target),
        ]
        try:
            subprocess.run(command, cwd=root, check=True)
        except FileNotFoundError:
            raise SystemExit(
                "building graders-native needs cargo (https://rustup.rs, or your system's package "
                "cargo); graders itself works without it"
            ) from None
        name = _NAMES.get(sys.platform, "libgraders_native.so")
        build_data["force_include"][str(target / "release" / name)] = f"graders_native/{name}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{os.environ.get('GRADERS_PLATFORM', platform)}"
        build_data["pure_python"] = False
