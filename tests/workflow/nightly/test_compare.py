"""Tonight's challenger: one of an earlier night, or what a search finds; and when it is closed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.nightly.simulated_night import FAST, Nights, alike, study, world
from tuner.spec.values import Candidate, Guard
from tuner.stats.paired import fewest_pairs
from tuner.stats.spending import MOST, error_of
from tuner.store.trial_folder import read_all
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.comparing.search import challenger_id
from tuner.workflow.nightly.comparing.tonight import Compared

BUDGET_S = 40.0
"""Seconds of a night that leaves a comparison open."""


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Give nights in one folder."""
    return Nights(tmp_path, study(slo_ms=400.0))


def short(nights: Nights) -> Compared:
    """Do a night that leaves its comparison open."""
    usual, nights.study = nights.study, dataclasses.replace(nights.study, budget_s=BUDGET_S)
    found = nights.compare()
    nights.study = usual
    assert found.shows == "open"
    assert found.challenger is not None
    return found


def test_a_night_writes_a_result_that_can_serve(nights: Nights) -> None:
    """With the requests of the comparison, on which it rests, in the night's own folder."""
    found = nights.compare()
    out = nights.folder / "night-1"
    document = json.loads((out / "result.json").read_text())
    sides = {t.place.side for t in read_all(out) if t.place.phase == "confirmation"}

    assert found.shows == "better"
    assert found.challenger is not None and found.challenger.number == 1
    assert document["best"]["candidate"] == dict(found.challenger.candidate)
    assert document["verdict"] == "PASS"
    assert sides == {"challenger", "incumbent"}


def test_a_promising_challenger_goes_on_without_a_search(nights: Nights) -> None:
    """Its pairs are those of both nights, and it has the number that it had."""
    first = short(nights)
    second = nights.compare()

    assert first.counts["complete"] == 3
    assert not second.trials
    assert second.challenger == first.challenger
    assert second.shows == "better"
    assert first.shown is not None and second.shown is not None
    assert second.shown.evidence.won > first.shown.evidence.won > 0
    assert "search" not in nights.watcher.phases[-1:]


def test_what_is_better_goes_on_until_it_was_put_into_service(nights: Nights) -> None:
    """A night that is killed before that costs the next one no request."""
    first = nights.compare()
    folder = nights.ledger.duel_folder(nights.ledger.world(nights.facts), first.challenger)  # type: ignore[arg-type]
    before = len(read_all(folder))
    again = nights.compare()

    assert (first.shows, again.shows) == ("better", "better")
    assert again.challenger == first.challenger
    assert len(read_all(folder)) == before
    assert (nights.folder / "night-2" / "result.json").exists()


def test_what_was_decided_is_not_chosen_again(nights: Nights) -> None:
    """As long as the world lasts; then it is as good as any other."""
    first = nights.compare()
    assert first.challenger is not None
    nights.ledger.close(first.world, first.challenger, "taken back")
    second = nights.compare()
    nights.facts = {"engine": "another version"}
    third = nights.compare()

    assert second.challenger is not None and third.challenger is not None
    assert second.challenger.id != first.challenger.id
    assert second.challenger.number == 2
    assert third.challenger.number == 1


def test_what_is_no_better_is_closed(nights: Nights, tmp_path: Path) -> None:
    """It looked better by luck, or answers worse; nobody has to say so twice."""

    def worse(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        found = world(settings, text, rng)
        wrong = settings["num_batch"] != 64 and int(text.split()[1]) % 4 == 1
        return dataclasses.replace(found, text='{"n": -1}' if wrong else found.text)

    nights.study = dataclasses.replace(nights.study, guard=Guard(max_drop=0.3))
    found = nights.compare(nights.tonight(SimulatedEngine(worse)))
    assert found.challenger is not None
    closed = nights.ledger.closed(nights.ledger.world(nights.facts))

    assert found.shows == "no better"
    assert closed == {found.challenger.id}


def test_where_nothing_looks_better_nobody_is_met(nights: Nights) -> None:
    """No number of the year is spent."""
    found = nights.compare(nights.tonight(SimulatedEngine(alike)))

    assert found.challenger is None
    assert found.counts["complete"] >= 2
    assert nights.ledger.lines("met") == []


def test_a_night_that_was_killed_after_it_met_a_challenger_costs_no_number(
    nights: Nights,
) -> None:
    """It is met again, with nothing measured yet."""
    tonight = nights.tonight()
    fast = {**tonight.base, **FAST}
    nights.ledger.met(tonight.world, challenger_id(tonight, fast), fast)
    found = nights.compare(tonight)

    assert found.challenger is not None
    assert (found.challenger.number, found.shows) == (1, "better")


def test_evidence_beside_another_incumbent_counts_for_nobody(nights: Nights) -> None:
    """Whom a challenger was compared with is a part of who it is; the anchor as well."""
    first = short(nights)
    nights.anchor = {"num_batch": 32}
    second = nights.compare()

    assert first.challenger is not None and second.challenger is not None
    assert second.challenger.id != first.challenger.id
    assert second.challenger.candidate == first.challenger.candidate
    assert second.trials
    assert second.shown is not None
    assert set(second.shown.evidence.not_worse) == {"incumbent", "anchor"}


def test_too_few_prompts_are_said_before_anything_is_measured(nights: Nights) -> None:
    """With how many it takes; nobody waits for what cannot be shown."""
    nights.study = study(held_out=100)
    least = fewest_pairs(0.05, error_of(1))
    with pytest.raises(NotTonight, match=f"takes {least} held-out prompts or more, .* has 100"):
        nights.compare()

    assert not (nights.folder / "night-1" / "trials").exists()


def test_an_open_challenger_goes_on_where_prompts_are_too_few_for_another(nights: Nights) -> None:
    """It has an error of its own, larger than what is left for the next one."""
    nights.study = study(held_out=fewest_pairs(0.05, error_of(1)), slo_ms=400.0)
    first = short(nights)
    second = nights.compare()

    assert second.challenger == first.challenger
    assert second.shows == "better"


@pytest.mark.parametrize("promote", ["auto", "ask"])
def test_a_year_s_error_that_is_spent_is_said(nights: Nights, promote: str) -> None:
    """No challenger could be shown to be better at no error."""
    nights.study = study(promote=promote)
    world_ = nights.ledger.world(nights.facts)
    for number in range(MOST):
        nights.ledger.met(world_, f"earlier {number}", {"num_batch": number})
    with pytest.raises(NotTonight, match=f"{MOST} challengers were compared within a year"):
        nights.compare()


def test_no_drop_at_all_cannot_be_shown(nights: Nights) -> None:
    """However many prompts there are: equal answers are no evidence against a drop of nearly 0."""
    nights.study = study(guard=Guard(max_drop=0.0))
    with pytest.raises(NotTonight, match=r"guard\.max_drop, which is 0"):
        nights.compare()
