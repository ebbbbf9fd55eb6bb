"""A night that is killed at each step of its promotion, and the next one, which repairs first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.test_cli import tune
from tests.engines.files.server import Production, production
from tests.workflow.service.folder import NAME, killed, result, study
from tests.workflow.service.test_repair import STEPS, last, whole
from tuner.workflow.nightly.asked import BY


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a name that a person put something into service as, and a better result."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        study(tmp_path, found)
        result(tmp_path / "o", "old")
        result(tmp_path / "r", "new")
        applied = tune("apply", "o", "--name", NAME, "--yes", "--requests", "0", cwd=tmp_path)
        assert applied.returncode == 0, applied.stderr
        yield found


def closed() -> str:
    """Return a window that is closed now, in which nothing is measured."""
    begins, ends = (datetime.now(UTC) + timedelta(hours=h) for h in (2, 3))
    return f"{begins:%H:%M}-{ends:%H:%M} UTC"


@pytest.mark.parametrize(
    ("step", "when"), [*((step, "after") for step in range(1, 7)), (3, "torn"), (5, "torn")]
)
def test_the_next_night_repairs_first(
    there: Production, tmp_path: Path, step: int, when: str
) -> None:
    """Old or new serves whole meanwhile; the window may be closed, and it is said what was done."""
    died = killed(step, when, "promote", "r", NAME, cwd=tmp_path)
    left, written = whole(there), STEPS[: step if when == "after" else step - 1]
    found = tune("retune", "--name", NAME, "--window", closed(), "--json", cwd=tmp_path)
    night = json.loads(found.stdout)
    stays = "checked" in written

    assert died.returncode == -9, died.stderr
    assert left == ("new" if {"swapped", "reloaded", "checked"} & {*written} or when == "torn"
                    else "old")  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert (whole(there), there.serves()) == (("new", "new") if stays else ("old", "old"))
    assert last().ended and last().by == BY
    if "settled" in written:
        assert (night["decision"], night["repaired"]) == ("skipped", None)
    else:
        assert night["decision"] == "repaired"
        assert f"the {BY} of" in night["repaired"]
        assert "the window" in night["why"]


def test_a_night_outside_of_its_window_touches_nothing(there: Production, tmp_path: Path) -> None:
    """Where nothing was cut off."""
    found = tune("retune", "--name", NAME, "--window", closed(), "--json", cwd=tmp_path)

    assert json.loads(found.stdout)["decision"] == "skipped"
    assert (whole(there), there.serves()) == ("old", "old")
    assert len(there.pids) == 1
