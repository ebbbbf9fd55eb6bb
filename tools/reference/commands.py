"""The page of commands, from what click knows of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from tools.reference.markdown import page as written
from tools.reference.markdown import table
from tuner.cli.main import COMMANDS, cli

_INTRODUCTION = """\
`tune [STUDY] ...` without a command is `tune run`. Results go to standard output, all else to
standard error; with `--json` standard output holds one document. An option wins over its variable,
a variable over the study file."""


def page() -> str:
    """Return the page."""
    return written("Commands", _INTRODUCTION, *(_section(n, c) for n, c in _commands()))


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its full name, those of groups too."""
    context = click.Context(cli, info_name="tune")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", command.commands[inner]) for inner in command.commands)
        elif command is not None:
            yield name, command


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"tune {name}")
    usage = " ".join([f"tune {name}", *command.collect_usage_pieces(context)])
    options = [_row(p, context) for p in command.params if isinstance(p, click.Option)]
    parts = [f"## tune {name}", f"```text\n{usage}\n```", _prose(command), _table(options)]
    return "\n\n".join(part for part in parts if part)


def _table(options: list[tuple[str, str, str]]) -> str:
    return table(("option", "meaning", "variable"), options) if options else ""


def _row(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    names, help_text = option.get_help_record(context) or ("", "")
    meaning = re.sub(r"\s*\[[^\[\]]*env var: [^\[\]]*\]$", _without_variable, help_text)
    return f"`{names}`", meaning, f"`{option.envvar}`" if option.envvar else ""


def _without_variable(extra: re.Match[str]) -> str:
    """Return the brackets behind an option's help without the variable, which has its column."""
    kept = [p for p in extra[0].strip(" []").split("; ") if not p.startswith("env var")]
    return f" [{'; '.join(kept)}]" if kept else ""


def _prose(command: click.Command) -> str:
    """Return a command's help as Markdown: what click shows line by line becomes a code block."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_paragraph(p) for p in paragraphs)


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return text
    lines = [line.removeprefix("Example:").strip() for line in text.split("\n")[1:]]
    return "For example:\n\n```text\n" + "\n".join(lines) + "\n```"
