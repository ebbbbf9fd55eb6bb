"""`tune validate`: whether B is better than A, not worse, or worse."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.asked_study import read_study
from tuner.cli.options import option, shared_with_named_study
from tuner.cli.program import run_loop, show

if TYPE_CHECKING:
    from tuner.evaluate.validation import Outcome

CODES: dict[Outcome, int] = {"better": 0, "not worse": 0, "undecided": 3, "worse": 4}
FLOOR_PERCENT = 3.0


@click.command(name="validate")
@click.argument("a")
@click.argument("b")
@shared_with_named_study
@option(
    "--margin",
    type=click.FloatRange(min=FLOOR_PERCENT),
    default=FLOOR_PERCENT,
    show_default=True,
    metavar="PERCENT",
    help="How much slower B may be; by default, and at least, the noise floor.",
)
@option(
    "--max-drop",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="How much lower B's share of right answers may be; by default guard.max_drop of the "
    "study, else 0.05.",
)
@click.option(
    "--force", is_flag=True, help="Compare endpoints that serve different models all the same."
)
@click.option("--resume", is_flag=True, help="Go on with the validation in --out.")
def command(
    a: str,
    b: str,
    study_file: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    margin: float,
    max_drop: float | None,
    force: bool,
    resume: bool,
    **overrides: Any,
) -> int:
    """Compare B with A afresh, and say whether it is better, not worse, or worse.

    A and B are each one of: `baseline` of the study, settings on top of it
    (num_batch=256,num_ctx=2048), the folder of a result or a measurement, or a Modelfile; or both
    are URLs of live endpoints, which are only asked. They are asked the same fresh prompts in
    blocks whose order is random, until a verdict stands or --budget is used up. What that takes is
    told first. Where no prompt says what is right, the agreement of both on greedy answers is told
    as a measure of drift.

    Exit code 0: better or not worse; 3: undecided; 4: worse; 5: a side does not serve; 6: not
    comparable, such as endpoints of two models.

    \b
    Example:  tune validate baseline out/task-api/latest --study tune.yaml --budget 20m
              tune validate http://127.0.0.1:8000 http://127.0.0.1:8001 --study tune.yaml
    """  # noqa: D301
    study = read_study(study_file, **overrides)  # before what is slow to import

    from tuner.report.progress import Lines
    from tuner.report.terminal import console
    from tuner.report.validation import show_validation
    from tuner.store.default_folder import default_out, latest_out
    from tuner.workflow.validating.asked import Asked
    from tuner.workflow.validating.validate import validate

    lines, name = Lines(console(stderr=True), quiet), f"{study.name}-validate"
    folder = out or (latest_out if resume else default_out)(name)
    asked = Asked(study, a, b, folder, margin / 100, max_drop, force, resume)
    try:
        found, document = run_loop(lambda: validate(asked, lines.note))
    except click.exceptions.Exit as interrupted:
        click.echo(
            f"interrupted; finished blocks stay in {folder}; go on with "
            f"--out {shlex.quote(str(folder))} --resume",
            err=True,
        )
        return interrupted.exit_code
    show(document if as_json else show_validation(found, study, {"a": a, "b": b}))
    lines.note(f"samples: {folder}")
    if found.outcome == "undecided":
        lines.note(f"go on with --out {shlex.quote(str(folder))} --resume and more --budget")
    return CODES[found.outcome]
