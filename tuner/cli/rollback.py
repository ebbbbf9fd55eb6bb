"""`tune rollback`: bring back what served before the last apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tuner.cli.options import show

if TYPE_CHECKING:
    from tuner.engines.ollama.models import OllamaModels
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
    from tuner.engines.ollama.attached import address_of
    from tuner.engines.ollama.models import OllamaModels
    from tuner.workflow.service.interrupts import put_off
    from tuner.workflow.service.notes import held
    from tuner.workflow.service.way_back import bring_back, kept_before, listed, unfinished

    models = OllamaModels(address_of(host))
    name = listed(name, models)
    with held(models.address, name) as notes:
        if killed := unfinished(models, notes):
            click.echo(killed, err=True)
        kept = kept_before(name, models)
        if kept is None:
            return _removed(name, models, notes, yes=yes)
        with put_off():
            bring_back(kept, name, models, notes)
            show(f"{name} is again what was kept as {kept}")
    return 0


def _removed(name: str, models: OllamaModels, notes: Notes, *, yes: bool) -> int:
    """Remove what `tune apply` made where nothing had served before, if that is wanted."""
    from tuner.workflow.service.interrupts import put_off
    from tuner.workflow.service.way_back import made, remove

    at = made(name, models, notes).at
    asked = f"nothing served as {name} before tune apply made it at {at}; remove it?"
    if not (yes or click.confirm(asked, err=True)):
        return 0
    with put_off():
        remove(name, models, notes)
        show(f"{name} is removed: nothing served as it before tune apply made it")
    return 0
