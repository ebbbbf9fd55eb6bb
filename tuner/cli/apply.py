"""`tune apply`: put a result into service under the name that clients use."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.asked_study import read_study
from tuner.cli.option_types import Duration
from tuner.cli.program import ending_cleanly, run_loop, show
from tuner.engines.deployment import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuner.engines.deployment import Deployment, Target
    from tuner.evaluate.measurement import Measurement
    from tuner.spec.study import Study
    from tuner.workflow.service.apply import Applied
    from tuner.workflow.service.journal import Journal
    from tuner.workflow.service.places import Told
    from tuner.workflow.service.proposal import Proposal


@click.command(name="apply")
@click.argument("result", type=click.Path(path_type=Path, exists=True))
@click.option("--name", help="The model's name, as clients call it.")
@click.option(
    "--edit",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Write the settings into this Modelfile of yours instead: its comments, its order and "
    "what the study did not set stay.",
)
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder from which the files of the result serve, in place of the study's "
    "`deploy.folder`.",
)
@click.option("--reload", metavar="COMMAND", help="In place of `deploy.reload`.")
@click.option("--health", metavar="URL", help="In place of `deploy.health`.")
@click.option("--within", type=Duration(), help="In place of `deploy.within`, such as 5m.")
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="env",
    show_default=True,
    help="How the server is run: which file its environment is written as.",
)
@click.option(
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    help="The study of the result; ./tune.yaml or the packaged one by default.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Requests of the measurement in place; 0 for none.",
)
@click.option("--unproven", is_flag=True, help="Apply it though its target is not proven.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    result: Path,
    name: str | None,
    edit: Path | None,
    host: str | None,
    folder: Path | None,
    reload: str | None,
    health: str | None,
    within: float | None,
    target: Target,
    study_file: Path | None,
    requests: int,
    unproven: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Put RESULT into service under a name, and keep what served before.

    RESULT is the folder of a run. What would change is shown first. With Ollama it becomes a model:
    the old one stays under a dated tag, and serves until the new one is whole. Where the study has
    a section `deploy`, the files become a version in its folder: the link `current` is swapped, and
    the reload command has the server start anew. Then what serves is measured once in place: a
    target that fails there is rolled back (exit code 4), and so is what does not load or answer
    (5), or whose measurement does not end for any other reason. What an apply that was killed left
    half done is repaired first. `tune rollback` brings back what served before.

    \b
    Example:  tune apply out/task-api/latest --name task-api --target systemd
              tune apply out/my-vllm/latest --name my-vllm --study my-vllm.yaml
              tune apply out/task-api/latest --edit Modelfile
    """  # noqa: D301
    if edit is not None:
        return _edited(result, edit, unproven=unproven, yes=yes, dry_run=dry_run)
    if name is None:
        raise click.UsageError("say --name NAME, or --edit FILE")
    from tuner.workflow.service.journal import locked
    from tuner.workflow.service.places import place_of
    from tuner.workflow.service.proposal import propose

    # a server that is named needs no study to be found
    study = read_study(study_file) if requests or host is None else None
    deployment = place_of(result, name, host, study, _told(folder, reload, health, within))
    with locked(deployment) as journal:
        _repair(deployment, journal, dry_run=dry_run)
        proposal = propose(result, target, deployment)
        study = _study_in_place(proposal, study if requests else None, deployment)
        _show_proposal(proposal, deployment)
        _ensure_proven(proposal.verdict, proposal.folder, unproven=unproven or dry_run)
        asked = f"put it into service as {proposal.name}?"
        if dry_run or not (yes or click.confirm(asked, err=True)):
            return 0
        check = _check(proposal, deployment, study, requests) if study else None
        done = _into_service(proposal, deployment, journal, check)
    _show_done(proposal, done, as_json=as_json)
    return 4 if done.failed else 0


def _told(
    folder: Path | None, reload: str | None, health: str | None, within: float | None
) -> Told:
    """Return what the options say of a folder; raise UsageError for what cannot be read."""
    from tuner.spec.address import url
    from tuner.spec.deploy import words
    from tuner.workflow.service.places import Told

    try:
        command = None if reload is None else words(reload)
    except ValueError as wrong:
        raise click.UsageError(f"--reload: {wrong}") from None
    try:
        where = None if health is None else url(health)
    except ValueError as wrong:
        raise click.UsageError(f"--health: {wrong}") from None
    return Told(folder, command, where, within)


def _repair(deployment: Deployment, journal: Journal, *, dry_run: bool) -> None:
    """End what an earlier `tune` left half done, and say so; a dry run only tells of it."""
    from tuner.workflow.service.repair import repair, unfinished

    if dry_run:
        _say(unfinished(deployment, journal))
    elif repaired := repair(deployment, journal):
        _say(repaired.told)


def _show_proposal(proposal: Proposal, deployment: Deployment) -> None:
    from tuner.report.apply import show_proposal
    from tuner.report.terminal import console

    shown = show_proposal(
        proposal.name, proposal.verdict, proposal.changes, proposal.setup, deployment.noun,
        proposal.edited,
    )  # fmt: skip
    console(stderr=True).print(shown)


def _say(line: str | None) -> None:
    """Print a line on standard error; what was done stays, even if nobody can read that."""
    with contextlib.suppress(OSError):
        if line:
            click.echo(line, err=True)


def _study_in_place(
    proposal: Proposal, study: Study | None, deployment: Deployment
) -> Study | None:
    """Return the study for the check in place; None, after saying why, where there will be none."""
    from tuner.workflow.service.in_place import why_not

    reason = why_not(proposal, study, deployment)
    if reason:
        click.echo(f"it will not be measured in place: {reason}", err=True)
    return None if reason else study


def _check(
    proposal: Proposal, deployment: Deployment, study: Study, requests: int
) -> Callable[[], Measurement]:
    """Return a function that measures in place and prints the outcome."""
    from datetime import datetime

    from tuner.report.apply import show_in_place
    from tuner.workflow.service.in_place import measure

    out = proposal.folder / "service" / f"in-place-{datetime.now():%Y%m%dT%H%M%S}"

    def check() -> Measurement:
        measured = run_loop(lambda: measure(proposal, study, deployment, out, requests))
        for line in show_in_place(measured):
            _say(line)
        return measured

    return check


def _into_service(
    proposal: Proposal,
    deployment: Deployment,
    journal: Journal,
    check: Callable[[], Measurement] | None,
) -> Applied:
    """Apply a proposal; a signal ends the program only after what was done is taken back."""
    from datetime import datetime

    from tuner.workflow.service.apply import apply

    if check is None:
        _say("in place: not measured")
    with ending_cleanly():
        return apply(proposal, deployment, journal, datetime.now(), _say, check)


def _show_done(proposal: Proposal, done: Applied, *, as_json: bool) -> None:
    from tuner.report.apply import apply_document

    document = apply_document(
        proposal.name, done.kept, proposal.changes, proposal.setup, done.measured,
        edited=proposal.edited, rolled_back=done.failed,
    )  # fmt: skip
    show(document if as_json else _sentence(proposal.name, done.kept, failed=done.failed))


def _edited(result: Path, file: Path, *, unproven: bool, yes: bool, dry_run: bool) -> int:
    """Write the settings of a result into the user's own Modelfile."""
    from tuner.report.diff import show_diff, told_unlike
    from tuner.report.terminal import console
    from tuner.workflow.modelfiles.edit import edit, write

    found = edit(result, file)
    console(stderr=True).print(show_diff(str(file), "edited", found.changes))
    if found.unlike:
        click.echo(told_unlike(found.unlike), err=True)
    _ensure_proven(found.verdict, result, unproven=unproven or dry_run)
    if dry_run or not (yes or click.confirm(f"write {file}?", err=True)):
        return 0
    write(found)
    show(f"{file} is edited; the settings are those of {result}")
    return 0


def _ensure_proven(verdict: str, folder: Path, *, unproven: bool) -> None:
    from tuner.spec.errors import InputError

    if verdict != "PASS" and not unproven:
        raise InputError(
            f"the result in {folder} is not proven ({verdict}); say --unproven to apply it all the "
            "same"
        )


def _sentence(name: str, kept: str | None, *, failed: bool) -> str:
    if failed:
        return f"{name} failed its target in place"
    back = f"`tune rollback {name}`"
    before = f"what served before is {kept}, and {back} brings it back"
    return (
        f"{name} is in service; {before if kept else f'nothing served before, {back} removes it'}"
    )
