"""What the commands share: options, the study with its overrides, the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tuner.cli.completing import engines, knobs, study_files
from tuner.cli.option_types import Cpus, Size

if TYPE_CHECKING:
    from tuner.report.progress import Lines
    from tuner.spec.beside import Limits
    from tuner.spec.study import Study

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; a line that is still typed is not read."""
        if ctx is not None and ctx.resilient_parsing:
            return value  # type: ignore[no-any-return]
        from tuner.spec.file.parts import parse_duration

        try:
            return parse_duration(value)
        except ValueError as wrong:
            self.fail(f"{wrong}, found {value!r}", param, ctx)


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


def read_study(path: Path | None, **overrides: Any) -> Study:
    """Return the study with the options on top: flag over environment over file."""
    from tuner.spec.shipped import studies
    from tuner.spec.study import load

    if path is None:
        path = Path("tune.yaml") if Path("tune.yaml").exists() else studies() / _packaged(overrides)
    return overridden(load(path), **overrides)


def _packaged(overrides: Mapping[str, Any]) -> str:
    """Return the packaged study for the engine that is asked for."""
    from tuner.engines.registry import attaching, kind_by_name
    from tuner.spec.engine_kinds import engine_kinds, kind_for
    from tuner.spec.shipped import PACKAGED_STUDY

    if overrides.get("attach") is not None:
        return attaching().packaged_study
    found = engine_kinds().get(overrides.get("engine") or "")
    if found is None and (model := overrides.get("model")):
        found = kind_for(model)
    return kind_by_name(found.name).packaged_study if found else PACKAGED_STUDY


def overridden(
    study: Study,
    *,
    target_p99: float | None = None,
    target_ttft_p99: float | None = None,
    engine: str | None = None,
    model: str | None = None,
    attach: str | None = None,
    url: str | None = None,
    engine_python: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    client_processes: int | None = None,
    sampler: str | None = None,
    objective: str | None = None,
    stop_when_met: bool | None = None,
    nice: int | None = None,
    cpus: tuple[int, ...] | int | None = None,
    memory: int | None = None,
) -> Study:
    """Return a study in which the given options replace what the file says."""
    study = _attached(study, attach, engine)
    if url is not None:
        from tuner.workflow.checking.serving import served_at

        study = served_at(study, url)
    study = _of_kind(study, engine, model)
    study = _in_python(study, engine_python)
    study = replace(study, limits=_limits(study.limits, nice, cpus, memory))
    slos = _with_target(study.slos, "e2e", target_p99)
    slos = _with_target(slos, "ttft", target_ttft_p99)
    _check_objective(objective, study)
    changed = {
        "budget_s": budget, "seed": seed, "sampler": sampler, "model": model,
        "objective": objective, "stop_when_met": stop_when_met,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in changed.items() if value is not None}
    if client_processes is not None:
        load = replace(study.workload.load, client_processes=client_processes)
        given["workload"] = replace(study.workload, load=load)
    return replace(study, slos=slos, **given)


def _attached(study: Study, attach: str | None, engine: str | None) -> Study:
    """Return a study that a running server serves, where one is asked for."""
    if attach is None:
        return study
    from tuner.engines.registry import attaching

    kind = attaching(engine or study.engine)
    settings = study.engine_settings if kind.name == study.engine else None
    return replace(study, engine=kind.name, engine_settings=settings, url=kind.running(attach))


def _in_python(study: Study, python: str | None) -> Study:
    """Return a study whose engine is in the Python that an option names."""
    if python is None:
        return study
    from tuner.spec.engine_kinds import kind_named
    from tuner.spec.errors import InputError

    try:
        settings = kind_named(study.engine).in_python(study.engine_settings, python)
    except ValueError as wrong:
        raise InputError(f"--vllm-python: {wrong}") from None
    return replace(study, engine_settings=settings)


def _of_kind(study: Study, engine: str | None, model: str | None) -> Study:
    """Return a study of a kind of engine: as said, as its section declares, else by the model.

    What the section declares beyond that is only for its own kind.
    """
    from tuner.spec.engine_kinds import kind_for, kind_named
    from tuner.spec.errors import InputError

    kind = study.engine
    if engine is not None:
        kind = engine
    elif model is not None and study.engine_settings is None and (found := kind_for(model)):
        kind = found.name
    settings = study.engine_settings if kind == study.engine else None
    study = replace(study, engine=kind, engine_settings=settings, model=model or study.model)
    try:
        kind_named(kind).ensure_usable(study)
    except (InputError, ValueError) as wrong:
        raise InputError(f"--engine or --model: {wrong}") from None
    return study


def _limits(
    given: Limits | None,
    nice: int | None,
    cpus: tuple[int, ...] | int | None,
    memory: int | None,
) -> Limits | None:
    """Return the limits of the engine with options on top, None where there are none."""
    from tuner.spec.beside import Limits

    told: dict[str, Any] = {"nice": nice, "cpus": cpus, "memory_bytes": memory}
    found = replace(given or Limits(), **{n: v for n, v in told.items() if v is not None})
    return None if found == Limits() else found


def _check_objective(objective: str | None, study: Study) -> None:
    from tuner.spec.errors import InputError

    if objective == "correct" and not study.workload.expects:
        raise InputError("--objective correct: the workload needs `expect` on every prompt")


def _with_target(slos: tuple[Any, ...], metric: Any, target_ms: float | None) -> tuple[Any, ...]:
    """Return SLOs with a p99 target put first in place of the one on the same metric."""
    from tuner.spec.values import Slo

    if target_ms is None:
        return slos
    others = tuple(s for s in slos if (s.metric, s.quantile) != (metric, 0.99))
    return (Slo(metric, 0.99, target_ms / 1000), *others)


@contextlib.contextmanager
def ending_cleanly() -> Iterator[None]:
    """Let a signal that ends the program be an Exit, so that the block can clean up."""
    from tuner.machine.interrupts import deafen, handled

    def end(number: int, frame: object) -> None:
        deafen()
        raise click.exceptions.Exit(128 + number)

    with handled(end):
        yield


def run_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a workflow; a signal ends it cleanly, SIGINT with exit code 130, SIGTERM with 143.

    Raises EngineMissing on an operating system that cannot measure.
    """
    from tuner.machine.interrupts import deafen, ending, restored
    from tuner.machine.system import ensure_can_measure

    ensure_can_measure()

    async def main() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        caught: list[int] = []

        def end(number: int) -> None:
            caught.append(number)
            task.cancel()

        for number in ending():
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, end, number)
        try:
            return await work()
        except asyncio.CancelledError:
            for number in ending():
                loop.remove_signal_handler(number)
            deafen()
            code = 128 + (caught[0] if caught else signal.SIGINT)
            raise click.exceptions.Exit(int(code)) from None

    with restored():
        return asyncio.run(main())


def show(what: Any) -> None:
    """Print a result on standard output: a document as JSON, all else for people."""
    import json

    from tuner.report.terminal import console

    if isinstance(what, dict):
        click.echo(json.dumps(what, indent=2, ensure_ascii=False))
    else:
        console().print(what)


def progress(quiet: bool, study: Study) -> Lines:
    """Return what shows how a run goes: a bar on a terminal, lines elsewhere."""
    from tuner.report.progress import Bar, Lines
    from tuner.report.result import console

    errors, judged, target = console(stderr=True), study.workload.judged, study.slos[:1]
    if errors.is_terminal and not quiet:
        return Bar(errors, study.budget_s, judged, *target)
    return Lines(errors, quiet, judged, *target)
