"""Bring back what served under a name before the last `apply`, or remove the name.

What served before stays under a dated name.
"""

from __future__ import annotations

import re
from datetime import datetime

from tuner.engines.deployment import Deployment
from tuner.spec.errors import EngineError, EngineMissing, InputError
from tuner.workflow.service.notes import Note, Notes

BEFORE = "-before-"
STAMP = "%Y%m%dT%H%M%S"


def dated(name: str, now: datetime) -> str:
    """Return the name that keeps what serves under a name now."""
    return f"{name}{BEFORE}{now.strftime(STAMP)}"


def kept_before(name: str, deployment: Deployment) -> str | None:
    """Return the name that keeps what served before the last `apply`, None without one."""
    pattern = re.compile(re.escape(f"{name}{BEFORE}") + r"\d{8}T\d{6}", re.IGNORECASE)
    return max(filter(pattern.fullmatch, deployment.names()), key=str.casefold, default=None)


def take_back(note: Note, deployment: Deployment, notes: Notes) -> str:
    """Undo an `apply`; return a sentence that says what serves now.

    Raises EngineError where that is impossible, with the command for later.
    """
    try:
        ours = _undo(note, deployment)
    except EngineError as error:
        may = "may serve" if isinstance(error, EngineMissing) else "serves"
        raise EngineError(
            f"{note.name} {may} the new model, whose check did not end well, and could not be "
            f"taken back ({error}); {_command(note, deployment)}"
        ) from error
    notes.forget()
    if not ours:
        return f"{note.name} was changed by somebody else meanwhile, and stays as it is"
    if note.kept is None:
        return f"rolled back: {note.name} is removed, nothing served as it before"
    return f"rolled back: {note.name} is what it was before"


def _undo(note: Note, deployment: Deployment) -> bool:
    """Let a name serve what it did before, also where it has not changed hands yet.

    Returns False for a name that somebody else has changed since, and leaves it as it is.
    """
    serves = deployment.digest(note.name)
    old = None if note.kept is None else deployment.digest(note.kept)
    if note.kept is None or old is None:  # the old model is not kept: at most a first one was made
        if note.kept is None and serves == note.digest:
            deployment.delete(note.name)
        return note.kept is not None or serves in (None, note.digest)
    if serves not in (old, note.digest):
        return False
    if serves != old:
        deployment.copy(note.kept, note.name)
    deployment.delete(note.kept)
    return True


def _command(note: Note, deployment: Deployment) -> str:
    does = "removes it" if note.kept is None else f"brings back {note.kept}"
    return f"`tune rollback {note.name} --attach {deployment.address}` {does}"


def unfinished(deployment: Deployment, notes: Notes) -> str | None:
    """Return a sentence where an `apply` was killed and its unchecked result serves, else None.

    Where it was killed before the name changed hands, what it left is removed.
    """
    note = notes.unchecked()
    if note is None:
        return None
    if deployment.digest(note.name) == note.digest:
        return (
            f"the check in place of the tune apply of {note.at} did not end: {note.name} serves "
            f"what was not checked; {_command(note, deployment)}"
        )
    _undo(note, deployment)  # the name has not changed hands, or somebody changed it since
    notes.forget()
    return None


def first_apply(name: str, deployment: Deployment, notes: Notes) -> Note:
    """Return the `apply` that made what serves, where nothing served before; raise InputError."""
    serves = deployment.digest(name)
    for note in (notes.unchecked(), notes.first()):
        if note is not None and note.kept is None and note.digest == serves:
            return note
    raise InputError(
        f"nothing was kept of what served as {name} before: there is no {name}{BEFORE}DATE"
    )


def bring_back(kept: str, name: str, deployment: Deployment, notes: Notes) -> None:
    """Let a name serve again what is kept for it."""
    deployment.copy(kept, name)
    deployment.delete(kept)
    notes.forget()


def remove(name: str, deployment: Deployment, notes: Notes) -> None:
    """Remove a name under which nothing served before."""
    deployment.delete(name)
    notes.forget(first=True)
