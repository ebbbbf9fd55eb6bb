"""`tune report`: what a run found, as a page to read."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.program import show


@click.command(name="report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "md"]),
    default="html",
    show_default=True,
    help="html: write report.html into FOLDER; md: print it in short, for a pull request.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the data of the page, and write none.")
def command(folder: Path, kind: str, as_json: bool) -> int:
    """Write what FOLDER holds as a page to read: FOLDER/report.html.

    FOLDER is that of a finished `tune run`, `retune`, `measure` or `capacity`. The page is one
    file that loads nothing from elsewhere; every figure on it comes from the data inside of it. It
    is made from the folder alone: nothing is measured, and nothing else in it changes.

    \b
    Example:  tune report out/task-api/latest
    """  # noqa: D301
    from tuner.workflow.reporting.report import data, in_markdown, write_report

    if as_json:
        show(data(folder))
    elif kind == "md":
        click.echo(in_markdown(folder), nl=False)
    else:
        click.echo(write_report(folder))
    return 0
