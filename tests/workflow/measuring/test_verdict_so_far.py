"""Looking at certificates seldom misses no verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluate.test_lateness import SLO, under, waves
from tuner.evaluate.lateness import Lateness, Terms
from tuner.spec.values import Load
from tuner.workflow.measuring.verdict_so_far import VerdictSoFar

TERMS = Terms(alpha=0.025)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_pass_is_seen_at_the_request_at_which_it_falls(concurrency: int) -> None:
    """Without late requests the first look that can be a PASS is one, and there was no other."""
    study = under(Load(concurrency=concurrency))
    so_far, seen = VerdictSoFar(study, TERMS), []
    for number, sample in enumerate(waves(450 * concurrency, concurrency), start=1):
        so_far.add(sample)
        if (found := so_far.verdicts()) is not None:
            seen.append((number, found))
        if found == ["PASS"]:
            break
    assert seen == [(409 * concurrency, ["PASS"])]


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0])
def test_a_fail_is_seen_within_some_percent_of_where_it_falls(rate: float) -> None:
    """Many late requests are looked at while there are few, later one in fifty."""
    study, rng = under(Load()), np.random.default_rng(5)
    so_far, samples = VerdictSoFar(study, TERMS), []
    for quick in waves(900, 1):
        slow = replace(quick, last_ns=quick.sent_ns + 9 * 10**8)
        samples.append(slow if rng.random() < rate else quick)
        so_far.add(samples[-1])
        if so_far.failed():
            break
    falls = next(
        n
        for n in range(1, 901)
        if Lateness.of(study, samples[:n], TERMS).certificate(SLO).verdict == "FAIL"
    )
    assert falls <= len(samples) <= 1.05 * falls + 1
