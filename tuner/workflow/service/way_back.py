"""The way back: what served under a name before the last `apply`, or nothing where that is true.

What served before is kept by the server under a dated name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tuner.spec.errors import EngineError, EngineMissing, InputError
from tuner.spec.model_name import shown
from tuner.workflow.service.notes import Note, Notes

BEFORE = "-before-"


class Models(Protocol):
    """The models of a server, as `tuner.engines.ollama.models.OllamaModels` has them."""

    @property
    def address(self) -> str:
        """Return the URL of the server."""
        ...

    def names(self) -> list[str]:
        """Return the names of all models, each with its tag."""
        ...

    def digest(self, name: str) -> str | None:
        """Return the digest of a model, None where it is not there."""
        ...

    def modelfile(self, name: str) -> str:
        """Return the Modelfile of a model."""
        ...

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a model from the fields of its Modelfile."""
        ...

    def upload(self, file: Path) -> str:
        """Send a file of weights to the server; return its digest."""
        ...

    def copy(self, source: str, destination: str) -> None:
        """Give a model another name as well."""
        ...

    def delete(self, name: str) -> None:
        """Remove a name."""
        ...


def listed(name: str, models: Models) -> str:
    """Return a name as the server has it: Ollama tells no case apart when it replaces a model."""
    wanted = shown(name)
    return next((n for n in models.names() if n.casefold() == wanted.casefold()), wanted)


def take_back(note: Note, models: Models, notes: Notes) -> str:
    """Undo an `apply`; return a sentence that says what serves now.

    Raises EngineError where that is impossible, with the command for later.
    """
    try:
        ours = _undo(note, models)
    except EngineError as error:
        may = "may serve" if isinstance(error, EngineMissing) else "serves"
        raise EngineError(
            f"{note.name} {may} the new model, whose check did not end well, and could not be "
            f"taken back ({error}); {_command(note, models)}"
        ) from error
    notes.forget()
    if not ours:
        return f"{note.name} was changed by somebody else meanwhile, and stays as it is"
    if note.kept is None:
        return f"rolled back: {note.name} is removed, nothing served as it before"
    return f"rolled back: {note.name} is what it was before"


def _undo(note: Note, models: Models) -> bool:
    """Give a name back what it served, whether or not it had changed hands already.

    Return False, and leave it, where it serves neither what it did nor what it was given.
    """
    serves = models.digest(note.name)
    old = None if note.kept is None else models.digest(note.kept)
    if note.kept is None or old is None:  # nothing is kept, so that nothing but `made` changed
        if note.kept is None and serves == note.digest:
            models.delete(note.name)
        return note.kept is not None or serves in (None, note.digest)
    if serves not in (old, note.digest):
        return False
    if serves != old:
        models.copy(note.kept, note.name)
    models.delete(note.kept)
    return True


def _command(note: Note, models: Models) -> str:
    does = "removes it" if note.kept is None else f"brings back {note.kept}"
    return f"`tune rollback {note.name} --attach {models.address}` {does}"


def unfinished(models: Models, notes: Notes) -> str | None:
    """Return a sentence where an `apply` of the name was cut off, and what it left serves."""
    note = notes.unchecked()
    if note is None:
        return None
    if models.digest(note.name) == note.digest:
        return (
            f"the check in place of the tune apply of {note.at} did not end: {note.name} serves "
            f"what was not checked; {_command(note, models)}"
        )
    _undo(note, models)  # the name had not changed hands, or has changed them since
    notes.forget()
    return None


def kept_before(name: str, models: Models) -> str | None:
    """Return the name that keeps what served before the last `apply`, None without one."""
    dated = re.compile(re.escape(f"{name}{BEFORE}") + r"\d{8}T\d{6}", re.IGNORECASE)
    return max(filter(dated.fullmatch, models.names()), key=str.casefold, default=None)


def made(name: str, models: Models, notes: Notes) -> Note:
    """Return the `apply` that made what serves under a name; raise InputError without one."""
    serves = models.digest(name)
    for note in (notes.unchecked(), notes.made()):
        if note is not None and note.kept is None and note.digest == serves:
            return note
    raise InputError(
        f"nothing was kept of what served as {name} before: there is no {name}{BEFORE}DATE"
    )


def bring_back(kept: str, name: str, models: Models, notes: Notes) -> None:
    """Let a name serve again what is kept for it."""
    models.copy(kept, name)
    models.delete(kept)
    notes.forget()


def remove(name: str, models: Models, notes: Notes) -> None:
    """Remove a name under which nothing served before."""
    models.delete(name)
    notes.forget(made=True)
