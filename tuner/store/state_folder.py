"""The folder for what has to be remembered from one `tune` to the next."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return our state folder, where the XDG Base Directory Specification puts it."""
    told = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (told if told.is_absolute() else Path.home() / ".local" / "state") / "modelfile-tuner"
