"""`tune study`: check a study file, or print the schema of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.groups import Group
from tuner.cli.options import of_study, option
from tuner.cli.program import show
from tuner.cli.run_options import folder_of, pause_option, resume_option, searching

if TYPE_CHECKING:
    from tuner.spec.study import Study


@click.group(name="study", cls=Group)
def command() -> None:
    """Check a study file, or print the schema of one."""


@command.command(name="check")
@of_study
@searching
@option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results of the run: is it free?",
)
@resume_option
@pause_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(
    study_file: Path | None,
    out: Path | None,
    resume: bool,
    pause_production: bool,
    as_json: bool,
    **overrides: Any,
) -> int:
    """Check what `tune run` with these options would do; no engine is started.

    Everything that can be wrong with it is an error (exit code 2): files, keys, slots, knobs
    and their values, the model file, a folder that holds a run already. What is only unwise is
    a warning, and the exit code 0. Without STUDY it is ./tune.yaml, else the packaged study.

    \b
    Example:  tune study check tune.yaml --target-p99 300 --budget 30m
    """  # noqa: D301
    study = read_study(study_file, **overrides)  # before what is slow to import
    _ensure_can_run(study, out, resume=resume, pause_production=pause_production)

    from tuner.report.study_check import check_document, show_check
    from tuner.workflow.start.study_check import check_study

    found = check_study(study)
    if as_json:
        show(check_document(found))
    else:
        click.echo(show_check(found))
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    return 0


def _ensure_can_run(
    study: Study, out: Path | None, *, resume: bool, pause_production: bool
) -> None:
    """Raise what `tune run` would raise for its folder, and for production that it is to stop."""
    from tuner.store.run_folder import ensure_free
    from tuner.workflow.beside.pausing import to_pause

    if out is not None or resume:
        ensure_free(folder_of(study.name, out, resume=resume), resume=resume)
    if pause_production:
        to_pause(study)


@command.command(name="schema")
def schema() -> int:
    """Print the JSON Schema of the study file, for editors.

    \b
    Example:  tune study schema > study.schema.json
    """  # noqa: D301
    from tuner.spec.file.schema import study_schema

    show(study_schema())
    return 0
