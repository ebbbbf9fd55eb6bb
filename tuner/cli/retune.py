"""`tune retune`: one night beside production, which ends with what is proven in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tuner.cli import program
from tuner.cli.asked_study import read_study
from tuner.cli.option_types import Duration, window_of
from tuner.cli.options import option, shared
from tuner.cli.program import show


@click.command(name="retune")
@shared
@click.option("--name", required=True, help="The name in service, as `tune apply --name` gave it.")
@option(
    "--window",
    metavar="HH:MM-HH:MM",
    help="When the night may work, such as 01:00-05:00, or 22:00-06:00 Europe/Berlin; outside of "
    "it the night is skipped. Any time by default.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Requests of the measurement in place; 0 for none.",
)
@option(
    "--watch",
    type=Duration(),
    help="How long to watch what was promoted, such as 8h; it goes back where a target is lost.",
)
@click.option(
    "--watch-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=0.2,
    show_default=True,
    help="Requests a second of that watch; more of them show sooner that a target is lost.",
)
@click.option(
    "--pause-production",
    is_flag=True,
    help="Stop production with the study's beside.pause while it is measured.",
)
def command(
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    name: str,
    window: str | None,
    requests: int,
    watch: float | None,
    watch_rate: float,
    pause_production: bool,
    **overrides: Any,
) -> int:
    """Search beside production for something better, and put it into service if that is proven.

    What serves as NAME is compared with a challenger, in pairs of blocks on fresh prompts in random
    order. It is replaced only where the challenger is shown to meet every target and floor, to be
    better (or what serves is shown to miss its target), and to answer not worse than what serves
    and than what a person put there last. Evidence is kept: what a night leaves open goes on in the
    next one. Exit code 0: promoted, kept, undecided, repaired or skipped; 4: rolled back; 5: the
    night failed; 75: another one goes on. What serves stays in all of these.

    \b
    Example:  tune retune tune.yaml --name my-assistant --window 01:00-05:00 --budget 2h
    """  # noqa: D301
    from tuner.report.night import night_document, show_night
    from tuner.store.default_folder import default_out
    from tuner.workflow.beside.pausing import to_pause
    from tuner.workflow.nightly.asked import Asked
    from tuner.workflow.nightly.night import retune
    from tuner.workflow.service.places import place_named

    study = read_study(study_file, **overrides)
    place = place_named(name, overrides.get("attach") or None, study)
    pause = to_pause(study) if pause_production else None
    folder = out or default_out(study.name)
    hours = None if window is None else window_of(window)
    asked = Asked(study, place, folder, hours, pause, requests, watch or 0.0, watch_rate)
    watcher = program.progress(quiet, study)
    try:
        outcome = retune(asked, program, watcher)
    finally:
        watcher.close()
    show(night_document(outcome, place.name) if as_json else show_night(outcome, place.name))
    return 4 if outcome.decision == "rolled_back" else 0
