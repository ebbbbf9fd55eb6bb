"""`tune diff`: what changes between two Modelfiles, and what that costs in service."""

from __future__ import annotations

import click

from tuner.cli.options import show


@click.command(name="diff")
@click.argument("a")
@click.argument("b")
@click.option(
    "--attach",
    "host",
    metavar="URL",
    help="The Ollama that is asked for models that are no files; OLLAMA_HOST by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(a: str, b: str, host: str | None, as_json: bool) -> int:
    """Show what changes from A to B, and what each change costs a running server.

    A and B are Modelfiles, or names of models that an Ollama has. A change costs nothing, or a
    reload of the weights at the next request. (A restart costs only the environment, which no
    Modelfile holds.)

    \b
    Example:  tune diff Modelfile task-api
    """  # noqa: D301
    from tuner.report.diff import diff_document, show_diff
    from tuner.workflow.modelfiles.diff import diff

    found = diff(a, b, host)
    show(diff_document(a, b, found) if as_json else show_diff(a, b, found))
    return 0
