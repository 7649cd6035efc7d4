"""The `graders` command: parse arguments, call, print. Results on stdout, all else on stderr."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module

import click

from graders import __version__
from graders.cli.output import abandon_stdout, as_wide_as, prepare_streams, say
from graders.cli.usage import as_installed, explained, worded
from graders.errors import GradersError, interruption
from graders.extension import SWITCH

__all__ = ["cli", "commands", "main"]


_SUBJECTS = {
    "Begin": {"init": "new", "new": "new"},
    "Grade": {
        "run": "run", "validate": "validate", "score": "score", "merge": "merge", "test": "test", "watch": "watch",
        "report": "report", "track": "track",
    },
    "Find out whether the grader is right": {"probe": "probe", "diff": "diff", "agree": "agree", "verify": "verify"},
    "Jobs, evals, other places": {"job": "job", "evals": "evals", "serve": "serve", "mcp": "mcp",
        "convert": "convert"},
    "Look up and set up": {
        "explain": "explain", "schema": "data", "data": "data", "doctor": "doctor", "image": "image",
        "completion": "completion",
    },
}  # fmt: skip
"""The module of each command, by subject, in the order of a user's day. Only the one that is run is loaded."""
_MODULES = {name: module for known in _SUBJECTS.values() for name, module in known.items()}


class _Group(click.Group):
    """Loads commands when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"graders.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return worded(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each under its subject."""
        room = formatter.width - 6 - max(map(len, _MODULES))
        for title, names in _SUBJECTS.items():
            with formatter.section(title):
                commands = ((name, self.get_command(ctx, name)) for name in names)
                formatter.write_dl(
                    [(name, one.get_short_help_str(room)) for name, one in commands if one]
                )


_EPILOG = """\b
Examples:
  graders init
  graders run grader.json --item '{"answer": "Paris"}' --sample "It is Paris."
  graders validate grader.json --rows rows.jsonl
  graders score grader.json rows.jsonl -o results.jsonl
  graders explain invalid_variable_error

GRADER is JSON or YAML: a grader, a fine_tuning.jobs.create body, a graders.run
body, an Evals testing_criteria list, or - for standard input.

Exit codes: 0 done, 1 rows failed, 2 bad usage or bad config, 130 interrupted;
5 a budget is used up (score)."""


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="graders %(version)s")
@click.option(
    "--no-extensions",
    is_flag=True,
    help=f"Use nothing that other packages add; as {SWITCH}=0 in the environment.",
)
@click.pass_context
def cli(context: click.Context, *, no_extensions: bool) -> None:
    """Run hosted grader JSON on your own machine: same JSON, same numbers."""
    if not gc.isenabled():
        gc.freeze()  # The command is loaded and stays: nobody need look at it again.
        gc.enable()
    if no_extensions:
        before = os.environ.get(SWITCH)
        os.environ[SWITCH] = "0"  # For the processes that the command starts, too.
        context.call_on_close(lambda: _put_back(before))


def _put_back(switch: str | None) -> None:
    if switch is None:
        del os.environ[SWITCH]
    else:
        os.environ[SWITCH] = switch


def commands() -> dict[str, click.Command]:
    """Return every command by its name."""
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    # Nothing here multiplies matrices: numpy need not start a thread for each processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Nor is there a plugin of pydantic's that it would want: to look for some reads what every package says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            # As an interruption: workers and scratch folders are put away, results are kept.
            signal.signal(number, signal.default_int_handler)
    given = sys.argv[1:] if arguments is None else arguments
    if os.name != "nt" and any(one in {"ray", "--engine=ray"} for one in given):
        from graders.cli.drive import driven  # noqa: PLC0415  (nobody else needs it)

        code = driven(given, partial(_main, arguments))
    else:
        code = _main(arguments)
    gc.freeze()  # All that is left ends with the process: nobody need look for cycles in it.
    sys.exit(code)


def _main(arguments: Sequence[str] | None) -> int:
    if not prepare_streams():
        say("standard output is closed")
        return 2
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough.
        abandon_stdout()
        return 1
    except OSError as error:
        abandon_stdout()
        say(f"cannot write: {error.strerror or error}")
        return 2
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with interruption():
            code = cli.main(arguments, prog_name="graders", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        given = sys.argv[1:] if arguments is None else arguments
        click.echo(as_wide_as(sys.stderr, explained(error, given)), err=True, nl=False)
        return 2
    except GradersError as error:
        say(as_installed(str(error)))
        return 2
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return 130
    return code if isinstance(code, int) else 0
