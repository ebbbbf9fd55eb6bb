"""`tune apply`: put a result into service under the name that clients use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.options import read_study, run_loop, show

if TYPE_CHECKING:
    from tuner.report.measurement import Measurement
    from tuner.workflow.apply import Proposal


@click.command(name="apply")
@click.argument("result", type=click.Path(path_type=Path, exists=True))
@click.option("--name", help="The model's name, as clients call it.")
@click.option(
    "--edit",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Write the settings into this Modelfile of yours instead: its comments, its order and "
    "what is no setting stay.",
)
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
@click.option(
    "--target",
    type=click.Choice(["env", "systemd", "compose", "launchd"]),
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
    target: Any,
    study_file: Path | None,
    requests: int,
    unproven: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Create the model of RESULT under a name, and keep what served before.

    RESULT is the folder of a run. What would change is shown first. The old model stays under a
    dated tag, and serves until the new one is whole; `tune rollback` brings it back. Then what
    serves is measured once in place: a target that fails there is rolled back (exit code 4).

    \b
    Example:  tune apply out/task-api/latest --name task-api --target systemd
              tune apply out/task-api/latest --edit Modelfile
    """  # noqa: D301
    if edit is not None:
        return _edited(result, edit, unproven=unproven, yes=yes, dry_run=dry_run)
    if name is None:
        raise click.UsageError("say --name NAME, or --edit FILE")
    from datetime import datetime

    from tuner.engines.ollama_attached import address_of
    from tuner.engines.ollama_models import OllamaModels
    from tuner.report.apply import apply_document, show_in_place, show_proposal
    from tuner.report.terminal import console
    from tuner.workflow.apply import apply, propose, roll_back

    models = OllamaModels(address_of(host))
    proposal = propose(result, name, target, models)
    err = console(stderr=True)
    err.print(show_proposal(
        proposal.name, proposal.verdict, proposal.changes, proposal.environment, proposal.steps
    ))  # fmt: skip
    _ensure_proven(proposal.verdict, proposal.folder, unproven=unproven or dry_run)
    if dry_run or not (yes or click.confirm(f"put it into service as {proposal.name}?", err=True)):
        return 0
    done = apply(proposal, models, datetime.now())
    measured = _measured(proposal, models.address, study_file, requests)
    failed = measured is not None and measured.verdict == "FAIL"
    for line in show_in_place(measured) if measured else ["in place: not measured"]:
        err.print(line)
    if failed and done.kept:
        roll_back(proposal.name, models)
        err.print(f"rolled back: {proposal.name} is what it was before")
    document = apply_document(
        proposal.name, done.kept, proposal.changes, proposal.environment,
        str(done.service_file) if done.service_file else None, measured,
        rolled_back=bool(failed and done.kept),
    )  # fmt: skip
    show(document if as_json else _sentence(proposal.name, done.kept, failed))
    return 4 if failed else 0


def _edited(result: Path, file: Path, *, unproven: bool, yes: bool, dry_run: bool) -> int:
    """Write the settings of a result into a Modelfile that somebody wrote."""
    from tuner.report.diff import show_diff
    from tuner.report.terminal import console
    from tuner.workflow.edit import edit, write

    found = edit(result, file)
    console(stderr=True).print(show_diff(str(file), "edited", found.changes))
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


def _measured(
    proposal: Proposal, address: str, study_file: Path | None, requests: int
) -> Measurement | None:
    """Return the measurement in place, None where none is asked for or the study is another."""
    from datetime import datetime

    from tuner.workflow.apply import measure_in_place

    if not requests:
        return None
    study = read_study(study_file)
    if study.workload.hash != proposal.result.get("workload_hash"):
        return None
    out = proposal.folder / "service" / f"in-place-{datetime.now():%Y%m%dT%H%M%S}"
    return run_loop(lambda: measure_in_place(proposal, study, address, out, requests))


def _sentence(name: str, kept: str | None, failed: bool) -> str:
    if failed:
        return f"{name} failed its target in place"
    before = f"; what served before is {kept}, and `tune rollback {name}` brings it back"
    return f"{name} is in service{before if kept else ''}"
