"""Say how a result goes into service, and how what served before comes back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.engines.registry import deploying, kind_of
from tuner.search.result import Result
from tuner.spec.shipped import PACKAGED_STUDY, studies
from tuner.spec.study import Study

FOLDER_OPTIONS = "--folder DIR --reload COMMAND --health URL"
"""What `tune apply` has to be told of a server that the study does not say how to reach."""


@dataclass(frozen=True, slots=True)
class IntoService:
    """The commands that put a result into service and take it back; None where there are none.

    `remark` says what has to be known beside them.
    """

    there: str | None
    back: str | None
    remark: str | None = None


def into_service(result: Result) -> IntoService | None:
    """Return how a result goes into service; None where it wrote no files."""
    if not result.artifacts:
        return None
    study = result.study
    by_folder = kind_of(study).in_folder and study.deploy is not None
    if by_folder or deploying(result.artifacts) is not None:
        return _commands(result)
    if kind_of(study).in_folder:
        return _commands(result, FOLDER_OPTIONS)
    return IntoService(
        None, None, "clients send these settings themselves: give them what the files hold"
    )


def _commands(result: Result, told: str = "") -> IntoService:
    study, name = result.study, shlex.quote(result.study.name)
    study_option = _study_option(study)
    words = ["tune apply", shlex.quote(str(result.out)), f"--name {name}", study_option, told]
    if result.verdict != "PASS":
        words.append("--unproven")
    back = " ".join(filter(None, ["tune rollback", name]))
    return IntoService(" ".join(filter(None, words)), back, " ".join(_remarks(result, told)))


def _study_option(study: Study) -> str:
    """Return the option that names the study, "" where `tune apply` finds it by itself."""
    found = {Path("tune.yaml"), studies() / PACKAGED_STUDY, Path()}
    return "" if Path(study.file) in found else f"--study {shlex.quote(study.file)}"


def _remarks(result: Result, told: str) -> Iterator[str]:
    if not result.changed:
        yield "The baseline stays: where it serves already, nothing has to be done."
    if told:
        yield (
            "DIR is the folder that the server serves from, COMMAND has it start anew, URL tells "
            "that it answers."
        )
