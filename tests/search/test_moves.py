"""Moves: near the best, hinted at, or from anywhere in the space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.search.test_propose import BASE, SPACE
from tuner.engines.observation import Move, Observation, Reason
from tuner.search.moves import Hints, Moves, neighbours
from tuner.search.trial import Trial
from tuner.spec.values import changes


def moves(hints: Hints = lambda trial, name, dimension: ()) -> Moves:
    """Return moves in the space of the tests."""
    return Moves(SPACE, BASE, hints, np.random.default_rng(1))


BEST = Trial(0, {**BASE, "n": 8, "t": 0.1}, "sampler", "complete")


def test_neighbours_change_one_knob() -> None:
    """A neighbour is one knob away, and putting a knob back to the baseline is one."""
    start = BEST.candidate
    found = list(neighbours(start, SPACE, BASE))

    assert all(len(changes(c, start)) == 1 for c in found)
    assert {**start, "t": 0.7} in found
    assert {**start, "n": 4} in found


def test_knobs_that_were_moved_least_come_first() -> None:
    """Where four knobs have been tried, the neighbours of the fifth are the first."""
    tried = [f'{{"n": 1, "word": "b", "t": 0.9, "k": 1, "p": {p}}}' for p in (256, 256)]
    first = next(moves().neighbours([BEST], tried))

    assert changes(first, BEST.candidate) == ("p",)


def test_hints_are_taken_all_at_once_and_by_mutants() -> None:
    """The informed candidate has the first hint of each knob; half of the mutants have one."""
    made = moves(lambda trial, name, dimension: {"t": (0.0, 0.2), "k": (7,)}.get(name, ()))

    assert list(made.informed(BEST)) == [{**BEST.candidate, "t": 0.0, "k": 7}]
    mutants = list(made.mutants([BEST]))
    assert 3 <= sum(m["k"] == 7 for m in mutants) <= 17


def test_what_a_server_proposes_are_alternatives() -> None:
    """Each of its knobs is moved alone, in its order; other hints are still taken all at once."""
    made = moves(lambda trial, name, dimension: {"t": (0.0,), "k": (7,), "n": (4,)}.get(name, ()))
    reason = Reason("KV pressure", "so", (Move("n", "less"), Move("absent", "more"), Move("k", 7)))
    told = replace(BEST, observed=Observation(1.0, reason=reason))

    assert list(made.informed(told)) == [
        {**BEST.candidate, "t": 0.0},
        {**BEST.candidate, "n": 4},
        {**BEST.candidate, "k": 7},
    ]


def test_candidates_from_anywhere_reach_every_value() -> None:
    """All values of a list come up about equally often, and a range in both of its halves."""
    found = list(moves().anywhere(4000))

    for name, expected in (("n", 1000), ("word", 4000 / 3)):
        for value in SPACE[name].values:
            assert sum(c[name] == value for c in found) == pytest.approx(expected, rel=0.15)
    assert np.mean([float(c["t"]) < 0.5 for c in found]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([float(c["k"]) < 10 for c in found]) == pytest.approx(0.5, abs=0.05)
    assert all(c["outside"] == BASE["outside"] for c in found)
