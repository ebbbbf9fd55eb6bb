"""A few kills at random moments of an apply; bench/kills_in_service.py does two hundred."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.kills_in_service import LOST, NEW, OLD, Kill, kill_again_and_again, table


@pytest.mark.timeout(180)
def test_a_kill_at_a_random_moment_loses_nothing(tmp_path: Path) -> None:
    """Incumbent or challenger has the name whole, and serves once it was repaired."""
    kills = kill_again_and_again(tmp_path, times=5, seed=1)

    assert len(kills) == 5
    assert {k.left for k in kills} | {k.repaired for k in kills} <= {OLD, NEW}


def test_what_was_recorded_is_what_the_page_says() -> None:
    """Two hundred kills, at most steps, with nothing lost."""
    folder = Path("bench")
    record = json.loads((folder / "recorded" / "kills-in-service.json").read_text())
    kills = [Kill(**kill) for kill in record["kills"]]

    assert len(kills) == 200
    assert not [k for k in kills if LOST in (k.left, k.repaired)]
    for line in table(kills).splitlines()[2:]:
        assert line in (folder / "README.md").read_text()
