"""`tune rollback`: bring back what served before the last apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.program import show

if TYPE_CHECKING:
    from tuner.engines.deployment import Deployment, Version
    from tuner.workflow.service.journal import Journal


@click.command(name="rollback")
@click.argument("name")
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
@click.option(
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    help="The study whose section `deploy` names the folder; by default the one that the last "
    "`tune apply` of the name used.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before anything is removed.")
def command(name: str, host: str | None, study_file: Path | None, yes: bool) -> int:
    """Bring back what served as NAME before the last `tune apply`.

    Where nothing did, what `tune apply` put there is removed, after a question. Where an apply was
    killed before its check in place had ended, that one is taken back, and nothing else is. With
    Ollama the server's environment is not touched: where it was changed, change it back as well.

    \b
    Example:  tune rollback task-api
    """  # noqa: D301
    from tuner.spec.study import load
    from tuner.workflow.service.journal import locked
    from tuner.workflow.service.places import place_named
    from tuner.workflow.service.repair import repair
    from tuner.workflow.service.way_back import last_kept

    deployment = place_named(name, host, load(study_file) if study_file else None)
    with locked(deployment) as journal:
        repaired = repair(deployment, journal)
        if repaired:
            click.echo(repaired.told, err=True)
            if repaired.back:
                return 0
        kept = last_kept(deployment, journal)
        if kept is None:
            return _removed(deployment, journal, yes=yes)
        _tell_edited(deployment, kept)
        told = f"{deployment.name} is again what was kept as {kept.label}"
        _go_back(deployment, journal, kept, told)
    return 0


def _tell_edited(deployment: Deployment, kept: Version) -> None:
    """Say where what comes back is not as it served before."""
    if edited := deployment.edited(kept):
        click.echo(
            f"edited by hand since it went into service: {', '.join(edited)}; it comes back so",
            err=True,
        )


def _go_back(deployment: Deployment, journal: Journal, kept: Version | None, told: str) -> None:
    """Go back and say so; a signal that ends the program waits until then."""
    from datetime import datetime

    from tuner.machine.interrupts import put_off
    from tuner.workflow.service.way_back import go_back

    with put_off():
        if unshown := go_back(deployment, journal, kept, datetime.now()):
            click.echo(unshown, err=True)
        show(told)


def _removed(deployment: Deployment, journal: Journal, *, yes: bool) -> int:
    """Ask whether to remove what `tune apply` put there first, and remove it then."""
    from tuner.workflow.service.way_back import first_apply

    name, at = deployment.name, first_apply(deployment, journal).at
    asked = f"nothing served as {name} before tune apply made it at {at}; remove it?"
    if not (yes or click.confirm(asked, err=True)):
        return 0
    told = f"{name} is removed: nothing served as it before tune apply made it"
    _go_back(deployment, journal, None, told)
    return 0
