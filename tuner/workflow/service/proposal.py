"""Find out what changes where a result goes into service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner.engines.deployment import Deployment, ServerSetup, Target
from tuner.engines.registry import deploying, kinds
from tuner.modelfile.diff import Change
from tuner.spec.errors import InputError
from tuner.workflow.service.way_back import dated


@dataclass(frozen=True, slots=True)
class Proposal:
    """A result that could serve under a name; `changes` is None where nothing has the name yet."""

    name: str
    folder: Path
    verdict: str
    changes: tuple[Change, ...] | None
    setup: ServerSetup | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


def read_result(result: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of a run and its result; raise InputError for anything else.

    `result` is the folder or its result.json.
    """
    folder = result.parent if result.name == "result.json" else result
    path = folder / "result.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not the result of a run ({error}): name its folder") from None
    if not isinstance(found, dict) or found.get("schema") != "tuner.result/1":
        raise InputError(f"{path} is not the result of a run: expected schema tuner.result/1")
    return folder, found


def deployment_for(result: Path, host: str | None) -> Deployment:
    """Return the place where a result can go into service.

    `host` is its address, None for the default. Raises InputError where no engine takes the result.
    """
    folder, found = read_result(result)
    kind = deploying(found.get("artifacts", {}))
    if kind is None:
        known = " or ".join(k.deploys for k in kinds() if k.deploys is not None) or "file"
        raise InputError(
            f"{folder / 'result.json'}: this run wrote no {known} that could go into service"
        )
    return kind.deployment(host)


def propose(result: Path, name: str, target: Target, deployment: Deployment) -> Proposal:
    """Return what changes where a result goes into service under a name.

    Raises InputError for a folder without a result, for a name that the deployment refuses, and
    for one too long to keep what serves now.
    """
    folder, document = read_result(result)
    deployment.ensure_name(name)
    name = deployment.listed(name)
    changes = deployment.changes(name, folder)
    if changes is not None:
        deployment.ensure_name(dated(name, datetime.now()))
    candidate = (document.get("best") or {}).get("candidate", {})
    return Proposal(
        name=name,
        folder=folder,
        verdict=str(document.get("verdict")),
        changes=changes,
        setup=deployment.setup(name, folder, candidate, target),
        result=document,
    )
