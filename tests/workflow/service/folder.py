"""A study whose results serve from a folder, and results of it; `tune` that is killed at a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from tests.engines.files.server import SETTINGS, Production, settings
from tuner.engines.deployment import Release
from tuner.engines.files.deployment import FilesDeployment
from tuner.engines.registry import kind_by_name
from tuner.spec.study import load

NAME = "api"
STUDY = """\
version: 1
name: small
engine: {kind: fake}
workload: {prompts: prompts.jsonl}
slo: [{metric: e2e, quantile: 0.99, max_ms: 5000}]
baseline: {num_predict: 16}
"""
KILLED = Path(__file__).with_name("killed.py")


def study(folder: Path, there: Production, **changes: object) -> Path:
    """Write the study of a folder in production; return its file."""
    (folder / "prompts.jsonl").write_text('{"template": "one"}\n{"template": "two"}\n')
    file = folder / "tune.yaml"
    file.write_text(STUDY + there.section(**changes))
    return file


def result(
    folder: Path, model: str, max_ms: float = 5000.0, quantile: float = 0.99, **more: object
) -> str:
    """Write the result of a run of that study, whose server has a model; return its folder."""
    file = folder.parent / "tune.yaml"
    folder.mkdir()
    document = {
        "schema": "tuner.result/1",
        "verdict": "PASS",
        "target": [{"metric": "e2e", "quantile": quantile, "max_ms": max_ms}],
        "best": {"candidate": {"num_predict": 16}},
        "artifacts": {SETTINGS: str(folder / SETTINGS)},
        "environment": {"engine": "fake"},
        "workload_hash": load(file).workload.hash,
    }
    (folder / "result.json").write_text(json.dumps(document))
    (folder / SETTINGS).write_text(settings(model, **more))
    return str(folder)


def deployment(there: Production) -> FilesDeployment:
    """Return the name in service."""
    return FilesDeployment(NAME, there.deploy, kind_by_name("fake"))


def incumbent(there: Production, folder: Path, model: str = "old", *, runs: bool = True) -> None:
    """Put something into service that was there before `tune apply`, running or not."""
    folder.mkdir()
    (folder / SETTINGS).write_text(settings(model))
    name = deployment(there)
    name.promote(name.stage(Release(folder, (SETTINGS,)), datetime(2026, 1, 2)), None)
    if runs:
        name.reload()


def killed(
    step: int, when: str, *words: str, cwd: Path, kind: str = "append"
) -> subprocess.CompletedProcess[str]:
    """Run a `tune` that kills itself before or after the n-th write of a kind, see `killed.py`."""
    command = [sys.executable, str(KILLED), kind, str(step), when, *words]
    env = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=50)
