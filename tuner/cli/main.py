"""The command `tune`: finds the subcommand, turns errors into sentences and exit codes."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem
from click_default_group import DefaultGroup

from tuner import __version__
from tuner.cli.completing import study_files
from tuner.spec.errors import TunerError

COMMANDS = (
    "run", "measure", "capacity", "sweep", "compare", "validate", "report", "init", "study",
    "workload", "lint", "diff", "apply", "rollback", "retune", "history", "check", "schedule",
    "notify", "diagnose", "cost", "doctor", "config", "paths", "completion",
)  # fmt: skip
_DEFAULT = "run"


class _Commands(DefaultGroup):  # type: ignore[misc]
    """Imports a subcommand when it is used; the first word may also be a study file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # a line that is still typed means no command yet
            return click.Group.parse_args(self, ctx, args)
        return super().parse_args(ctx, args)  # type: ignore[no-any-return]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the first word: a command, or what `tune run` takes."""
        found: list[CompletionItem] = super().shell_complete(ctx, incomplete)
        if not incomplete.startswith("-"):
            return study_files(ctx, None, incomplete) + found
        run = self.get_command(ctx, _DEFAULT)
        assert run is not None
        with run.make_context(_DEFAULT, [], parent=ctx, resilient_parsing=True) as inner:
            ours = {item.value: item for item in (*run.shell_complete(inner, incomplete), *found)}
        return list(ours.values())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            if not ctx.resilient_parsing:
                _refuse_mistyped(name)
            ctx.arg0 = name  # type: ignore[attr-defined]  # DefaultGroup hands it to the default
            name = _DEFAULT
        return importlib.import_module(f"tuner.cli.{name}").command  # type: ignore[no-any-return]


def _refuse_mistyped(word: str) -> None:
    """Raise UsageError for a word that is neither a command nor anything like a study file."""
    path = Path(word)
    if word.startswith("-") or path.exists() or path.suffix in (".yaml", ".yml"):
        return
    if os.sep in word:
        raise click.UsageError(f"no such study file: {word}")
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean `tune {near[0]}`?" if near else f"commands: {', '.join(COMMANDS)}"
    raise click.UsageError(f"{word!r} is neither a command nor a study file; {hint}")


@click.group(
    cls=_Commands,
    default=_DEFAULT,
    default_if_no_args=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tune")
def cli() -> None:
    """Find and prove the serving configuration that meets a latency target.

    \b
    tune --target-p99 500                    tune the packaged study on the embedded engine
    tune my-study.yaml --budget 30m          tune a study of your own
    tune init Modelfile                      write a first study from what you serve today
    tune study check tune.yaml               check a study without starting anything
    tune workload import F --format azure    make prompts out of a recording of requests
    tune measure tune.yaml --requests 300    measure one configuration
    tune capacity tune.yaml --highest 32     how much load it carries within the target
    tune sweep num_ctx=2048,1024 tune.yaml   see what single values of a knob change
    tune compare out/before out/after        compare two measurements
    tune validate baseline num_batch=256     see whether B is better than A, not worse, or worse
    tune report out/task-api/latest          write what a run found as a page to read
    tune lint Modelfile                      see what a Modelfile does not do as it seems to
    tune diff Modelfile task-api             see what changes, and what that costs in service
    tune apply out/task-api/latest --name X  put a result into service
    tune rollback X                          bring back what served before
    tune retune --name X --budget 2h         look for something better by night
    tune history X                           see what nights and people did, and why
    tune check --url http://HOST:PORT        see whether what serves still meets its targets
    tune schedule --name X --systemd         write what runs `tune retune` every night
    tune notify --test                       send a test to whom the study tells
    tune diagnose --p50 450 --p99 1200       see where the time goes, and what would help
    tune cost RESULT --price 2 --rate 500/h  see what serving costs, and what would save
    tune doctor                              see what disturbs measuring here
    tune config show tune.yaml               see each value, and where it was said
    tune paths                               see where results, state and caches lie
    tune completion bash                     let a shell complete all of this

    `tune [STUDY] ...` without a command is `tune run`.
    """  # noqa: D301


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    sys.exit(_outcome())


def _leave(number: int, frame: object) -> NoReturn:
    """End at once: nothing is running before the event loop takes the signals over.

    A KeyboardInterrupt in the middle of an import can be lost in C code, and `tune` would go on.
    """
    os._exit(128 + number)


def _outcome() -> int:
    try:
        result: Any = cli.main(prog_name="tune", standalone_mode=False)
        return int(result or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except click.Abort:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TunerError as error:
        click.echo(f"tune: {error}", err=True)
        return error.exit_code
