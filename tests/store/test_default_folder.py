"""Where a run goes that is told no folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.spec.errors import InputError
from tuner.store.default_folder import default_out, latest_out, point_latest

BASE = Path("out") / "mine"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def measured(stamp: str, text: str = "{}\n") -> Path:
    """Make the folder of a run that holds a trial's samples."""
    trial = BASE / stamp / "trials" / "0000"
    trial.mkdir(parents=True)
    (trial / "samples.jsonl").write_text(text)
    return BASE / stamp


def test_two_runs_of_one_second_get_folders_of_their_own() -> None:
    """Neither is there yet, and the later comes after the earlier."""
    first = default_out("mine")
    first.mkdir(parents=True)

    assert default_out("mine") > first


def test_latest_is_the_newest_that_measured_something() -> None:
    """What was only begun counts as little as a link to a folder that is gone."""
    old, new = measured("20260101-000000"), measured("20260102-000000")
    measured("20260103-000000", text="")
    (BASE / "notes").mkdir()
    (BASE / "latest").symlink_to("20250101-000000")
    point_latest(old)

    assert (BASE / "latest").readlink() == Path(new.name)
    assert latest_out("mine") == new


def test_nothing_to_continue_is_bad_input() -> None:
    """The folder that was looked into is named."""
    with pytest.raises(InputError, match=r"out/mine holds no run.*--out"):
        latest_out("mine")


def test_something_of_the_user_s_that_is_called_latest_stays() -> None:
    """A folder is no link: it is left alone, and nothing of ours beside it."""
    (BASE / "latest").mkdir(parents=True)
    (BASE / "latest" / "mine.txt").write_text("mine")
    point_latest(measured("20260101-000000"))

    assert (BASE / "latest" / "mine.txt").read_text() == "mine"
    assert not (BASE / ".latest.partial").is_symlink()


def test_a_folder_that_was_named_moves_no_link(tmp_path: Path) -> None:
    """--out of whatever name is not among the runs that `latest` is about."""
    named = tmp_path / "elsewhere" / "20260101-000000"
    (named / "trials" / "0000").mkdir(parents=True)
    (named / "trials" / "0000" / "samples.jsonl").write_text("{}\n")
    point_latest(named)

    assert not (named.parent / "latest").is_symlink()
