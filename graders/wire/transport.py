"""Transports of extensions: another way for a judge's requests than HTTP, named by a URL's scheme.

What is asked, how often, how fast, what is kept and what it cost stays ours; a transport carries one
request and brings one reply. No key of the user's goes to it.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from graders.errors import ExtensionError
from graders.extension import Extension, called, find, has, load, loader, named, said

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "SCHEMES",
    "Carried",
    "Transport",
    "TransportError",
    "Transported",
    "carrier",
    "load_transport",
    "transport_of",
]

_RIGHT: Final = "a class made from graders.wire.transport.Transport"
SCHEMES: Final = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Carried:
    """A request to carry.

    Attributes:
        url: the address that `--base-url` has, with the API's path such as `/chat/completions`.
        body: the request, JSON.
    """

    url: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transported:
    """What came back.

    Attributes:
        body: the answer, JSON in the shape of the API.
        status: the status that HTTP would have: 200; 429 and 5xx are asked again.
        headers: headers that HTTP would have, such as `retry-after`.
    """

    body: bytes = field(repr=False)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(ABC):
    """Carries requests. Made without arguments for each client, and used by one event loop."""

    @abstractmethod
    async def send(self, request: Carried) -> Transported:
        """Return the answer to a request.

        Raises:
            OSError: nobody was reached: the request is sent again, as often as over HTTP.
        """

    async def close(self) -> None:  # noqa: B027  (who keeps nothing open has nothing to close)
        """Close what is open."""


class TransportError(Exception):
    """A transport gave no answer, and would give none if it were asked again; says why."""


def transport_of(scheme: str) -> Extension | None:
    """Return the extension that carries requests to addresses of a scheme.

    Raises:
        ExtensionError: two do, or extensions are off.
    """
    return None if not scheme or scheme in SCHEMES else find("transports", scheme)


@loader
def load_transport(extension: Extension) -> type[Transport]:
    """Return the transport of an extension.

    Raises:
        ExtensionError: it cannot be used.
    """
    made = load(extension, type, _RIGHT)
    if not issubclass(made, Transport):
        extension.refuse(f"is {named(made)}; {_RIGHT} is needed")
    if inspect.isabstract(made) or not inspect.iscoroutinefunction(made.send):
        extension.refuse(f"is {named(made)}, which has no async def send(self, request)")
    return made


def carrier(extension: Extension) -> httpx2.AsyncBaseTransport:
    """Return an extension's transport as what an HTTP client sends by.

    Raises:
        ExtensionError: it cannot be made.
    """
    import httpx2  # noqa: PLC0415

    made = load_transport(extension)
    transport = called(extension, "when it was made", made)

    class Body(httpx2.AsyncByteStream):
        def __init__(self, body: bytes) -> None:
            self._body = body

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield self._body

    class Carrier(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            found = await _sent(
                extension, transport, Carried(str(request.url), await request.aread())
            )
            return httpx2.Response(
                found.status, headers=dict(found.headers), stream=Body(bytes(found.body))
            )

        async def aclose(self) -> None:
            await transport.close()

    return Carrier()


async def _sent(extension: Extension, transport: Transport, request: Carried) -> Transported:
    try:
        found: Any = await transport.send(request)
    except OSError as error:
        # Of no class that means something else here, such as the end of our own deadline.
        raise ConnectionError(*error.args) from None
    except Exception as error:  # noqa: BLE001
        raise TransportError(f"{extension.point} failed in send() ({said(error)})") from None
    except SystemExit as error:
        raise TransportError(f"{extension.point} failed in send() ({said(error)})") from None
    if not isinstance(found, Transported):
        raise TransportError(f"{extension.point} gave {named(found)}; a Transported is needed")
    try:
        has(extension, found, {"body": bytes, "status": int, "headers": Mapping})
        if not 100 <= found.status <= 599:
            extension.refuse(f"gave the status {found.status}; one of HTTP is needed")
    except ExtensionError as error:
        raise TransportError(str(error)) from None
    return found
