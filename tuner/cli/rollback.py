"""`tune rollback`: bring back what served before the last apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tuner.cli.options import show

if TYPE_CHECKING:
    from tuner.engines.deployment import Deployment
    from tuner.workflow.service.notes import Notes


@click.command(name="rollback")
@click.argument("name")
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a model is removed.")
def command(name: str, host: str | None, yes: bool) -> int:
    """Bring back the model that served as NAME before the last `tune apply`.

    Where nothing did, the model that `tune apply` made is removed, after a question. The server's
    environment is not touched: where it was changed, change it back as well.

    \b
    Example:  tune rollback task-api
    """  # noqa: D301
    from tuner.engines import registry
    from tuner.workflow.service.interrupts import put_off
    from tuner.workflow.service.notes import locked
    from tuner.workflow.service.way_back import bring_back, kept_before, unfinished

    deployment = registry.deployment(host)
    name = deployment.listed(name)
    with locked(deployment.address, name) as notes:
        if killed := unfinished(deployment, notes):
            click.echo(killed, err=True)
        kept = kept_before(name, deployment)
        if kept is None:
            return _removed(name, deployment, notes, yes=yes)
        with put_off():
            bring_back(kept, name, deployment, notes)
            show(f"{name} is again what was kept as {kept}")
    return 0


def _removed(name: str, deployment: Deployment, notes: Notes, *, yes: bool) -> int:
    """Ask whether to remove the model that `tune apply` made first, and remove it then."""
    from tuner.workflow.service.interrupts import put_off
    from tuner.workflow.service.way_back import first_apply, remove

    at = first_apply(name, deployment, notes).at
    asked = f"nothing served as {name} before tune apply made it at {at}; remove it?"
    if not (yes or click.confirm(asked, err=True)):
        return 0
    with put_off():
        remove(name, deployment, notes)
        show(f"{name} is removed: nothing served as it before tune apply made it")
    return 0
