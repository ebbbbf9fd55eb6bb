"""Where everything lies that `tune` reads and writes on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from tuner.engines.registry import kinds
from tuner.spec.known_path import KnownPath
from tuner.spec.shipped import PACKAGED_STUDY, studies, templates
from tuner.store.default_folder import results_folder
from tuner.store.state_folder import STATE_VARIABLE, state_folder

OUT_VARIABLE = "TUNE_OUT"


def known_paths() -> tuple[KnownPath, ...]:
    """Return each place, whether there is something yet or not.

    Results and the study are those of the folder in which the process runs.
    """
    here = Path("tune.yaml").absolute()
    return (
        KnownPath("study", here if here.exists() else studies() / PACKAGED_STUDY,
                  "what is meant without STUDY: tune.yaml in this folder, else the packaged one"),
        *_results(),
        KnownPath("state", state_folder(), "what serves under each name, nights, paused production",
                  STATE_VARIABLE),
        *(path for kind in kinds() for path in kind.paths()),
        KnownPath("studies", studies(), "packaged studies"),
        KnownPath("templates", templates(), "templates of the files that serve a result"),
    )  # fmt: skip


def _results() -> tuple[KnownPath, ...]:
    """Return where runs are written, and their engines' logs, of the newest run where there is one.

    The variable names the folder of one run, which otherwise has one of its own.
    """
    told = os.environ.get(OUT_VARIABLE)
    out = Path(told).absolute() if told else results_folder().absolute()
    logs = sorted(out.glob("engine" if told else "*/latest/engine"), key=_written)
    usual = out / "engine" if told else out / "STUDY" / "TIME" / "engine"
    return (
        KnownPath("results", out, "the folder of the run" if told else
                  "a folder STUDY/TIME for each run; --out names another", OUT_VARIABLE),
        KnownPath("engine logs", logs[-1] if logs else usual,
                  "what engines print, by start, in the folder of a run", OUT_VARIABLE),
    )  # fmt: skip


def _written(path: Path) -> float:
    return path.stat().st_mtime
