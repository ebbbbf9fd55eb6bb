"""A comparison in pairs of blocks, in a simulated world: its order, its prompts, and its end."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.nightly.simulated_night import FAST, Nights, alike, study, world
from tuner.evaluate.duel import Outcome
from tuner.spec.values import Candidate, Sample
from tuner.store.run_folder import claimed
from tuner.store.trial_folder import StoredTrial, read_all
from tuner.testing.simulated import Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.nightly.comparing.duel import MOST_FAILURES, Duel, block_of
from tuner.workflow.nightly.comparing.evidence import Side

ALPHA = 0.01


def night(
    nights: Nights, budget_s: float, made: World = world, *, anchor: bool = False
) -> tuple[Outcome, Duel]:
    """Go on with the comparison of fast settings with what serves for a night of seconds."""
    tonight, folder = (
        nights.tonight(SimulatedEngine(made, seed=nights.count)),
        nights.folder / "duel",
    )
    sides: dict[Side, Candidate] = {
        "challenger": {**tonight.base, **FAST}, "incumbent": tonight.base,
    }  # fmt: skip
    if anchor:
        sides["anchor"] = {**tonight.base, "num_batch": 32}

    async def work() -> tuple[Outcome, Duel]:
        stored = read_all(folder)
        session = tonight.session(folder, "duel", budget_s, stored)
        found = Duel.of(session, sides, ALPHA, stored)
        found.rng = np.random.default_rng(7)
        return await found.until_decided(nights.watcher.note), found

    with claimed(folder, resume=folder.exists()):
        return virtually(work())


def blocks(nights: Nights) -> list[StoredTrial]:
    """Return the blocks of all nights in the order in which they ended."""
    return read_all(nights.folder / "duel")


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Give nights whose target is near what answers take, so that the expected pace is right."""
    return Nights(tmp_path, study(slo_ms=300.0))


def test_what_is_better_is_shown_to_be_and_no_more_is_measured(nights: Nights) -> None:
    """The comparison stops with the pair that decides; more time changes nothing."""
    shows, found = night(nights, 3600.0)
    before = len(blocks(nights))
    again, _ = night(nights, 3600.0)

    assert (shows, again) == ("better", "better")
    assert len(blocks(nights)) == before == 2 * len(found.pairs)
    assert found.shown().evidence.better(ALPHA)


def test_what_is_alike_is_not_better(nights: Nights) -> None:
    """A tie within the noise floor is no win."""
    shows, found = night(nights, 3600.0, alike)

    assert shows == "no better"
    assert found.shown().evidence.e < 1


def test_the_order_of_the_sides_is_random(nights: Nights) -> None:
    """In about half of the pairs what serves comes first, and both always have the same prompts."""
    night(nights, 3600.0, anchor=True)
    pairs: dict[int | None, list[StoredTrial]] = {}
    for block in blocks(nights):
        pairs.setdefault(block.place.number, []).append(block)
    first = Counter(pair[0].place.side for pair in pairs.values())

    assert len(pairs) >= 8
    assert set(first) == {"challenger", "incumbent", "anchor"}
    for pair in pairs.values():
        asked = [[s.prompt_id for s in block.measured.counted] for block in pair]
        assert asked[0] == asked[1] == asked[2]


def test_each_block_has_a_start_of_its_own(nights: Nights) -> None:
    """So that no side has the cache of the other; also over nights."""
    night(nights, 25.0)
    night(nights, 25.0)
    starts = [s.engine_start for block in blocks(nights) for s in block.measured.counted[:1]]

    assert len(starts) > 4
    assert len(set(starts)) == len(starts)


def test_no_prompt_is_asked_again_another_night(nights: Nights) -> None:
    """Templates go on where the last night ended, and what fills them is drawn anew."""
    night(nights, 25.0)
    first = asked(nights, "challenger")
    night(nights, 25.0)
    both = asked(nights, "challenger")

    assert 0 < len(first) < len(both)
    assert len({s.cluster for s in both}) == len(both)
    assert len({s.prompt_id for s in both}) == len(both)


def asked(nights: Nights, side: str) -> list[Sample]:
    """Return what a side was asked in all nights."""
    return [s for b in blocks(nights) if b.place.side == side for s in b.measured.counted]


def test_an_undecided_comparison_goes_on_with_its_pairs(nights: Nights) -> None:
    """Night after night, until it is decided; with no fewer pairs than in one night."""
    shows, pairs = [], []
    while not shows or (shows[-1] == "open" and len(shows) < 20):
        outcome, found = night(nights, 25.0)
        shows.append(outcome)
        pairs.append(len(found.pairs))

    assert shows[-1] == "better"
    assert set(shows[:-1]) == {"open"}
    assert pairs == sorted(set(pairs))
    assert len(pairs) > 2


@pytest.mark.parametrize("budget_s", [4.0, 9.0])
def test_no_pair_begins_that_cannot_end(nights: Nights, budget_s: float) -> None:
    """It would only be cut off; the night says how long one takes."""
    shows, found = night(nights, budget_s)

    assert shows == "open"
    assert blocks(nights) == []
    assert "a pair of blocks takes about" in str(found.stopped)
    assert "larger --budget" in str(found.stopped)


def test_the_pace_of_the_search_says_how_long_a_pair_takes(nights: Nights) -> None:
    """A generous target says nothing about it: answers come much sooner than it allows."""
    nights.study = study(slo_ms=60_000.0)
    nights.study = dataclasses.replace(nights.study, budget_s=120.0)
    found = nights.compare()

    assert found.shown is not None
    assert found.shown.evidence.won > 0
    assert found.stopped is None


def test_a_challenger_that_fails_is_no_better(nights: Nights) -> None:
    """It dies under load, which no pair has to show twice."""

    def dies(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        fast = settings["num_batch"] == 256
        return dataclasses.replace(world(settings, text, rng), dies=fast)

    shows, found = night(nights, 3600.0, dies)

    assert shows == "no better"
    assert "died" in str(found.stopped)


def test_what_serves_may_fail_once_a_night(nights: Nights) -> None:
    """With its second failure the night's comparison ends; earlier nights do not count."""

    def dies(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        slow = settings["num_batch"] == 64
        return dataclasses.replace(world(settings, text, rng), dies=slow)

    for _ in range(2):
        before = len([b for b in blocks(nights) if b.measured.failed])
        shows, found = night(nights, 3600.0, dies)

        assert shows == "open"
        assert f"the incumbent did not answer {MOST_FAILURES} times" in str(found.stopped)
        assert len([b for b in blocks(nights) if b.measured.failed]) == before + MOST_FAILURES
        assert found.shown().evidence.won == 0


def test_pairs_that_were_cut_off_are_no_failures_of_what_serves(nights: Nights) -> None:
    """A night that was killed between two sides says nothing about either of them."""
    night(nights, 25.0)
    for block in blocks(nights):
        if block.place.side == "incumbent":
            folder = nights.folder / "duel" / "trials" / block.name
            folder.rename(nights.folder / block.name)
    deaths = iter((True,))

    def dies_once(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        found = world(settings, text, rng)
        return dataclasses.replace(found, dies=settings["num_batch"] == 64 and next(deaths, False))

    shows, found = night(nights, 3600.0, dies_once)

    assert shows == "better"
    assert found.stopped is None


def test_answers_that_stay_open_end_the_comparison(nights: Nights) -> None:
    """Where every held-out prompt was asked, no further night could show more of its answers."""

    def worse(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        found = world(settings, text, rng)
        wrong = settings["num_batch"] == 256 and int(text.split()[1]) % 32 == 1
        return dataclasses.replace(found, text='{"n": -1}' if wrong else found.text)

    nights.study = study(slo_ms=300.0, held_out=160)
    shows, found = night(nights, 7200.0, worse)

    assert shows == "no better"
    assert "all 160 held-out prompts were asked" in str(found.stopped)
    assert "UNDECIDED" in found.shown().evidence.not_worse.values()


@pytest.mark.parametrize("alpha", [0.0077, 0.001, 0.0001])
def test_a_block_has_enough_requests_for_a_proof_beside_the_signs(alpha: float) -> None:
    """Smaller errors never make blocks of fewer requests than a look has."""
    assert block_of(study(slo_ms=300.0), alpha) >= 20
