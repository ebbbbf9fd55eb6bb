"""Challengers take turns, so that one that stays open keeps no better one out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.workflow.nightly.simulated_night import Nights, study
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.nightly.comparing.challengers import PATIENCE, Waiting, in_turn, nothing_to_show
from tuner.workflow.nightly.comparing.tonight import Compared


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Give nights whose budget leaves a comparison open."""
    return Nights(tmp_path, study(slo_ms=400.0, budget_s=40.0))


def one_more(nights: Nights) -> Compared:
    """Do a night, and write down what it came to as far as turns need that."""
    found = nights.compare()
    assert found.challenger is not None
    nights.ledger.write(
        "night", out="", decision="undecided", why="", seconds=None, world=found.world, result=None,
        challenger={"id": found.challenger.id}, evidence=None, trials={}, alarm=False,
        target_lost=False,
    )  # fmt: skip
    return found


def turns(nights: Nights) -> list[Waiting]:
    """Return whose turn it is in another night."""

    async def looked() -> list[Waiting]:
        return in_turn(nights.tonight())

    return virtually(looked())


def test_after_its_turn_a_challenger_waits_for_others(nights: Nights) -> None:
    """The search of the next night is for somebody else; what was shown of it is kept."""
    first = one_more(nights)
    assert (first.shows, first.challenger) != ("better", None)
    nights.study = dataclasses.replace(nights.study, budget_s=1.0)  # no pair fits in any more
    for _ in range(PATIENCE - 1):
        assert one_more(nights).challenger == first.challenger
    waiting = turns(nights)
    nights.study = dataclasses.replace(nights.study, budget_s=40.0)
    other = nights.compare()

    assert [(w.challenger, w.turns, w.first) for w in waiting] == [(first.challenger, 1, False)]
    assert other.trials
    assert other.challenger is None or other.challenger != first.challenger


def test_one_that_was_shown_to_be_better_comes_first(nights: Nights) -> None:
    """However many turns it had: only its promotion was cut off."""
    nights.study = dataclasses.replace(nights.study, budget_s=600.0)
    first = nights.compare()
    assert first.shows == "better"
    for _ in range(2 * PATIENCE):
        one_more(nights)
    waiting = turns(nights)

    assert [(w.challenger, w.better, w.first) for w in waiting] == [(first.challenger, True, True)]


def test_where_no_new_one_could_be_shown_the_open_one_goes_on(nights: Nights) -> None:
    """The next number would need more prompts than the study has, which hinders nobody else."""
    first = one_more(nights)
    assert first.challenger is not None
    for _ in range(PATIENCE - 1):
        one_more(nights)
    nights.study = study(held_out=120, slo_ms=400.0, budget_s=40.0)
    tonight = nights.tonight()

    assert "held-out prompts or more" in (nothing_to_show(tonight) or "")
    assert nights.compare(tonight).challenger == first.challenger
