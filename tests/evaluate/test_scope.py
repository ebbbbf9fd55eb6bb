"""What verdicts speak of is said, and no more than was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.evaluate.test_lateness import SLO, under, waves
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.evaluate.scope import claim
from tuner.spec.study import Study
from tuner.spec.values import Claim, Guard, Load, Sample


def said(study: Study, samples: list[Sample]) -> str:
    """Return what is said of the verdicts on samples."""
    return " ".join(claim(study, measurement(study, {}, Measured(None, tuple(samples)))))


def test_templates_like_them_are_meant_only_where_each_was_asked_once() -> None:
    """A template that came twice makes it a claim about these templates alone."""
    once = waves(40, 1)
    twice = [replace(s, cluster=str(i % 20)) for i, s in enumerate(once)]

    assert "40 templates in their mix; each was asked once, so templates like them" in said(
        under(Load()), once
    )
    assert "20 templates in their mix, 1 engine start" in said(under(Load()), twice)


def test_it_says_what_was_in_flight_together() -> None:
    """With one at a time nothing is said; with several whether they count as one."""
    assert "in flight" not in said(under(Load()), waves(40, 1))
    assert "Up to 4 requests in flight together may stall together" in said(
        under(Load(concurrency=4)), waves(40, 4)
    )
    apart = said(under(Load(concurrency=4), Claim(in_flight="apart")), waves(40, 4))
    assert "taken as independent" in apart


@pytest.mark.parametrize(("factor", "beyond"), [(1.02, False), (2.0, True)])
def test_it_says_how_a_further_start_would_fare(factor: float, beyond: bool) -> None:
    """Two starts that differ little promise a third within the target, unlike ones do not."""
    slow = round(200 * factor)
    samples = [
        *(replace(s, engine_start=1) for s in waves(100, 1, 200)),
        *(replace(s, engine_start=2) for s in waves(100, 1, slow)),
    ]
    text = said(under(Load()), samples)

    assert "Its 2 starts differ by" in text
    assert ("more than the target" in text) is beyond
    assert "starts differ" not in said(under(Load()), waves(100, 1))


def test_floors_speak_of_templates() -> None:
    """Where something is asked of the answers it is said what their floors hold for."""
    guarded = replace(under(Load()), guard=Guard(min_valid=0.9))
    assert "Floors on answers speak of templates like these" in said(guarded, waves(40, 1))
    assert "Floors" not in said(under(Load()), waves(40, 1))
    assert claim(guarded, measurement(guarded, {}, Measured(None, ()))) == []
    assert SLO in guarded.slos
