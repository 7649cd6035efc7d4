"""Where a server is and how one speaks to it: address, key, and what kind it is.

The key lives in one object that shows nothing of itself; whatever a server says passes `redact`
before it goes anywhere, for servers do quote keys in their errors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from graders import jsontext
from graders.errors import OptionError, UnavailableError, shown
from graders.extension import Extension
from graders.wire.transport import load_transport, transport_of

__all__ = ["LOCAL", "OPENAI_URL", "ApiKey", "ServerAddress", "base_url", "resolve", "secret_of"]

OPENAI_URL: Final = "https://api.openai.com/v1"
LOCAL: Final = "local"
_AZURE: Final = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SHORTEST: Final = 6  # A shorter key is a word such as `none`, which texts may well hold.


class ApiKey:
    """A key that is never shown: not by repr, not by str, not in a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "<ApiKey>"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def header(self, auth: Literal["bearer", "api-key"]) -> dict[str, str]:
        """Return the header that carries it."""
        if not self._value:
            return {}
        if auth == "api-key":
            return {"api-key": self._value}
        return {"Authorization": f"Bearer {self._value}"}

    def redact(self, text: str) -> str:
        """Return a text without it."""
        if len(self._value) < _SHORTEST:
            return text
        # As it is, as JSON may write it, and as an address may.
        for form in (self._value, self._value.replace("/", "\\/"), quote(self._value, safe="")):
            text = text.replace(form, "[key]")
        return text


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server, ready to be spoken to.

    Attributes:
        url: the address that paths such as `/chat/completions` follow, without a query.
        query: what follows each path, such as `?api-version=preview`, or "".
        kind: `openai`, `azure`, `local` (ours) or `other`.
        key: the key.
        auth: the header the key goes into.
        transport: the extension that carries requests there; None for HTTP.
    """

    url: str
    query: str
    kind: Literal["openai", "azure", "local", "other"]
    key: ApiKey
    auth: Literal["bearer", "api-key"]
    transport: Extension | None = None

    @property
    def first_party(self) -> bool:
        """Whether it is a service that the hosted documents describe."""
        return self.kind in ("openai", "azure")


def base_url(given: str | None) -> str:
    """Return the address to use: the given one, the environment's, or OpenAI's."""
    return given or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL


def resolve(
    given: str | None,
    key_file: Path | None = None,
    auth: Literal["auto", "bearer", "api-key"] = "auto",
    *,
    offline: bool = False,
    variable: str | None = None,
) -> ServerAddress:
    """Return the endpoint for an address.

    Args:
        given: the address; None for the environment's, else OpenAI's.
        key_file: a file that holds the key.
        auth: the header the key goes into.
        offline: whether no request will be sent, so that no key is needed.
        variable: the variable of the environment with the key; None for the usual ones, "" for
            those only where the server is OpenAI's or Azure's.

    Raises:
        OptionError: the address cannot be one.
        UnavailableError: a service needs a key and there is none.
        ExtensionError: the extension that carries requests there cannot be used.
    """
    address = base_url(given)
    if address == LOCAL:
        return ServerAddress(LOCAL, "", "local", ApiKey(""), "bearer")
    parts = _parts(address)
    if parts.hostname and (carried := transport_of(parts.scheme)) is not None:
        return _transported(parts, carried, key_file)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionError(
            f"the base URL is http://… or https://…, such as {OPENAI_URL}, or local; "
            f"got {shown(address)}"
        )
    host = parts.hostname.lower()
    azure = host.endswith(_AZURE)
    openai = host == "api.openai.com" or host.endswith(".api.openai.com")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/embeddings")
    if azure and path in ("", "/openai"):
        path = "/openai/v1"
    kind: Literal["openai", "azure", "other"] = (
        "azure" if azure else "openai" if openai else "other"
    )
    keyless = offline or (variable == "" and kind == "other")
    key = ApiKey("") if keyless else _key(key_file, azure=azure, variable=variable)
    if not key and kind != "other" and not offline:
        name = "AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY"
        raise UnavailableError(
            f"{host} needs a key: set {name}, name a file by --api-key-file, or name another "
            "server by --base-url"
        )
    header: Literal["bearer", "api-key"] = (
        ("api-key" if azure else "bearer") if auth == "auto" else auth
    )
    url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    return ServerAddress(url, f"?{parts.query}" if parts.query else "", kind, key, header)


def _parts(address: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        OptionError: it cannot be read, or holds a user.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        problem = "its host or port is not one"
        raise OptionError(f"the base URL {shown(address)} cannot be read: {problem}") from None
    if parts.username or parts.password:
        raise OptionError(
            "the base URL holds a user or a password; keys come by key file or environment"
        )
    return parts


def _transported(parts: SplitResult, carried: Extension, key_file: Path | None) -> ServerAddress:
    """Return the endpoint of an address that an extension carries requests to."""
    load_transport(carried)
    if key_file is not None:
        raise OptionError(
            f"a key file is for HTTP; requests to {parts.scheme}://… go by {carried}, which gets no key"
        )
    url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    query = f"?{parts.query}" if parts.query else ""
    return ServerAddress(url, query, "other", ApiKey(""), "bearer", carried)


def secret_of(path: Path, called: str) -> str:
    """Return the text of a file that holds nothing but a key or a token.

    Raises:
        OptionError: it cannot be read, never ends, or is empty; says what it is `called`.
    """
    try:
        with path.open("rb") as file:
            text = jsontext.read_whole(file, 1 << 16).decode().strip()
    except UnicodeDecodeError:
        raise OptionError(f"the {called} {path} cannot be read: it is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(f"the {called} {path} cannot be read: {reason}") from None
    if not text:
        raise OptionError(f"the {called} {path} is empty")
    return text


def _key(key_file: Path | None, *, azure: bool, variable: str | None = None) -> ApiKey:
    named = key_file or (None if variable else os.environ.get("OPENAI_API_KEY_FILE"))
    if variable:
        text = os.environ.get(variable, "").strip()
        if not text:
            raise UnavailableError(f"the variable {variable}, which is to hold a key, is not set")
    elif named:
        text = secret_of(Path(named), "key file")
    else:
        text = (os.environ.get("AZURE_OPENAI_API_KEY", "") if azure else "") or os.environ.get(
            "OPENAI_API_KEY", ""
        )
        text = text.strip()
    if not text.isascii() or not (text.isprintable() and " " not in text):
        # The value itself must not stand in the message.
        raise OptionError("the key holds characters that no header can carry")
    return ApiKey(text)
