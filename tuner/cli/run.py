"""`tune run`: search, prove, write."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.options import shared, verbose_option
from tuner.cli.program import progress, run_loop, show
from tuner.cli.run_options import folder_of, pause_option, resume_option, searching


@click.command(name="run")
@shared
@verbose_option
@searching
@resume_option
@click.option(
    "--iterate",
    is_flag=True,
    help="Tune in rounds, each from the best so far, until the target is proven or another round "
    "is not expected to help; --budget is for all of them.",
)
@click.option(
    "--pull",
    is_flag=True,
    help="Fetch the study's models that are not there, where the engine can.",
)
@pause_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
def command(
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    resume: bool,
    iterate: bool,
    pull: bool,
    pause_production: bool,
    dry_run: bool,
    **overrides: Any,
) -> int:
    """Tune a study: find, prove and write the best serving configuration.

    Without STUDY it is ./tune.yaml, else the packaged task-api study. Exit code 0: proven;
    3: not proven, the best is written all the same.

    \b
    Example:  tune run --target-p99 500 --budget 10m --seed 1
              tune run my-study.yaml --iterate --budget 60m
    """  # noqa: D301
    study = read_study(study_file, **overrides)  # before what is slow to import

    from tuner.report.documents import plan_document, result_document
    from tuner.report.plan import show_plan
    from tuner.report.result import show_result
    from tuner.report.terminal import console
    from tuner.search.budget import plan
    from tuner.workflow.beside.pausing import bring_back, paused, to_pause
    from tuner.workflow.tune.preparation import check

    check(study)
    errors = console(stderr=True)
    if dry_run:
        planned = plan(_first(study) if iterate else study)
        show(plan_document(planned, study) if as_json else show_plan(planned, study))
        return 0

    from tuner.report.rounds import show_rounds
    from tuner.workflow.tune.iterating.iterate import iterate as in_rounds
    from tuner.workflow.tune.run import run

    if not quiet:
        errors.print(show_plan(plan(_first(study) if iterate else study), study))
    folder = folder_of(study.name, out, resume=resume)
    watcher = progress(quiet, study)
    if pull:
        from tuner.engines.registry import kind_of

        kind_of(study).fetch(study, watcher.note)
    production = to_pause(study) if pause_production else None

    async def work() -> Any:
        bring_back(watcher.note)
        with paused(production, watcher.note) if production else nullcontext():
            return await (in_rounds if iterate else run)(study, folder, watcher, resume=resume)

    try:
        result = run_loop(work)
    except click.exceptions.Exit as interrupted:
        watcher.close()
        click.echo(
            f"interrupted; the engine is stopped, finished trials stay in {folder}; go on with "
            f"{'--iterate ' if iterate else ''}--out {shlex.quote(str(folder))} --resume",
            err=True,
        )
        return interrupted.exit_code
    finally:
        watcher.close()
    if iterate:
        show(dict(result.document) if as_json else show_rounds(result.document, result.report))
        return 0 if result.proven else 3
    show(result_document(result) if as_json else show_result(result, verbose=verbose))
    return 0 if result.verdict == "PASS" else 3


def _first(study: Any) -> Any:
    """Return the study of the first round."""
    from tuner.workflow.tune.iterating.rounds import next_study

    return next_study(study, ())
