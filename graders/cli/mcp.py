"""`graders mcp`: tools for coding agents over standard input and output."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from graders.cli.help import Command, Flag
from graders.errors import OptionError, UnavailableError

__all__ = ["mcp"]

_EPILOG = """\b
Examples:
  graders mcp --root .
  graders mcp --root . --timeout 300 -- --base-url http://127.0.0.1:8080/v1
\b
Tools: validate, lint, run, score, probe, explain.
An agent's client starts this command; by hand it waits for a client."""

_ASKING = ("run", "validate", "score", "probe")


@click.command(
    cls=Command,
    first=("root", "timeout"),
    epilog=_EPILOG,
    short_help="Give coding agents tools by MCP.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Agents may name graders and rows within this folder.  [default: none; calls bring them]",
    cls=Flag,
    group="Server",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop a call after this.",
    cls=Flag,
    group="Server",
)
@click.argument("options", metavar="[-- OPTION...]", nargs=-1, type=click.UNPROCESSED)
def mcp(root: Path | None, timeout: float, options: tuple[str, ...]) -> int:
    """Serve tools to a coding agent: validate, lint, run, score a few rows, probe, explain.

    Each call is the command of its name in a process of its own, in a private folder, with the
    same sandbox. Agents read no file but those within --root, and write none. What stands
    behind -- goes to run, validate, score and probe: how judges are asked, such as
    --base-url and --model-map. A key in the environment lets run and score ask, too.
    """
    if find_spec("mcp") is None:
        raise UnavailableError("graders mcp needs mcp: pip install 'local-graders[mcp]'")
    _check(options)
    from graders.agent.call import Caller  # noqa: PLC0415
    from graders.agent.server import serve  # noqa: PLC0415  (an extra)

    serve(Caller(root=root, seconds=timeout, asking=options))
    return 0


def _check(options: tuple[str, ...]) -> None:
    """Refuse at the start what a command would refuse at every call."""
    from graders.cli import commands  # noqa: PLC0415  (it imports this module)

    for name in _ASKING if options else ():
        command = commands()[name]
        # Its arguments, such as GRADER, are the agents' to give.
        alone = click.Command(
            name, params=[one for one in command.params if isinstance(one, click.Option)]
        )
        context = click.Context(command, info_name=name)
        _, more, _ = alone.make_parser(context).parse_args(list(options))
        if more:
            raise OptionError(
                f"got {more[0]}; behind -- stand options of graders {name}, such as --base-url"
            )
