"""What holds for every test, a server that many ask, and a real browser to look at pages in."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import LARGE, examples
from tests.server.process import Serving

# How long an example takes, or the making of one, says something about the machine alone.
settings.register_profile(
    "patient",
    max_examples=examples(200),
    derandomize=not LARGE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")

# Who is started in the background of a script ignores this signal, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes, each of which would compile all it imports once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands wrap no sentence, so that it can be looked for; what is about widths says its own."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests, and what they import, stay to the end: nobody need look through them
    again and again for what could be forgotten."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        # Hypothesis looks for who holds its generator, and sees nobody among what is frozen (3.14).
        given(st.none())(lambda _: None)()
        gc.freeze()


ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

CONTRAST = """() => {
  // Colours as sRGB bytes, whatever notation they are computed to.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => {
      v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "white";
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !node.offsetParent || node.disabled || node.closest("[aria-hidden=true]")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""


@pytest.fixture(scope="module")
def play() -> Iterator[Any]:
    """What drives browsers."""
    if "GRADERS_CI" not in os.environ:
        pytest.importorskip("playwright.sync_api")
    from playwright import sync_api as api

    with api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(play: Any) -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if "GRADERS_CI" not in os.environ and program is None:
        pytest.skip("there is no chromium")
    started = play.chromium.launch(executable_path=program, args=ARGUMENTS)
    yield started
    started.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that several tests share: none of them may leave it otherwise than it was."""
    options = ("--jobs", "0", "--processes", "1", "--allow-host", "graders.internal")
    serving = Serving(tmp_path_factory.mktemp("store"), options)
    yield serving
    try:
        assert serving.stop() == 0
    finally:
        serving.close()


@pytest.fixture(scope="session")
def poor_contrast() -> Callable[[Any], list[str]]:
    """Returns the elements of a page whose text stands out from its ground by less than 4.5."""

    def found(page: Any) -> list[str]:
        poor: list[str] = page.evaluate(CONTRAST)
        return poor

    return found
