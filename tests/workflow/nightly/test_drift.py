"""How far production has moved since a version went into service, by the mixes of recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.nightly.simulated_night import study
from tuner.engines.deployment import Version
from tuner.spec.study import Study
from tuner.workflow.nightly.drift import told_drift
from tuner.workflow.nightly.incumbent import Incumbent
from tuner.workflow.nightly.ledger import Ledger

SERVES = Incumbent(Version("abc", "versions/1"), {})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Give a ledger of a name."""
    (tmp_path / "nights").mkdir()
    return Ledger(tmp_path / "nights")


@pytest.fixture
def of_study(tmp_path: Path) -> Study:
    """Give a study whose prompts lie in a folder."""
    return study(prompts=tmp_path / "prompts.jsonl")


def mix(folder: Path, kind: str, count: int = 2000) -> None:
    """Write a mix of requests of one kind, each a conversation of its own."""
    group: dict[str, Any] = {
        "kinds": {kind: 1},
        "prompt_chars": {"3": 1},
        "answer_tokens": {"2": 1},
    }
    document = {
        "version": 1, "requests": count, "conversations": count, "seconds": 60.0,
        "shares": {}, "groups": [group] * count,
    }  # fmt: skip
    (folder / "prompts.mix.json").write_text(json.dumps(document))


def test_the_first_mix_is_what_later_ones_are_held_against(
    of_study: Study, ledger: Ledger, tmp_path: Path
) -> None:
    """What was seen when the version came into service has not moved from itself."""
    mix(tmp_path, "question")
    first = told_drift(of_study, SERVES, ledger)
    mix(tmp_path, "order")
    later = told_drift(of_study, SERVES, ledger)
    another = told_drift(of_study, Incumbent(Version("def", "versions/2"), {}), ledger)

    assert first is None
    assert later is not None and "production has drifted" in later and "kinds by 100%" in later
    assert another is None


def test_without_a_mix_nothing_is_told(of_study: Study, ledger: Ledger, tmp_path: Path) -> None:
    """Nor where nothing serves yet, nor where the study has no file."""
    assert told_drift(of_study, SERVES, ledger) is None
    mix(tmp_path, "question")
    assert told_drift(study(), SERVES, ledger) is None
    assert told_drift(of_study, Incumbent(None, {}), ledger) is None


def test_a_mix_that_cannot_be_read_ends_no_night(
    of_study: Study, ledger: Ledger, tmp_path: Path
) -> None:
    """It is said, with the file."""
    (tmp_path / "prompts.mix.json").write_text("{}")
    found = told_drift(of_study, SERVES, ledger)

    assert found is not None and "is not known" in found
    assert str(tmp_path / "prompts.mix.json") in found
