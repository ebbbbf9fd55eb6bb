"""`tune compare`: two measurements side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import verbose_option
from tuner.cli.program import show

if TYPE_CHECKING:
    from tuner.evaluate.comparison import Comparison


@click.command(name="compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Compare unlike measurements all the same.")
@verbose_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(a: Path, b: Path, force: bool, verbose: bool, as_json: bool) -> int:
    """Compare B against A: two measurements, or the best of two runs.

    A and B are measurement.json or result.json files, or the folders that hold them. Settings
    may differ; load, workload, engine, version, model, machine and the version of tune must not
    (exit code 6, each difference named). A difference is claimed only where its interval and
    the noise support it.

    \b
    Example:  tune compare out/before out/after
    """  # noqa: D301
    from tuner.workflow.measuring.compare import compare

    show_compared(compare(a, b, force=force), as_json=as_json, verbose=verbose)
    return 0


def show_compared(found: Comparison, *, as_json: bool, verbose: bool = False) -> None:
    """Print a comparison, and warn of what is unlike."""
    from tuner.report.comparison import comparison_document, show_comparison

    for difference in found.unlike:
        click.echo(f"warning: not alike: {difference}", err=True)
    document = comparison_document(found) if as_json else None
    show(document or show_comparison(found, verbose=verbose))
