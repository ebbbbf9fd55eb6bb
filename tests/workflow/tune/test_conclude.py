"""Which finalist is the best, where several were measured."""

from __future__ import annotations

from tests.workflow.measuring.test_compare import asked
from tests.workflow.worlds import study
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.spec.values import Guard
from tuner.workflow.tune.conclude import best_of


def finalist(name: int, requests: int, late: int = 0) -> Measurement:
    """Return a finalist with so many requests, `late` of them far beyond any target."""
    samples = [asked(1, i, 1e6 if i < late else 1.0) for i in range(requests)]
    return measurement(study(guard=Guard()), {"num_batch": name}, Measured(None, tuple(samples)))


def test_one_with_evidence_comes_before_one_of_which_nothing_was_measured() -> None:
    """A finalist whose start took the last of the budget has no requests, and proves nothing."""
    unmeasured, with_late_ones = finalist(1, 0), finalist(2, 100, late=4)

    assert best_of([unmeasured, with_late_ones]) == (1, with_late_ones)
    assert best_of([unmeasured]) == (0, unmeasured)


def test_a_proven_one_comes_first() -> None:
    """Before an undecided one with much evidence, wherever it stands."""
    undecided, proven = finalist(1, 200), finalist(2, 900)

    assert (undecided.verdict, proven.verdict) == ("UNDECIDED", "PASS")
    assert best_of([undecided, proven]) == (1, proven)
