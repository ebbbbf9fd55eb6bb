"""Into service and back where nothing is a model of a server: units that are files in a folder."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tuner.engines.base import Engine
from tuner.engines.deployment import Deployment, ServerSetup, Target
from tuner.modelfile.diff import Change
from tuner.spec.errors import EngineError, InputError
from tuner.testing.deployment_contract import DeploymentContract
from tuner.workflow.service.apply import apply
from tuner.workflow.service.notes import Notes, locked
from tuner.workflow.service.proposal import propose
from tuner.workflow.service.way_back import bring_back, first_apply, kept_before, remove

NOW = datetime(2026, 11, 26, 4, 5, 6)


class Units:
    """Units that a service manager runs: a file each, which is put in place whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = folder.as_uri()

    def ensure_name(self, name: str) -> None:
        """Take what a unit may be called."""
        if not re.fullmatch(r"[A-Za-z0-9:_.-]+", name):
            raise InputError(f"{name!r} is no name of a unit")

    def listed(self, name: str) -> str:
        """Return the name of a unit without its ending."""
        return name.removesuffix(".service")

    def names(self) -> list[str]:
        """Return the units that are there."""
        return sorted(file.stem for file in self.folder.glob("*.service"))

    def digest(self, name: str) -> str | None:
        """Return the hash of a unit."""
        file = self._file(name)
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None

    def text(self, name: str) -> str:
        """Return a unit's text."""
        if not self._file(name).exists():
            raise InputError(f"no unit {name}")
        return self._file(name).read_text()

    def changes(self, name: str, folder: Path) -> tuple[Change, ...] | None:
        """Return one change where the text is another."""
        coming = self._coming(folder)
        if self.digest(name) is None:
            return None
        now = self.text(name)
        return () if now == coming else (Change("unit", now, coming, "reload"),)

    def setup(
        self, name: str, folder: Path, candidate: Mapping[str, Any], target: Target
    ) -> ServerSetup | None:
        """Return None: a unit holds its environment."""
        return None

    def stage(self, name: str, folder: Path) -> str:
        """Write a unit that is not started."""
        self._file(name).write_text(self._coming(folder))
        return self.digest(name) or ""

    def copy(self, source: str, destination: str) -> None:
        """Put a unit in the place of another one, whole."""
        if not self._file(source).exists():
            raise EngineError(f"no unit {source}")
        partial = self.folder / ".partial"
        shutil.copyfile(self._file(source), partial)
        partial.replace(self._file(destination))

    def delete(self, name: str) -> None:
        """Remove a unit."""
        if not self._file(name).exists():
            raise EngineError(f"no unit {name}")
        self._file(name).unlink()

    def engine(self, name: str) -> Engine:
        """Nothing runs these units."""
        raise NotImplementedError

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.service"

    def _coming(self, folder: Path) -> str:
        try:
            return (folder / "unit").read_text()
        except OSError as error:
            raise InputError(f"this run wrote no unit ({error})") from None


class TestUnits(DeploymentContract):
    """The contract asks for nothing that only a store of models has."""

    @pytest.fixture
    def deployment(self, tmp_path: Path) -> Deployment:
        """Return a folder of units."""
        (tmp_path / "units").mkdir()
        return Units(tmp_path / "units")

    def again(self, deployment: Deployment) -> Deployment:
        """Return the same folder's units."""
        assert isinstance(deployment, Units)
        return Units(deployment.folder)

    def result(self, folder: Path, text: str) -> Path:
        """Write a unit."""
        (folder / "unit").write_text(f"[Service]\nExecStart=server {text}\n")
        return folder

    def broken(self, folder: Path) -> Path:
        """Write no unit."""
        return folder

    def test_what_serves_can_be_measured(self, deployment: Deployment, tmp_path: Path) -> None:
        """Skip: nothing runs these units."""
        pytest.skip("units in a folder are not run")


def _result(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "unit").write_text(f"[Service]\nExecStart=server {text}\n")
    (folder / "result.json").write_text(json.dumps({"schema": "tuner.result/1", "verdict": "PASS"}))
    return folder


@contextmanager
def _notes(deployment: Deployment) -> Iterator[Notes]:
    with locked(deployment.address, "api") as notes:
        yield notes


@pytest.fixture
def units(tmp_path: Path) -> Units:
    """Return a folder without units."""
    (tmp_path / "units").mkdir()
    return Units(tmp_path / "units")


def test_a_unit_goes_into_service_and_back_in_turn(units: Units, tmp_path: Path) -> None:
    """Each rollback brings back what the last apply kept; the last one removes the first."""
    with _notes(units) as notes:
        kept = []
        for hour, text in enumerate(("old", "new")):
            proposal = propose(_result(tmp_path / text, text), "api", "systemd", units)
            now = NOW.replace(hour=hour)
            kept.append(apply(proposal, units, notes, now, print).kept)
        assert kept == [None, "api-before-20261126T010506"]
        assert "new" in units.text("api")
        found = kept_before("api", units)
        assert found == kept[1]
        bring_back(found, "api", units, notes)
        assert "old" in units.text("api")
        assert first_apply("api", units, notes).kept is None
        remove("api", units, notes)

    assert units.names() == []


def test_a_check_that_ends_in_an_error_takes_a_unit_back(units: Units, tmp_path: Path) -> None:
    """Whatever the deployment is, nothing unchecked serves."""
    said: list[str] = []

    def check() -> Any:
        raise EngineError("it does not start")

    with _notes(units) as notes:
        apply(propose(_result(tmp_path / "a", "old"), "api", "systemd", units), units, notes,
              NOW, said.append)  # fmt: skip
        coming = propose(_result(tmp_path / "b", "new"), "api", "systemd", units)
        with pytest.raises(EngineError, match="does not start"):
            apply(coming, units, notes, NOW.replace(hour=5), said.append, check)

    assert said == ["rolled back: api is what it was before"]
    assert units.names() == ["api"]
    assert "old" in units.text("api")


def test_what_would_change_is_told_by_the_deployment(units: Units, tmp_path: Path) -> None:
    """In its own words, before anything does."""
    with _notes(units) as notes:
        first = propose(_result(tmp_path / "a", "old"), "api", "systemd", units)
        apply(first, units, notes, NOW, print)
    second = propose(_result(tmp_path / "b", "new"), "api", "systemd", units)

    assert first.changes is None
    assert [change.what for change in second.changes or ()] == ["unit"]
    assert "old" in units.text("api")
