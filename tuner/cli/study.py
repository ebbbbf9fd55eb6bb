"""`tune study`: check a study file, or print the schema of one."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.groups import Group
from tuner.cli.options import show


@click.group(name="study", cls=Group)
def command() -> None:
    """Check a study file, or print the schema of one."""


@command.command(name="check")
@click.argument("study_file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(study_file: Path, as_json: bool) -> int:
    """Check a study without starting its engine.

    Everything that can be wrong with it is an error (exit code 2): files, keys, slots, knobs
    and their values, the model file. What is only unwise is a warning, and the exit code 0.

    \b
    Example:  tune study check tune.yaml
    """  # noqa: D301
    from tuner.spec.study import load

    study = load(study_file)  # before what is slow to import: most mistakes show here

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


@command.command(name="schema")
def schema() -> int:
    """Print the JSON Schema of the study file, for editors.

    \b
    Example:  tune study schema > study.schema.json
    """  # noqa: D301
    from tuner.spec.file.schema import study_schema

    show(study_schema())
    return 0
