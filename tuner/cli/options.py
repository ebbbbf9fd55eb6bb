"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from tuner.cli.completing import engines, knobs, study_files
from tuner.cli.option_types import Cpus, Duration, Size

F = TypeVar("F", bound=Callable[..., Any])


def option(name: str, *names: str, **settings: Any) -> Callable[[F], F]:
    """Return an option that TUNE_<NAME> in the environment sets as well."""
    variable = "TUNE_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *names, envvar=variable, show_envvar=True, **settings)


_MILLISECONDS = click.FloatRange(min=0, min_open=True)

study_argument = click.argument(
    "study_file",
    metavar="[STUDY]",
    required=False,
    type=click.Path(path_type=Path),
    shell_complete=study_files,
)

_named_study = click.option(
    "--study",
    "study_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    shell_complete=study_files,
    help="The study; by default ./tune.yaml, else the packaged one.",
)

_CHECKING = (
    option("--target-p99", type=_MILLISECONDS, metavar="MS",
           help="Bound on the p99 of the end-to-end latency, in ms."),
    option("--target-ttft-p99", type=_MILLISECONDS, metavar="MS",
           help="Bound on the p99 of the time to first token, in ms."),
    option("--engine", metavar="KIND", shell_complete=engines,
           help="Kind of engine, such as ollama; `tune doctor` lists what is installed."),
    option("--model", metavar="MODEL",
           help="Path of a GGUF file, `default` for the packaged SmolLM2-135M, the name of a model "
                "in Ollama, or its folder for vLLM; with engine command the name that requests "
                "carry."),
)  # fmt: skip

_STARTING = (
    option("--attach", is_flag=False, flag_value="", metavar="[URL]",
           help="Use the server that runs there instead of starting one: only settings of a "
                "request and of a load are tuned, nothing else changed. An Ollama (OLLAMA_HOST "
                "without a URL), or with --engine vllm a vLLM."),
    option("--vllm-python", "engine_python", metavar="PATH",
           help="The Python that has vLLM, where `vllm` is not in PATH."),
)  # fmt: skip

_ASKED = (
    option("--budget", type=Duration(), help="Time for everything, such as 10m."),
    option("--seed", type=click.IntRange(min=0), help="Seed of every random choice."),
    option("--client-processes", type=click.IntRange(1, 64), metavar="N",
           help="Processes that send the load, where one cannot keep up."),
    option("--nice", type=click.IntRange(0, 19), metavar="N",
           help="Niceness of the engine that is started, from 0 to 19, the most yielding."),
    option("--cpus", type=Cpus(), metavar="LIST|COUNT",
           help="CPUs for the engine that is started: how many, or which, such as 2-3."),
    option("--memory", type=Size(), metavar="SIZE",
           help="Most memory that the engine that is started may hold, such as 4GiB."),
)  # fmt: skip

_OUTPUT = (
    option("--out", type=click.Path(path_type=Path, file_okay=False),
           help="Folder for the results; default out/<study>/<timestamp>."),
    click.option("--json", "as_json", is_flag=True,
                 help="Print one JSON document on standard output."),
    click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
)  # fmt: skip


def shared(command: F) -> F:
    """Add the options that every measuring command has."""
    return with_options((study_argument, *_CHECKING, *_STARTING, *_ASKED, *_OUTPUT), command)


def shared_without_study(command: F) -> F:
    """Add the same to a command that reads the study off its own words."""
    return with_options((*_CHECKING, *_STARTING, *_ASKED, *_OUTPUT), command)


def shared_with_named_study(command: F) -> F:
    """Add the same options to a command whose arguments are something else than a study."""
    return with_options((_named_study, *_CHECKING, *_STARTING, *_ASKED, *_OUTPUT), command)


def shared_without_starts(command: F) -> F:
    """Add the options of a command that measures what somebody else started."""
    return with_options((study_argument, *_CHECKING, *_ASKED, *_OUTPUT), command)


def of_study(command: F) -> F:
    """Add the study, and the options that replace what it says."""
    return with_options((study_argument, *_CHECKING, *_STARTING, *_ASKED), command)


def with_options(options: Iterable[Callable[[Any], Any]], command: F) -> F:
    """Add options, in the order in which help shows them."""
    for add in reversed(tuple(options)):
        command = add(command)
    return command


def _settings(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    return {} if ctx.resilient_parsing else dict(map(_setting, given))


def _setting(text: str) -> tuple[str, Any]:
    """Return (knob, value) of KNOB=VALUE."""
    from tuner.spec.errors import InputError
    from tuner.spec.file.yaml_reading import parsed_setting

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set: expected KNOB=VALUE, found {text!r}")
    return name.strip(), parsed_setting(value.strip(), "--set")


setting_option = click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_settings,
    metavar="KNOB=VALUE",
    shell_complete=knobs,
    help="A setting on top of the study's baseline; may be repeated.",
)

verbose_option = option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Say also on which terms the numbers hold, and what else was found.",
)
