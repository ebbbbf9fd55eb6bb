"""`tune lint`: what is wrong with a Modelfile."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.program import show


@click.command(name="lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--parallel",
    type=click.IntRange(1),
    metavar="N",
    help="OLLAMA_NUM_PARALLEL of the server, for the memory estimate.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(files: tuple[Path, ...], parallel: int | None, as_json: bool) -> int:
    """Say what is wrong with Modelfiles, and what does not do what it seems to.

    Errors keep `ollama create` from working (exit code 4); warnings are nearly always mistakes;
    notes are worth knowing. The template is rendered with a short conversation to see what
    reaches the model. Several files are also held against each other.

    \b
    Example:  tune lint Modelfile
    """  # noqa: D301
    from tuner.report.lint import lint_document, show_lint
    from tuner.workflow.modelfiles.lint import lint

    linted = lint(files, parallel)
    if as_json:
        show(lint_document(linted))
    else:
        click.echo(show_lint(linted))
    return 4 if any(each.errors for each in linted) else 0
