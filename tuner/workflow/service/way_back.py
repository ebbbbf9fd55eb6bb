"""Bring back what served before: after a check that did not end well, or because somebody asks."""

from __future__ import annotations

import contextlib
from datetime import datetime

from tuner.engines.deployment import Deployment, Version
from tuner.spec.errors import EngineError, EngineMissing, InputError, OutputError
from tuner.workflow.service.journal import Journal, Promotion, Step


def take_back(deployment: Deployment, journal: Journal, promotion: Promotion) -> str:
    """Undo a promotion; return a sentence that says what serves now.

    It may be done again, until it is written down as done. Raises EngineError where it is
    impossible, with the command for later, and where what served before does not answer any more.
    """
    moved = "swapped" in _steps(journal, promotion)
    try:
        if not is_ours(deployment, promotion):
            _end(journal, "left")
            return f"{promotion.name} was changed by somebody else meanwhile, and stays as it is"
        moved = moved or not serves(deployment, promotion.kept)
        deployment.restore(promotion.kept)
    except EngineError as error:
        may = "may serve" if isinstance(error, EngineMissing) else "serves"
        raise EngineError(
            f"{promotion.name} {may} the new {deployment.noun}, whose check did not end well, and "
            f"could not be taken back ({error}); {command(deployment, promotion)}"
        ) from error
    told = f"rolled back: {_what_serves(promotion)}"
    if moved:
        return told + _serving_again(deployment, journal, promotion, told)
    _end(journal)
    return told


def _what_serves(promotion: Promotion) -> str:
    if promotion.kept is None:
        return f"{promotion.name} is removed, nothing served as it before"
    return f"{promotion.name} is what it was before"


def _serving_again(
    deployment: Deployment, journal: Journal, promotion: Promotion, told: str
) -> str:
    """Have serve what has the name again; return the rest of the sentence that says so.

    What did not answer before need not answer now; else EngineError is raised.
    """
    try:
        remark = deployment.reload()
    except EngineError as error:
        if promotion.answered is not False:
            raise EngineError(f"{told}, but it does not answer: {error}") from error
        remark = f"it did not answer before, and does not now: {str(error).splitlines()[0]}"
    finally:
        _end(journal)  # what does not start is not started again by each further `tune`
    return f"; {remark}" if remark else ""


def _end(journal: Journal, step: Step = "restored") -> None:
    """Write down that what served before has the name, or how it ended else."""
    with contextlib.suppress(OutputError):  # else the next `tune` does it again, to the same end
        journal.write(step)


def _steps(journal: Journal, promotion: Promotion) -> tuple[str, ...]:
    """Return the steps that were written down of what goes on."""
    written = journal.unfinished()
    return promotion.steps if written is None else written.steps


def is_ours(deployment: Deployment, promotion: Promotion) -> bool:
    """Tell whether a name serves one of the two between which it was to change."""
    return serves(deployment, promotion.kept) or serves(deployment, promotion.coming)


def serves(deployment: Deployment, version: Version | None) -> bool:
    """Tell whether a version has the name; None stands for no version."""
    now = deployment.current()
    return (now and now.id) == (version and version.id)


def command(deployment: Deployment, promotion: Promotion) -> str:
    """Return what does by hand what could not be done, and what it does."""
    does = f"brings back {promotion.kept.label}" if promotion.kept else "removes it"
    return f"`tune rollback {promotion.name}{deployment.option}` {does}"


def last_kept(deployment: Deployment, journal: Journal) -> Version | None:
    """Return what served before the last `apply`, None where nothing is kept of it.

    That is what the journal says, and the last one by its date where the journal does not know.
    """
    kept = deployment.kept()
    for made in reversed(journal.promotions()):
        if made.settled and made.kept in kept and serves(deployment, made.coming):
            return made.kept
    return kept[-1] if kept else None


def first_apply(deployment: Deployment, journal: Journal) -> Promotion:
    """Return the `apply` that made what serves, where nothing served before; raise InputError."""
    for made in reversed(journal.promotions()):
        if made.settled and made.kept is None and serves(deployment, made.coming):
            return made
    raise InputError(
        f"nothing was kept of what served as {deployment.name} before: there is nothing to go back "
        "to"
    )


def go_back(
    deployment: Deployment,
    journal: Journal,
    kept: Version | None,
    now: datetime,
    by: str = "tune rollback",
) -> str | None:
    """Let a name serve what is kept, None for nothing, because somebody asks for it.

    `by` is the command that asks. Returns what could not be shown of what serves then. A full disk
    does not keep it from that. Raises EngineError.
    """
    coming = deployment.current()
    if coming is None:
        raise InputError(f"nothing serves as {deployment.name}: there is nothing to go back from")
    began = Promotion(
        name=deployment.name,
        coming=coming,
        kept=kept,
        at=now.isoformat(" ", "minutes"),
        record=deployment.record(),
        by=by,
    )
    with contextlib.suppress(OutputError):
        journal.begin("returning", began)
    return finish_return(deployment, journal, began)


def finish_return(deployment: Deployment, journal: Journal, began: Promotion) -> str | None:
    """Do all of a way back, also where some of it was done before; see `go_back`."""
    deployment.restore(began.kept)
    rest = _serving_again(deployment, journal, began, _again(began))
    return rest.removeprefix("; ") or None


def _again(began: Promotion) -> str:
    if began.kept is None:
        return f"{began.name} is removed"
    return f"{began.name} is again what was kept as {began.kept.label}"
