"""The folder for what has to be remembered from one `tune` to the next."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tuner.spec.errors import InputError
from tuner.store.run_folder import take

STATE_VARIABLE = "XDG_STATE_HOME"
"""The variable that names the folder in which ours lies, with locks and what is in service."""


def state_folder() -> Path:
    """Return our state folder, where the XDG Base Directory Specification puts it."""
    told = Path(os.environ.get(STATE_VARIABLE, ""))
    return (told if told.is_absolute() else Path.home() / ".local" / "state") / "modelfile-tuner"


@contextlib.contextmanager
def locked_state(lock: Path, taken: str, holds: str) -> Iterator[None]:
    """Hold a lock in the state folder for this process alone.

    Raises Locked, saying `taken`, where another process holds it; InputError where nothing can be
    written there, saying that it `holds` something.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise InputError(
            f"cannot write to {lock.parent} ({error.strerror}), where {holds} is written down; let "
            f"{STATE_VARIABLE} name a folder that can be written"
        ) from None
    with file:
        take(file, taken)
        yield
