"""Planned arrivals: the distribution that was asked for, in one plan."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from tuner.load.arrivals import Call, planned
from tuner.load.wire import Request
from tuner.spec.values import Load, Prompt


def calls(at_s: Sequence[float]) -> list[Call]:
    """Return calls that came at these times in a recording."""
    return [Call(Prompt(str(i), "t", "k", (), None, at), Request("GET", "/"))
            for i, at in enumerate(at_s)]  # fmt: skip


def gaps_s(load: Load, at_s: Sequence[float] = (0.0,) * 2001) -> npt.NDArray[np.float64]:
    """Return the gaps between planned arrivals."""
    plan = planned(calls(at_s), load, np.random.default_rng(3))
    return np.diff([offset for _, offset in plan])


@pytest.mark.parametrize("rate", [0.5, 50.0])
def test_poisson_gaps_are_exponential(rate: float) -> None:
    """The gaps of planned arrivals pass a Kolmogorov-Smirnov test against their distribution."""
    assert stats.kstest(gaps_s(Load(rate=rate)), "expon", args=(0, 1 / rate)).pvalue > 0.01


@pytest.mark.parametrize("burstiness", [0.3, 1.0, 4.0])
def test_gamma_gaps_have_their_shape_and_the_rate(burstiness: float) -> None:
    """Gamma arrivals keep the rate, whatever their burstiness."""
    load = Load(rate=5.0, arrivals="gamma", burstiness=burstiness)

    assert stats.kstest(gaps_s(load), "gamma", args=(burstiness, 0, 0.2 / burstiness)).pvalue > 0.01


def test_constant_gaps_are_equal() -> None:
    """Constant arrivals come one after 1 / rate."""
    assert gaps_s(Load(rate=4.0, arrivals="constant")) == pytest.approx(0.25)


def test_a_recording_keeps_its_gaps_and_begins_again() -> None:
    """Replayed calls come as they came; from its last line to its first again it is 1 / rate."""
    recorded = [3.0, 3.5, 3.5, 9.0, 3.0, 3.5]

    found = gaps_s(Load(rate=2.0, arrivals="trace"), recorded)

    assert found.tolist() == [0.5, 0.0, 5.5, 0.5, 0.5]


def test_a_closed_loop_has_no_plan() -> None:
    """Asking for its arrivals is a mistake of the caller."""
    with pytest.raises(ValueError, match="closed loop"):
        next(planned(calls([0.0]), Load(), np.random.default_rng()))


def test_a_plan_reads_no_further_than_it_is_asked() -> None:
    """Endless calls have a plan as well: each is planned when it is needed."""
    endless = (calls([0.0])[0] for _ in itertools.count())

    plan = planned(endless, Load(rate=1.0), np.random.default_rng(0))

    assert next(plan)[1] == 0.0
    assert next(plan)[1] > 0.0
