"""The playground as a visitor has it before them, and graders to put into it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.waiting import PATIENCE, until

__all__ = ["CHECK", "REWARD", "Visit", "multi"]

REWARD = "#reward"
CHECK: dict[str, Any] = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def multi(**graders: Any) -> dict[str, Any]:
    formula = " + ".join(graders)
    return {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}


class Visit:
    """The page, opened by someone new to it, with what it said and asked for."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.said: list[str] = []
        self.address = address
        self.expected: tuple[str, ...] = ()
        self.foreign: list[str] = []
        script = settings.pop("script", None)
        ready = settings.pop("ready", "#start option >> nth=1")
        sizes = {"viewport": {"width": 1280, "height": 900}, **settings}
        self.context = browser.new_context(**sizes)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.context.route("**/*", self._route)
        if script:
            self.page.add_init_script(script)
        self.page.goto(address)
        self.page.locator(ready).wait_for(state="attached")
        self.rest()

    def _route(self, route: Any) -> None:
        origin = re.match(r"https?://[^/]+/", self.address)
        if route.request.url.startswith((origin[0] if origin else self.address, "data:,")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def fill(self, grader: Any = None, item: Any = None, sample: Any = None) -> None:
        """Put texts into the editors."""
        for name, value in (("grader", grader), ("item", item), ("sample", sample)):
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, indent=2)
                self.page.fill(f"#{name}", text)

    def say_json(self) -> None:
        """Say that the sample is JSON; by its label, for the button itself is seen by nobody."""
        self.page.click("label:has(#kind-json)")

    def rest(self) -> None:
        """Wait until no run is under way: the page opens with one of its own, which is shown when it ends."""
        self.page.locator('#run:not([aria-busy="true"]), body:not(:has(#run))').first.wait_for(
            state="attached"
        )

    def run(self) -> str:
        """Run what stands in the editors; return the reward that is shown."""
        self.rest()
        self.page.evaluate("document.getElementById('result').replaceChildren()")
        self.page.click("#run")
        self.rest()
        shown: str = self.page.locator(REWARD).inner_text()
        return shown

    def start(self, name: str) -> None:
        self.page.select_option("#start", label=name)

    def text(self, where: str) -> str:
        found: str = self.page.locator(where).inner_text()
        return found

    def marks(self, name: str) -> list[tuple[int, str]]:
        """The places of an editor that are underlined as errors: line, text."""
        found = self.page.evaluate(
            """(name) => {
              const sheet = document.getElementById(name).parentElement.querySelector(".sheet");
              const first = Number(getComputedStyle(sheet).getPropertyValue("--first"));
              return [...sheet.children].flatMap((line, at) => (
                [...line.querySelectorAll("mark.error")].map((one) => [first + at + 1, one.textContent])
              ));
            }""",
            name,
        )
        return [(line, text) for line, text in found]

    def marked(self, name: str, *wanted: tuple[int, str]) -> None:
        """Wait until these places, and no others, are underlined."""
        until(lambda: self.marks(name) == list(wanted))

    def wide(self) -> int:
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width

    def focused(self) -> str:
        found: str = self.page.evaluate("document.activeElement.id")
        return found

    def lints(self) -> str:
        """What the grader's editor says of the lint, when it has been linted."""
        self.page.locator("#grader-state", has_text="Lint").wait_for()
        return self.text("#findings")
