"""`tune capacity`: the highest load at which a configuration still meets its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.options import setting_option, shared, verbose_option
from tuner.cli.program import run_loop, show


@click.command(name="capacity")
@shared
@verbose_option
@setting_option
@click.option(
    "--by-rate", is_flag=True, help="Raise requests a second (open loop), not those in flight."
)
@click.option("--lowest", type=click.FloatRange(min=0, min_open=True), default=1, show_default=True,
              help="Load to begin with.")  # fmt: skip
@click.option("--highest", type=click.FloatRange(min=0, min_open=True), default=256,
              show_default=True, help="Load to go up to.")  # fmt: skip
def command(
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    settings: dict[str, Any],
    by_rate: bool,
    lowest: float,
    highest: float,
    **overrides: Any,
) -> int:
    """Find the highest load at which one configuration still meets its target.

    The configuration is the study's baseline with --set on top; the engine is started once. The
    load is doubled until the target is no longer proven, then the gap is halved. Exit code 0: some
    load is proven; 3: not even the lowest.

    \b
    Example:  tune capacity my-study.yaml --target-p99 800 --set num_parallel=4 --highest 32
    """  # noqa: D301
    from tuner.report.capacity import capacity_document, show_capacity
    from tuner.report.progress import Lines
    from tuner.report.terminal import console
    from tuner.store.default_folder import default_out
    from tuner.workflow.measuring.capacity import capacity

    study = read_study(study_file, **overrides)
    lines = Lines(console(stderr=True), quiet)
    folder = out or default_out(f"{study.name}-capacity")
    found, environment = run_loop(
        lambda: capacity(
            study, folder, by_rate=by_rate, lowest=lowest, highest=highest,
            settings=settings, progress=lines.note,
        )
    )  # fmt: skip
    document = capacity_document(found, study, environment)
    show(document if as_json else show_capacity(found, study, verbose=verbose))
    lines.note(f"samples: {folder}")
    return 0 if found.highest else 3
