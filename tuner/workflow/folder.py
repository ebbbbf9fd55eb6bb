"""The output folder of a run, and how files get into it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document through a temporary file, so that a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def claim(out: Path) -> Path:
    """Make the output folder; raise InputError when it already holds a run."""
    if (out / "trials").exists() or (out / "result.json").exists():
        raise InputError(
            f"{out} already holds a run, and a run is never overwritten; name another --out "
            "(continuing one is not built yet)"
        )
    try:
        (out / "trials").mkdir(parents=True)
        (out / "engine").mkdir()
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; name another --out") from None
    return out


def default_out(name: str) -> Path:
    """Return out/<study>/<timestamp> and point out/<study>/latest at it."""
    base = Path("out") / name
    folder = base / time.strftime("%Y%m%d-%H%M%S")
    while folder.exists():
        time.sleep(0.1)
        folder = base / f"{time.strftime('%Y%m%d-%H%M%S')}"
    base.mkdir(parents=True, exist_ok=True)
    latest = base / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)
    return folder
