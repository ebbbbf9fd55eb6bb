"""The commands that put a result into service, and bring back what served before."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.engines.registry import deploying, kinds

NAME = "NAME"
"""Stands for what clients call the model, which a result does not know."""


def service(folder: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the commands, with the file that a server `takes`, None where none takes one.

    With `in_folder` the files of the engine can serve from a folder.
    """
    engine = document["environment"].get("engine")
    kind = next((kind for kind in kinds() if kind.name == engine), None)
    taken = deploying(document["artifacts"])
    unproven = [] if document["verdict"] == "PASS" else ["--unproven"]
    apply = ["tune", "apply", str(folder), "--name", NAME, *unproven]
    return {
        "takes": taken.deploys if taken else None,
        "in_folder": kind is not None and kind.in_folder,
        "apply": shlex.join(apply),
        "back": shlex.join(["tune", "rollback", NAME]),
    }
