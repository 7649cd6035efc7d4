"""`graders completion`: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

import os
import shutil

import click
from click.shell_completion import get_completion_class

from graders.errors import OptionError, UnavailableError

__all__ = ["completion"]

_SHELLS = ("bash", "zsh", "fish", "powershell")
_EPILOG = """\b
Examples:
  graders completion
  graders completion fish > ~/.config/fish/completions/graders.fish
\b
In ~/.bashrc:                         eval "$(graders completion bash)"
In ~/.zshrc, after compinit:          eval "$(graders completion zsh)"
In ~/.config/fish/config.fish:        graders completion fish | source
In PowerShell's $PROFILE:
  graders completion powershell | Out-String | Invoke-Expression"""


@click.command(epilog=_EPILOG, short_help="Complete what you type in bash, zsh, fish, PowerShell.")
@click.argument(
    "shell", metavar=f"[{'|'.join(_SHELLS)}]", type=click.Choice(_SHELLS), required=False
)
def completion(shell: str | None) -> int:
    """Print the script that lets SHELL complete commands, options, values and files.

    Without SHELL it is the one that you use.
    """
    from graders.cli import cli  # noqa: PLC0415  (it holds this command)

    name = shell or os.path.splitext(os.path.basename(os.environ.get("SHELL", "")))[0]  # noqa: PTH119, PTH122
    if name not in _SHELLS:
        raise OptionError(f"name the shell: {', '.join(_SHELLS[:-1])} or {_SHELLS[-1]}")
    made = get_completion_class(name)
    if made is None:
        raise UnavailableError(f"{name} needs click 8.5 or newer: pip install -U click")
    if name == "bash" and shutil.which("bash") is None:  # Click asks it for its version.
        raise OptionError("there is no bash on this machine to write a script for")
    click.echo(made(cli, {}, "graders", "_GRADERS_COMPLETE").source())
    return 0
