"""Find the place where a result goes into service, or where a name serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.engines import registry
from tuner.engines.deployment import Deployment
from tuner.engines.kind import EngineKind
from tuner.spec.address import Url
from tuner.spec.deploy import Deploy, deploy_of
from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.workflow.service.journal import recorded
from tuner.workflow.service.proposal import read_result

FROM_FOLDER = (
    "files serve from a folder, which the section `deploy` of a study names, or --folder DIR with "
    "--reload COMMAND and --health URL"
)
_NEEDED = {"folder": "--folder DIR", "reload": "--reload COMMAND", "health": "--health URL"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line says of a folder that puts files into service; None for nothing."""

    folder: Path | None = None
    reload: tuple[str, ...] | None = None
    health: Url | None = None
    within_s: float | None = None

    def over(self, declared: Deploy | None) -> Deploy | None:
        """Return a study's section with this on top, None where nobody says anything.

        Raises InputError for what nobody says of a folder.
        """
        said = {
            "folder": self.folder and self.folder.absolute(),
            "reload": self.reload,
            "health": self.health,
            "within_s": self.within_s,
        }
        given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        if declared is not None:
            return replace(declared, **given)
        missing = [option for name, option in _NEEDED.items() if name not in given]
        if given and missing:
            raise InputError(f"{FROM_FOLDER}; missing: {', '.join(missing)}")
        return Deploy(**given) if given else None


NOTHING = Told()


def place_of(
    result: Path, name: str, host: str | None, study: Study | None, told: Told = NOTHING
) -> Deployment:
    """Return where a result goes into service under a name.

    That is a folder where the command line or the study's section `deploy` says which, and the
    files of the result's engine start a server; else the server that takes one of its files, at
    `host` or where it is by default. Raises InputError where neither takes the result.
    """
    folder, document = read_result(result)
    kind = _kind(document, study)
    if host is not None and told != NOTHING:
        raise InputError("--attach names a server that takes models, and the other options a "
                         "folder; say where the result is to serve")  # fmt: skip
    if host is None and (told != NOTHING or (kind is not None and kind.in_folder)):
        deploy = told.over(study.deploy if study else None)
        if deploy is not None:
            kind = kind or registry.kind_by_name(str(_engine(document, study)))
            return registry.folder_deployment(name, deploy, kind)
    taken = registry.deploying(document.get("artifacts") or {})
    if taken is not None:
        return taken.deployment(name, host)
    known = " or ".join(k.deploys for k in registry.kinds() if k.deploys is not None) or "file"
    raise InputError(
        f"{folder / 'result.json'}: this run wrote no {known} that could go into service"
        + (f"; {FROM_FOLDER}" if kind is not None and kind.in_folder else "")
    )


def _kind(document: Mapping[str, Any], study: Study | None) -> EngineKind | None:
    """Return the kind of engine of a result; None where it is unknown, or not installed."""
    engine = _engine(document, study)
    return next((kind for kind in registry.kinds() if kind.name == engine), None)


def _engine(document: Mapping[str, Any], study: Study | None) -> str | None:
    """Return which engine a result names, or else the study."""
    told: str | None = (document.get("environment") or {}).get("engine")
    return told or (study.engine if study else None)


def place_named(name: str, host: str | None, study: Study | None) -> Deployment:
    """Return where a name serves; raise InputError where several folders have the name.

    That is the study's folder, the one that `apply` wrote down, or else the server `host`, or the
    one that is there by default.
    """
    if study is not None and study.deploy is not None:
        return registry.folder_deployment(name, study.deploy, registry.kind_of(study))
    found = [] if host is not None else recorded(name)
    if len(found) > 1:
        folders = ", ".join(sorted(str(record.get("folder")) for record in found))
        raise InputError(
            f"{name} serves from several folders ({folders}); say which with --study FILE, whose "
            "section `deploy` names it"
        )
    if found:
        return _recorded(name, found[0])
    return registry.deployment(name, host)


def _recorded(name: str, record: Mapping[str, Any]) -> Deployment:
    try:
        kind, deploy = str(record["kind"]), deploy_of(record)
    except (KeyError, ValueError) as broken:
        raise InputError(
            f"what was written down of {name} is not complete ({broken}); say --study FILE, whose "
            "section `deploy` names the folder"
        ) from None
    return registry.folder_deployment(name, deploy, registry.kind_by_name(kind))
