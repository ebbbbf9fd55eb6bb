"""The study of a real night, as far as it can be looked at without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.real_nights import HELD_OUT, embedded, table, write_study
from tuner.spec.study import load


@pytest.mark.embedded
def test_the_study_can_be_read_and_has_distinct_prompts_enough(tmp_path: Path) -> None:
    """A night with fewer held-out prompts would measure nothing."""
    with embedded(tmp_path) as place:
        write_study(tmp_path, place.study)
        study = load(tmp_path / "tune.yaml")

    held_out = study.workload.part(held_out=True)
    assert len({t.messages for t in held_out}) == HELD_OUT
    assert study.deploy is not None and study.deploy.folder == tmp_path / "srv"


def test_a_night_without_a_challenger_is_told_by_its_reason() -> None:
    """There are no figures then."""
    found = table({"decision": "kept", "why": "none looked better", "trials": {}, "sides": {}})

    assert found.splitlines()[0] == "kept: none looked better"
    assert "|" not in found
