"""The file systems of fsspec's packages, told to try once: who tries again, and says how often, are we.

Each package tries again in a way of its own, some for minutes, and words the end as it likes.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from graders.remote.fault import REACH, SILENCE, scrubbed

__all__ = ["server_of", "system_of"]

_SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("STORAGE_EMULATOR_HOST",),
    "az": ("AZURE_STORAGE_CONNECTION_STRING",),
    "hf": ("HF_ENDPOINT",),
}
"""The variables that name another server than the cloud's own."""


def server_of(scheme: str) -> str:
    """Return what a sentence calls the server of a scheme, and who named it."""
    named = next((one for one in _SERVERS[scheme] if os.environ.get(one)), None)
    if named is None:
        return f"the server of {scheme}://"
    value = os.environ[named]
    where = scrubbed(value) if value.startswith("http") else "the server"
    return f"{where} (named by {named})"


def system_of(scheme: str) -> Any:
    """Return the file system that speaks a scheme: asked once, it asks once.

    Raises:
        ImportError: its package is not installed.
    """
    import fsspec  # noqa: PLC0415  (an extra)

    # Listings that are remembered would not see what another worker puts; an instance that
    # somebody else has, too, is not ours to change.
    ours = {"use_listings_cache": False, "skip_instance_cache": True}
    said = dict(fsspec.config.conf.get(scheme, {}))  # FSSPEC_S3_..., which what we give would hide.
    return _MADE[scheme](scheme, ours, said)


def _any(scheme: str, ours: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    import fsspec  # noqa: PLC0415  (an extra)

    kind: Any = fsspec.get_filesystem_class(scheme)
    return kind(**{**ours, **said})


def _s3(scheme: str, ours: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    once = {
        "retries": {"total_max_attempts": 1},
        "connect_timeout": REACH,
        "read_timeout": SILENCE,
    }
    config = {"config_kwargs": {**once, **said.get("config_kwargs", {})}}
    system = _any(scheme, ours, {**said, **config})
    system.retries = 1
    return system


def _gs(_: str, ours: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    # The class that gcsfs registers first asks by another protocol what sort a bucket is, and
    # waits a minute where nobody answers it: emulators, proxies, a machine without a network.
    from aiohttp import ClientTimeout  # noqa: PLC0415  (an extra)
    from gcsfs.core import GCSFileSystem  # noqa: PLC0415  (an extra)

    class Once(GCSFileSystem):  # type: ignore[misc]  # of an extra
        """Asks without what asks six times, and tells the log's readers a traceback."""

        _request = inspect.unwrap(GCSFileSystem._request)  # noqa: SLF001  (there is no other way)

    patience = ClientTimeout(total=None, sock_connect=REACH, sock_read=SILENCE)
    return Once(**{"requests_timeout": patience, **ours, **said})


def _az(scheme: str, ours: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    system = _any(scheme, ours, said)
    client = system.service_client
    # The same client, told more than adlfs can be told to pass on.
    system.service_client = type(client)(
        client.url, credential=client.credential, retry_total=0,
        connection_timeout=REACH, read_timeout=SILENCE,
    )  # fmt: skip
    return system


def _hf(_: str, ours: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    import huggingface_hub as hub  # noqa: PLC0415  (an extra)

    base: Any = hub.HfFileSystem
    utils: Any = hub.utils

    class Once(base):  # type: ignore[misc]  # of an extra
        """Fetches without what tries six times and says each on standard error; remembers nothing."""

        def info(self, path: str, **more: Any) -> Any:
            self.dircache.clear()
            return super().info(path, **{"refresh": True, "expand_info": True, **more})

        def glob(self, path: str, **more: Any) -> Any:
            self.dircache.clear()
            return super().glob(path, **more)

        def cat_file(self, path: str, start: int, end: int) -> bytes:
            wanted = {
                **utils.build_hf_headers(token=self.token),
                "range": f"bytes={start}-{end - 1}",
            }
            answer = hub.get_session().get(self.url(path), headers=wanted, timeout=SILENCE)
            utils.hf_raise_for_status(answer)
            data: bytes = answer.content
            return data if answer.status_code == 206 else data[start:end]

    return Once(**{**ours, **said})


_MADE: Final[Mapping[str, Callable[..., Any]]] = {"s3": _s3, "gs": _gs, "az": _az, "hf": _hf}
