"""`tune measure`: one candidate, so many requests, its verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.options import option, setting_option, shared, verbose_option
from tuner.cli.program import run_loop, show


@click.command(name="measure")
@shared
@verbose_option
@setting_option
@option(
    "--requests",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Measure exactly so many requests.",
)
@click.option(
    "--until-decided", is_flag=True, help="Measure until every verdict has fallen, within --budget."
)
def command(
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    settings: dict[str, Any],
    requests: int,
    until_decided: bool,
    **overrides: Any,
) -> int:
    """Measure one candidate: the study's baseline with --set on top.

    The study needs no space, guard, schema or baseline. Exit code 0: every target is proven
    (or there is none); 3: not proven.

    \b
    Example:  tune measure my-study.yaml --set num_batch=128 --requests 400 --json
    """  # noqa: D301
    study = read_study(study_file, **overrides)  # before what is slow to import

    from tuner.report.documents import measurement_document
    from tuner.report.measurement import show_measurement
    from tuner.report.progress import Lines
    from tuner.report.terminal import console
    from tuner.store.default_folder import default_out
    from tuner.workflow.measuring.measure import measure

    lines = Lines(console(stderr=True), quiet)
    folder = out or default_out(f"{study.name}-measure")
    measured = run_loop(
        lambda: measure(
            study,
            folder,
            settings=settings,
            requests=requests,
            until_decided=until_decided,
            progress=lines.note,
        )
    )
    m, environment = measured
    document = measurement_document(m, study, environment)
    show(document if as_json else show_measurement(m, study, verbose=verbose))
    lines.note(f"samples: {folder}")
    proven = all(c.verdict == "PASS" for c in m.certificates.values()) and m.valid_run
    return 0 if proven else 3
