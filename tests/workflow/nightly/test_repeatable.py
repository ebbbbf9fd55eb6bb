"""Agreement with answers that change from one time to the next shows nothing, and is not asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.nightly.simulated_night import Nights, study, world
from tuner.spec.requests.workload import Workload
from tuner.spec.values import Candidate
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.workflow.nightly.asked import NotTonight


def sampled(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer in other words each time."""
    found = world(settings, text, rng)
    return dataclasses.replace(found, text=f'{{"n": {rng.integers(1_000_000)}}}')


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Give nights whose prompts do not say what is right."""
    given = study(slo_ms=400.0)
    templates = tuple(dataclasses.replace(t, expect=None) for t in given.workload.templates)
    workload: Workload = dataclasses.replace(given.workload, templates=templates)
    return Nights(tmp_path, dataclasses.replace(given, workload=workload))


def test_answers_that_differ_from_themselves_end_the_night(nights: Nights) -> None:
    """It says so, with what helps, before anybody is compared."""
    with pytest.raises(NotTonight, match=r"of 10 prompts were answered in another way") as found:
        nights.compare(nights.tonight(SimulatedEngine(sampled)))

    assert found.value.alarm
    assert "promote: ask" in str(found.value)
    assert nights.ledger.lines("met") == []


def test_a_person_who_judges_answers_needs_no_agreement(nights: Nights) -> None:
    """The night goes on, and what is better waits for a word."""
    nights.study = dataclasses.replace(nights.study, promote="ask")
    found = nights.compare(nights.tonight(SimulatedEngine(sampled)))

    assert found.challenger is not None


def test_answers_that_repeat_are_compared(nights: Nights) -> None:
    """By agreement, and named as that."""
    found = nights.compare()

    assert found.shows == "better"
    assert found.shown is not None and found.shown.by.startswith("agreement")
