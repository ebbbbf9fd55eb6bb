"""`tune completion`: the script that lets a shell complete `tune`."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
_PROGRAM, _VARIABLE = "tune", "_TUNE_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script that lets a shell complete commands, options, studies and knobs.

    The shell reads it when it starts; TAB then completes. `--set` completes the knobs that the
    study on the command line names.

    \b
    bash:     echo 'eval "$(tune completion bash)"' >> ~/.bashrc
    zsh:      echo 'eval "$(tune completion zsh)"' >> ~/.zshrc
    fish:     tune completion fish > ~/.config/fish/completions/tune.fish
    \b
    Example:  eval "$(tune completion bash)"
    """  # noqa: D301
    click.echo(script(shell))
    return 0


def script(shell: str) -> str:
    """Return the script of a shell that click knows."""
    from click.shell_completion import get_completion_class

    from tuner.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None  # SHELLS are those of click
    return found(cli, {}, _PROGRAM, _VARIABLE).source()
