"""`tune` killed at each step of an apply: old or new serves whole, and the next one repairs."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_apply_broken_off import until
from tests.cli.test_cli import tune
from tests.engines.files.server import SETTINGS, Production, production
from tests.processes import ended, still_running
from tests.workflow.service.folder import NAME, deployment, incumbent, killed, result, study
from tuner.engines.files.command import RUNNING
from tuner.store.state_folder import state_folder
from tuner.workflow.service.journal import Journal, Promotion, base_of, journal_at

STEPS = ("staged", "keeping", "swapped", "reloaded", "checked", "settled")
APPLY = ("apply", "r", "--name", NAME, "--yes", "--requests", "5")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in production with its study, and a result of it."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        study(tmp_path, found)
        result(tmp_path / "r", "new")
        yield found


def last() -> Promotion:
    """Return what the only journal tells last."""
    (path,) = state_folder().glob("*.jsonl")
    return Journal(path).promotions()[-1]


def whole(there: Production) -> str:
    """Return which version has the name, whole: as it went into service."""
    name = deployment(there)
    serves = name.current()
    assert serves is not None
    assert name.edited(serves) == ()
    return "new" if '"new"' in name.text() else "old"


@pytest.mark.parametrize("when", ["before", "torn", "after"])
@pytest.mark.parametrize("step", range(1, 1 + len(STEPS)))
def test_a_kill_at_each_step_leaves_old_or_new_whole(
    there: Production, tmp_path: Path, step: int, when: str
) -> None:
    """What was not checked is taken back by the next run, which says so; what was stays."""
    incumbent(there, tmp_path / "o")
    died = killed(step, when, *APPLY, cwd=tmp_path)
    left, answered = whole(there), there.serves()
    written = STEPS[: step if when == "after" else step - 1]
    found = tune("rollback", NAME, "--study", "tune.yaml", cwd=tmp_path)

    assert died.returncode == -9, died.stderr
    assert left in ("old", "new")
    assert answered in ("old", "new")
    if written == STEPS or "checked" in written:  # it stays, and is rolled back as one that stayed
        assert "is again what was kept as" in found.stdout
        assert ("was cut off after its check: api serves it" in found.stderr) == (written != STEPS)
    elif written:
        assert "was cut off before api" in found.stderr or "rolled back: api is" in found.stderr
    assert found.returncode == 0 if written else 2, found.stderr
    assert "Traceback" not in found.stderr
    assert (whole(there), there.serves()) == ("old", "old")
    assert not written or last().ended


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "number"),
    [("create", 1), ("create", 2), ("create", 3), ("replace", 1), ("link", 1)],
)
def test_a_kill_between_two_steps_leaves_old_or_new_whole(
    there: Production, tmp_path: Path, kind: str, number: int, when: str
) -> None:
    """While files are staged, noted or linked: the next run ends it, and leaves nothing over."""
    incumbent(there, tmp_path / "o")
    died = killed(number, when, *APPLY[:-1], "0", cwd=tmp_path, kind=kind)
    left = whole(there)
    found = tune(*APPLY[:-1], "0", cwd=tmp_path)

    assert died.returncode == -9, died.stderr
    assert left == ("new" if (kind, when) == ("link", "after") else "old")
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    assert (whole(there), there.serves()) == ("new", "new")
    there_now = sorted(p.name for p in (there.folder / "versions").iterdir())
    assert len(there_now) == 4, there_now  # two versions, each with its note


@pytest.mark.parametrize("step", [2, 3, 4])
def test_the_next_apply_repairs_first(there: Production, tmp_path: Path, step: int) -> None:
    """Then it does what it was asked for, with what served before kept."""
    incumbent(there, tmp_path / "o")
    killed(step, "after", *APPLY, cwd=tmp_path)
    found = tune(*APPLY, cwd=tmp_path)
    kept = deployment(there).kept()

    assert found.returncode == 0, found.stderr
    assert found.stderr.count("the tune apply of 20") == 1
    assert (whole(there), there.serves()) == ("new", "new")
    assert [('"old"' in (Path(k.label) / SETTINGS).read_text()) for k in kept] == [True]


def test_a_repair_that_is_killed_is_repaired(there: Production, tmp_path: Path) -> None:
    """Also where the old version had the name again already, and its server did not run yet."""
    incumbent(there, tmp_path / "o")
    killed(4, "after", *APPLY, cwd=tmp_path)
    died = killed(1, "before", "rollback", NAME, cwd=tmp_path)
    found = tune("rollback", NAME, cwd=tmp_path)

    assert died.returncode == -9
    assert found.returncode == 0, found.stderr
    assert "rolled back: api is what it was before" in found.stderr
    assert (whole(there), there.serves()) == ("old", "old")
    assert last().ended


@pytest.mark.parametrize(("step", "when"), [(1, "after"), (2, "before")])
def test_a_rollback_that_is_killed_is_done_by_the_next(
    there: Production, tmp_path: Path, step: int, when: str
) -> None:
    """What was asked for is done to its end, and no further."""
    incumbent(there, tmp_path / "o")
    assert tune(*APPLY, cwd=tmp_path).returncode == 0
    died = killed(step, when, "rollback", NAME, cwd=tmp_path)
    found = tune("rollback", NAME, cwd=tmp_path)

    assert died.returncode == -9
    assert found.returncode == 0, found.stderr
    assert "the tune rollback of 20" in found.stderr and "is done now" in found.stderr
    assert (whole(there), there.serves()) == ("old", "old")


@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_first_version_that_was_never_checked_goes(
    there: Production, tmp_path: Path, step: int
) -> None:
    """Nothing served before, and nothing does after: its server is stopped as well."""
    died = killed(step, "after", *APPLY, cwd=tmp_path)
    found = tune("rollback", NAME, cwd=tmp_path)

    assert died.returncode == -9
    assert found.returncode == 0, found.stderr
    assert deployment(there).current() is None
    assert there.serves() is None


def test_a_dry_run_only_tells(there: Production, tmp_path: Path) -> None:
    """Who looks changes nothing; the command that does is named."""
    incumbent(there, tmp_path / "o")
    killed(4, "after", *APPLY, cwd=tmp_path)
    found = tune(*APPLY, "--dry-run", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "api serves what was not checked; `tune rollback api` brings back" in found.stderr
    assert (whole(there), there.serves()) == ("new", "new")


def test_what_somebody_else_put_there_since_stays(there: Production, tmp_path: Path) -> None:
    """A link that a person set after the kill is theirs, and the journal does not know it."""
    incumbent(there, tmp_path / "o")
    killed(4, "after", *APPLY, cwd=tmp_path)
    link, mine = there.folder / "current", tmp_path / "mine"
    mine.mkdir()
    (mine / SETTINGS).write_text('{"model": "mine"}')
    link.unlink()
    link.symlink_to(mine)
    found = tune("rollback", NAME, cwd=tmp_path)
    (made,) = journal_at(base_of(deployment(there))).promotions()

    assert "api was changed by somebody else meanwhile, and stays as it is" in found.stderr
    assert link.resolve() == mine
    assert made.steps[-1] == "left"


@pytest.mark.parametrize("line", range(5))
def test_a_step_that_cannot_be_written_down_is_taken_back(
    there: Production, tmp_path: Path, line: int
) -> None:
    """A disk that fills up at any step leaves the old version, and the next run is not held up."""
    incumbent(there, tmp_path / "o")
    unchecked = (*APPLY[:-1], "0")
    assert tune(*unchecked, cwd=tmp_path).returncode == 0
    (path,) = state_folder().glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    most = path.stat().st_size + sum(map(len, lines[:line])) + len(lines[line]) // 2
    result(tmp_path / "next", "newer")
    words = [sys.executable, "-m", "tuner", unchecked[0], "next", *unchecked[2:]]
    found = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    left = whole(there), there.serves()
    again = tune("apply", "next", *unchecked[2:], "--dry-run", cwd=tmp_path)
    back = tune("rollback", NAME, cwd=tmp_path)

    assert found.returncode == 1, found.stderr
    assert f"cannot write {path}" in found.stderr
    assert "Traceback" not in found.stderr
    assert left == ("new", "new")
    assert (again.returncode, back.returncode) == (0, 0), again.stderr + back.stderr
    assert last().ended
    assert there.serves() in ("old", "new")


def test_a_reload_that_outlives_a_killed_tune_is_ended(there: Production, tmp_path: Path) -> None:
    """Else it would start a server from what does not serve any more."""
    incumbent(there, tmp_path / "o")
    result(tmp_path / "slow", "slow", delay=60)
    words = [sys.executable, "-m", "tuner", "apply", "slow", *APPLY[2:]]
    mark = there.folder / RUNNING
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        until(mark.exists, running)
        until(mark.read_text, running)
        running.kill()
    left = int(mark.read_text().split()[0])
    assert not ended(left)
    found = tune("rollback", NAME, cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert still_running(left) == []
    assert (whole(there), there.serves()) == ("old", "old")
    assert not mark.exists()
