"""The bench of gains draws what it says, and its tables are made of the product's own claims."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.gains import WORLDS, World, claimed, compared_alike, gains_table, proof


def mean_log(samples: list) -> float:
    """Return the mean logarithm of latencies."""
    return float(np.mean([math.log(s.latency_s("e2e")) for s in samples]))


def test_sides_take_turns_on_the_same_prompts_and_starts_of_their_own() -> None:
    """B F F B: the baseline answers a part of what the finalist's block beside it does."""
    ours, theirs = proof(np.random.default_rng(1), World("w"))
    turns = sorted({(s.block, True) for s in ours} | {(s.block, False) for s in theirs})

    assert [who for _, who in turns] == [False, True, True, False] * 2
    assert {s.prompt_id for s in theirs} < {s.prompt_id for s in ours}
    assert len({s.engine_start for s in (*ours, *theirs)}) == 8


def test_a_gain_is_as_large_as_it_says() -> None:
    """On the same prompts the ratio of geometric means is the one asked for."""
    ours, theirs = proof(np.random.default_rng(1), World("w", gain=0.2, spread=0.0, theirs=100))

    assert mean_log(ours) - mean_log(theirs) == pytest.approx(math.log(0.8), abs=0.03)


def test_a_clear_gain_is_claimed_and_shown_in_the_table() -> None:
    """A third less is found, and the table says of how many proofs that was so."""
    assert claimed(*proof(np.random.default_rng(1), World("w", gain=1 / 3))).mean is not None
    head, _, line = gains_table(2, 1, "gain 20 %, starts 0 %")

    assert head.startswith("| proof | any |")
    assert "100.0%" in line


def test_two_occasions_are_compared() -> None:
    """Half the latency is claimed whatever the occasions did; a twentieth is not."""
    rng = np.random.default_rng(1)

    assert compared_alike(rng, 0.05, 0.5, other=False)
    assert not compared_alike(rng, 0.0, 0.0, other=True)
    assert len({w.name for w in WORLDS}) == len(WORLDS)
