"""Emulators of the other clouds, each in a process of its own: Google's in Python, Azure's by Microsoft (Azurite)."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.remote.storage import reached

__all__ = ["CLOUDS", "emulator", "pointed_at", "system"]

CLOUDS = ["gs", "az"]
_AZURITE = Path(__file__).parents[2] / ".venv-azurite" / "node_modules" / ".bin" / "azurite-blob"
# Of the emulator alone, and the same in all of them: Microsoft publishes it.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextlib.contextmanager
def emulator(cloud: str, folder: Path) -> Iterator[str]:
    """Run the emulator of a cloud; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    if cloud == "gs":
        script = str(Path(sys.executable).with_name("gcp-storage-emulator"))
        words = [script, "start", "--host", "127.0.0.1", "--port", port, "--in-memory"]
        words += ["--default-bucket", "bucket"]
    else:
        if not _AZURITE.exists() or shutil.which("node") is None:
            pytest.skip("Azurite is not installed: make test-azure")
        words = [str(_AZURITE), "--blobPort", port, "--location", str(folder), "--silent"]
        words += ["--skipApiVersionCheck", "--disableTelemetry"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        reached(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def pointed_at(cloud: str, url: str, spool: Path) -> dict[str, str]:
    """Return the environment of a machine whose storage is there."""
    if cloud == "gs":
        # No machine of Google's is asked for a token that no emulator wants.
        there = {"STORAGE_EMULATOR_HOST": url, "NO_GCE_CHECK": "true"}
    else:
        there = {
            "AZURE_STORAGE_CONNECTION_STRING": (
                f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
                f"BlobEndpoint={url}/{_ACCOUNT};"
            )
        }
    return {**os.environ, "NO_PROXY": "127.0.0.1", "GRADERS_SPOOL": str(spool), **there}


def system(cloud: str) -> Any:
    """Return the storage that the environment names, as the tests fill it and look at it."""
    import fsspec
    from gcsfs.core import GCSFileSystem

    kind = GCSFileSystem if cloud == "gs" else fsspec.get_filesystem_class("az")
    kind.clear_instance_cache()
    return kind(use_listings_cache=False)
