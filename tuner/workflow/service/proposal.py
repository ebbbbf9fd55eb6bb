"""Find out what changes where a result goes into service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.engines.deployment import Deployment, Release, ServerSetup, Target
from tuner.modelfile.diff import Change
from tuner.spec.errors import InputError


@dataclass(frozen=True, slots=True)
class Proposal:
    """A result that could serve under a name; `changes` is None where nothing has the name yet.

    `edited` is what somebody changed by hand of what serves.
    """

    name: str
    release: Release
    verdict: str
    changes: tuple[Change, ...] | None
    setup: ServerSetup | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    edited: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Return the folder of the run."""
        return self.release.folder


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


def release_of(result: Path) -> Release:
    """Return what a run wrote that can serve; raise InputError as `read_result` does."""
    folder, document = read_result(result)
    candidate = (document.get("best") or {}).get("candidate", {})
    return Release(folder, tuple(document.get("artifacts") or ()), candidate)


def changes_in_service(deployment: Deployment, result: Path) -> tuple[Change, ...]:
    """Return what would change where a result replaces what serves; raise InputError for nothing.

    It is asked of the place alone, which needs no lock for that.
    """
    found = deployment.changes(release_of(result))
    if found is None:
        raise InputError(f"nothing serves as {deployment.name}: there is nothing to compare with")
    return found


def propose(result: Path, target: Target, deployment: Deployment) -> Proposal:
    """Return what changes where a result goes into service under a name.

    Raises InputError for a folder without a result, for one that cannot be deployed there, and for
    a name too long to keep what serves now.
    """
    _, document = read_result(result)
    release = release_of(result)
    changes, serves = deployment.changes(release), deployment.current()
    return Proposal(
        name=deployment.name,
        release=release,
        verdict=str(document.get("verdict")),
        changes=changes,
        setup=deployment.setup(release, target),
        result=document,
        edited=() if serves is None else deployment.edited(serves),
    )
