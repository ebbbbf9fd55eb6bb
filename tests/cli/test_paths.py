"""Where things lie, as `tune paths` says, against what is there and what variables say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tuner.cli.main import cli
from tuner.store.state_folder import state_folder


def paths(*options: str) -> dict[str, Any]:
    """Return what `tune paths --json` says, by the name of the place."""
    found = CliRunner().invoke(cli, ["paths", "--json", *options])
    document = json.loads(found.stdout)

    assert found.exit_code == 0
    assert document["schema"] == "tuner.paths/1"
    return {place["name"]: place for place in document["paths"]}


def test_what_ships_is_there_and_no_variable_moves_it() -> None:
    """Packaged studies and templates lie with the package."""
    for name in ("studies", "templates"):
        assert paths()[name]["exists"]
        assert paths()[name]["variable"] is None


def test_variables_move_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place names its variable, and says whether that put it where it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNE_OUT", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    before = paths()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TUNE_OUT", "mine")
    after = paths()

    assert [before[n]["set_by_variable"] for n in ("results", "cache of vLLM's flags")] == [
        False
    ] * 2
    assert before["results"]["path"] == str(tmp_path / "out")
    assert after["results"]["path"] == str(tmp_path / "mine")
    assert after["engine logs"]["path"] == str(tmp_path / "mine" / "engine")
    assert after["cache of vLLM's flags"]["path"].startswith(str(tmp_path / "cache"))
    assert after["state"]["path"] == str(state_folder())
    assert all(after[n]["set_by_variable"] for n in ("results", "state", "cache of vLLM's flags"))
    assert not after["results"]["exists"]


def test_the_logs_are_those_of_the_newest_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a run, its folder is named, and the study that lies here is the one meant."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNE_OUT", raising=False)
    (tmp_path / "tune.yaml").write_text("")
    (tmp_path / "out" / "mine" / "20260101-000000" / "engine").mkdir(parents=True)
    (tmp_path / "out" / "mine" / "latest").symlink_to("20260101-000000")
    found = paths()

    assert found["engine logs"]["exists"]
    assert found["engine logs"]["path"] == str(tmp_path / "out" / "mine" / "latest" / "engine")
    assert found["study"]["path"] == str(tmp_path / "tune.yaml")


def test_for_people_each_path_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal is, a path stands in one line, to be copied."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNE_OUT", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    printed = CliRunner().invoke(cli, ["paths"]).stdout.splitlines()

    assert f"results: {tmp_path / 'out'} (not there)" in printed
    assert any(line.endswith("TUNE_OUT moves it (not set)") for line in printed)
    assert any(line.endswith("set by XDG_STATE_HOME") for line in printed)
