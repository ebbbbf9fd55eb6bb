"""From the study's engine to one that can serve."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tuner.engines.base import Engine, Preview
from tuner.engines.kind import EngineKind
from tuner.spec.engine_kinds import engine_kinds, kind_named
from tuner.spec.errors import InputError
from tuner.spec.study import Study

if TYPE_CHECKING:
    from tuner.engines.deployment import Deployment
    from tuner.spec.deploy import Deploy

__all__ = [
    "attaching", "create", "deploying", "deployment", "folder_deployment",
    "kind_by_name", "kind_of", "kinds", "preview",
]  # fmt: skip


def kinds() -> list[EngineKind]:
    """Return all kinds of engine that are installed, in the order of their names."""
    return [cast(EngineKind, kind) for kind in engine_kinds().values()]


def kind_of(study: Study) -> EngineKind:
    """Return the kind of a study's engine; raise InputError where it is not installed."""
    return kind_by_name(study.engine)


def kind_by_name(name: str) -> EngineKind:
    """Return a kind by its name; raise InputError where it is not installed."""
    return cast(EngineKind, kind_named(name))


def attaching(name: str | None = None) -> EngineKind:
    """Return the kind `name` if it can use a running server, else the first that can.

    Raises InputError where none can.
    """
    found = [kind for kind in kinds() if kind.attaches]
    if not found:
        raise InputError("--attach: no engine that is installed can use a running server")
    return next((kind for kind in found if kind.name == name), found[0])


def deploying(files: Container[str]) -> EngineKind | None:
    """Return the first kind that can put one of a run's files into service, None without one."""
    return next((kind for kind in kinds() if kind.deploys in files), None)


def deployment(name: str, host: str | None = None, file: str | None = None) -> Deployment:
    """Return a name in service at a server that takes such a file, or by default any.

    `host` is its address, None for the default. Raises InputError where no kind can do so.
    """
    able = (kind for kind in kinds() if kind.deploys is not None)
    found = next((kind for kind in able if file in (None, kind.deploys)), None)
    if found is None:
        raise InputError(f"no engine that is installed puts a {file or 'result'} into service")
    return found.deployment(name, host)


def folder_deployment(name: str, deploy: Deploy, kind: EngineKind) -> Deployment:
    """Return a name in service from a folder, whose server is of a kind.

    Raises InputError for what no name can be, and for a kind whose files start no server.
    """
    from tuner.engines.files.deployment import FilesDeployment

    if not kind.in_folder:
        able = ", ".join(k.name for k in kinds() if k.in_folder and k.offered)
        raise InputError(
            f"the files of engine {kind.name} start no server that a folder could put into "
            f"service; those of {able} do"
        )
    return FilesDeployment(name, deploy, kind)


def create(study: Study, logs: Path) -> Engine:
    """Return the study's engine, not started; raise EngineMissing, InputError."""
    return kind_of(study).create(study, logs)


def preview(study: Study) -> Preview:
    """Return what can be said of the study's engine without starting it.

    Raises EngineMissing, InputError.
    """
    return kind_of(study).preview(study)
