"""`tune check`: whether what serves still meets its targets, once or all the time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.option_types import Duration
from tuner.cli.options import option, shared_without_starts
from tuner.cli.program import run_loop, show

if TYPE_CHECKING:
    from tuner.cli.watching import Shown
    from tuner.evaluate.watched import State
    from tuner.spec.study import Study
    from tuner.workflow.checking.serving import Serving
    from tuner.workflow.checking.watch import WatchPlan

CODES: dict[State, int] = {"met": 0, "undecided": 3, "lost": 4}
BUDGET_S = 300.0


@click.command(name="check")
@shared_without_starts
@option("--url", metavar="URL", help="The server that serves; by default engine.url of the study.")
@click.option(
    "--result",
    type=click.Path(path_type=Path, exists=True),
    help="Ask as clients of the best of this run do, in place of the study's baseline.",
)
@option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="Requests a second; by default as the study says, with --watch 0.2.",
)
@option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Requests in flight, in place of a rate.",
)
@click.option("--watch", is_flag=True, help="Go on watching at a low rate, until a signal.")
@click.option("--window", type=Duration(), help="Window that --watch tells of; default 10m.")
@click.option("--for", "for_s", type=Duration(), help="How long to --watch, such as 2h.")
@click.option(
    "--counters",
    is_flag=True,
    help="With --watch: read the server's own counters of all requests, and send none.",
)
def command(
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    result: Path | None,
    rate: float | None,
    concurrency: int | None,
    watch: bool,
    window: float | None,
    for_s: float | None,
    counters: bool,
    **overrides: Any,
) -> int:
    """Check whether what serves at a URL still meets its targets and its guard's floors.

    Requests are sent as clients send them until that is decided, within --budget (5m); nothing of
    the server is changed. Exit code 0: met; 3: undecided; 4: lost; 5: nothing answers. In GitHub
    Actions the step's summary and an annotation say the same.

    --watch prints percentiles, throughput and a state that changes only when evidence carries it.
    It ends with a signal, or after --for, with the exit code of its state.

    \b
    Example:  tune check tune.yaml --url http://127.0.0.1:8000 --budget 3m
              tune check tune.yaml --url http://127.0.0.1:8000 --watch --for 2h
    """  # noqa: D301
    from tuner.cli.watching import Shown
    from tuner.spec.errors import EngineError
    from tuner.workflow.checking.serving import serving
    from tuner.workflow.checking.watch import plan_of

    watching = {"window": window, "for_s": for_s, "counters": counters or None}
    _ensure_together(watch, watching, rate, concurrency)
    overrides["budget"] = overrides["budget"] or BUDGET_S
    study = _loaded(read_study(study_file, **overrides), rate, concurrency)
    try:
        serves, shown = serving(study, result), Shown(as_json, quiet)
        if watch:
            return _watched(serves, out, shown, plan_of(window, for_s), rate, counters)
        return _checked(serves, out, shown)
    except EngineError as error:
        _tell_github("lost", study, str(error))
        raise


def _ensure_together(
    watch: bool, watching: dict[str, Any], rate: float | None, concurrency: int | None
) -> None:
    """Raise UsageError for options that do not go together."""
    alone = [name for name, given in watching.items() if given is not None and not watch]
    if alone:
        raise click.UsageError(f"--{alone[0].removesuffix('_s')} is for --watch; add it")
    if rate is not None and concurrency is not None:
        raise click.UsageError("say --rate or --concurrency, not both")
    if watch and concurrency is not None:
        raise click.UsageError("--watch sends at a --rate, so that it adds little; leave out "
                               "--concurrency")  # fmt: skip
    if watching["counters"] and rate is not None:
        raise click.UsageError("--counters sends no request; leave out --rate")


def _loaded(study: Study, rate: float | None, concurrency: int | None) -> Study:
    """Return a study under the load that is asked for."""
    from dataclasses import replace

    load = study.workload.load
    if rate is not None:
        arrivals = "poisson" if load.arrivals == "trace" else load.arrivals
        load = replace(load, rate=rate, arrivals=arrivals)
    if concurrency is not None:
        load = replace(load, rate=None, concurrency=concurrency)
    return replace(study, workload=replace(study.workload, load=load))


def _checked(serves: Serving, out: Path | None, shown: Shown) -> int:
    from tuner.evaluate.checked import state_of, why
    from tuner.report.check import check_summary, show_check
    from tuner.report.progress import Lines
    from tuner.report.terminal import console
    from tuner.store.default_folder import default_out
    from tuner.workflow.checking.check import check

    lines, study = Lines(console(stderr=True), shown.quiet), serves.study
    folder = out or default_out(f"{study.name}-check")
    found, document = run_loop(lambda: check(serves, folder, lines.note))
    show(document if shown.as_json else show_check(found, study))
    lines.note(f"samples: {folder}")
    _tell_github(state_of(found), study, why(found, study), check_summary(found, study))
    return CODES[state_of(found)]


def _tell_github(state: State, study: Study, said: str, summary: str | None = None) -> None:
    """Tell GitHub Actions what was found, on standard error, and in the step's summary."""
    from tuner.report.check import cell
    from tuner.report.github import LEVELS, annotation, append_summary, on_github

    plain = f"### {cell(study.name)}\n\n**{cell(said)}**\n\n"
    if unwritten := append_summary(os.environ, summary or plain):
        click.echo(f"warning: {unwritten}", err=True)
    if on_github(os.environ) and state in LEVELS:
        click.echo(annotation(LEVELS[state], f"tune check {study.name}", said), err=True)


def _watched(
    serves: Serving,
    out: Path | None,
    shown: Shown,
    plan: WatchPlan,
    rate: float | None,
    counters: bool,
) -> int:
    from tuner.cli.watching import follow
    from tuner.store.default_folder import default_out
    from tuner.workflow.checking.sources import RATE, Counters, Probe, Source

    study = serves.study
    folder = out or default_out(f"{study.name}-watch")
    source: Source = Probe.of(serves, folder, rate or RATE)
    if counters:
        source = Counters(study, serves.engine, plan.every_s)
    state, said = run_loop(lambda: follow(source, plan, folder, shown))
    _tell_github(state, study, said)
    return CODES[state]
