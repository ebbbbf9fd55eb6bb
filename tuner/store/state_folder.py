"""The folder for what has to be remembered from one `tune` to the next."""

from __future__ import annotations

import os
from pathlib import Path

STATE_VARIABLE = "XDG_STATE_HOME"
"""The variable that names the folder in which ours lies, with locks and what is in service."""


def state_folder() -> Path:
    """Return our state folder, where the XDG Base Directory Specification puts it."""
    told = Path(os.environ.get(STATE_VARIABLE, ""))
    return (told if told.is_absolute() else Path.home() / ".local" / "state") / "modelfile-tuner"
