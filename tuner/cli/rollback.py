"""`tune rollback`: bring back what served before the last apply."""

from __future__ import annotations

import click

from tuner.cli.options import show


@click.command(name="rollback")
@click.argument("name")
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
def command(name: str, host: str | None) -> int:
    """Bring back the model that served as NAME before the last `tune apply`.

    The server's environment is not touched: where it was changed, change it back as well.

    \b
    Example:  tune rollback task-api
    """  # noqa: D301
    from tuner.engines.ollama_attached import address_of
    from tuner.engines.ollama_models import OllamaModels
    from tuner.workflow.apply import roll_back

    kept = roll_back(name, OllamaModels(address_of(host)))
    show(f"{name} is again what was kept as {kept}")
    return 0
