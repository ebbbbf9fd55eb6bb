"""`tune sweep`: what each value of a knob does, on the real engine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.completing import swept
from tuner.cli.options import option, shared_without_study
from tuner.cli.program import run_loop, show
from tuner.cli.run_options import folder_of

if TYPE_CHECKING:
    from tuner.spec.study import Study
    from tuner.workflow.sweeping.asked import Asked


@click.command(name="sweep")
@click.argument(
    "words", nargs=-1, required=True, metavar="KNOB=V1,V2,... [STUDY]", shell_complete=swept
)
@shared_without_study
@option("--requests", type=click.IntRange(min=1), default=60, show_default=True,
        help="Measure so many requests of each value, in all rounds together.")  # fmt: skip
@option("--rounds", type=click.IntRange(min=2), default=3, show_default=True,
        help="Blocks of each value; more show smaller differences.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out, or the latest one.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
def command(
    words: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    requests: int,
    rounds: int,
    resume: bool,
    dry_run: bool,
    **overrides: Any,
) -> int:
    """Measure what single values of knobs change, one knob at a time.

    Each value stands alone on the study's baseline: prefill time, memory, p50, p99 and the
    classes of answers, in blocks in random order with one of the baseline before each.
    Differences that like sides show too are marked as noise. No block begins once --budget is
    used up; what was measured stays in --out, and --resume goes on with it. Without STUDY it is
    ./tune.yaml, else the packaged study.

    \b
    Example:  tune sweep num_ctx=2048,1024 num_batch=128,256 tune.yaml --budget 20m
    """  # noqa: D301
    from tuner.workflow.sweeping.asked import asked, is_knob

    files = [word for word in words if not is_knob(word)]
    if len(files) > 1:
        raise click.UsageError(f"one study, found {' and '.join(files)}")
    study = read_study(Path(files[0]) if files else None, **overrides)
    wanted = asked(filter(is_knob, words), rounds, requests)
    if dry_run:
        _show_plan(study, wanted, as_json=as_json)
        return 0
    folder = folder_of(f"{study.name}-sweep", out, resume=resume)
    _swept(study, wanted, folder, resume=resume, quiet=quiet, as_json=as_json)
    return 0


def _show_plan(study: Study, wanted: Asked, *, as_json: bool) -> None:
    from tuner.report.sweep_plan import plan_document, show_plan
    from tuner.workflow.sweeping.schedule import sweep_plan

    planned = sweep_plan(study, wanted)
    show(plan_document(planned, study) if as_json else show_plan(planned, study))


def _swept(
    study: Study, wanted: Asked, folder: Path, *, resume: bool, quiet: bool, as_json: bool
) -> None:
    """Measure, and print what was found; say how to go on where it was interrupted."""
    from tuner.report.progress import Lines
    from tuner.report.sweep import show_sweep, sweep_document
    from tuner.report.sweep_plan import show_plan
    from tuner.report.terminal import console
    from tuner.workflow.sweeping.schedule import sweep_plan
    from tuner.workflow.sweeping.sweep import sweep

    errors = console(stderr=True)
    lines = Lines(errors, quiet)
    if not quiet:
        errors.print(show_plan(sweep_plan(study, wanted), study))
    try:
        found, environment = run_loop(
            lambda: sweep(study, folder, wanted, resume=resume, progress=lines.note)
        )
    except click.exceptions.Exit:
        again = f"--out {shlex.quote(str(folder))} --resume"
        click.echo(f"interrupted; finished blocks stay in {folder}; go on with {again}", err=True)
        raise
    show(sweep_document(found, study, environment) if as_json else show_sweep(found, study))
    lines.note(f"samples: {folder}")
