"""`tune paths`: where everything lies."""

from __future__ import annotations

import click

from tuner.cli.program import show


@click.command(name="paths")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> int:
    """Show where studies, results, logs, state and caches lie, and which variable moves each.

    Nothing is made or changed. Results and ./tune.yaml are those of the folder in which it runs.

    \b
    Example:  tune paths --json
    """  # noqa: D301
    from tuner.report.paths import paths_document, show_paths
    from tuner.workflow.paths import known_paths

    found = known_paths()
    if as_json:
        show(paths_document(found))
    else:
        click.echo(show_paths(found))
    return 0
