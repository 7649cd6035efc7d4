"""The command's own first step: `graders`, or `python -m graders`."""

from __future__ import annotations

import gc
import signal

# While the rest is loaded, Ctrl-C just ends the process; from then on the command says what it did.
_handler = signal.getsignal(signal.SIGINT)
if _handler is signal.default_int_handler:  # Else whoever started it wants no interruptions.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command and exit with its code."""
    gc.disable()  # Until all is loaded, which makes much and no cycles.
    from graders import cli  # noqa: PLC0415  (takes a while)

    signal.signal(signal.SIGINT, _handler)
    cli.main()


if __name__ == "__main__":
    main()
