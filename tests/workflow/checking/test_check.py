"""A check ends as soon as it is decided, and where more requests tell nothing."""

from __future__ import annotations

from dataclasses import replace

from tests.evaluate.test_sampled import STUDY, one
from tuner.evaluate.lateness import Terms
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard, Load, Sample
from tuner.workflow.checking.check import Deciding

CLOSED = replace(STUDY, workload=replace(STUDY.workload, load=Load()))


def needed(study: Study, samples: list[Sample]) -> int | None:
    """Return after how many requests a check is decided, None where it is not."""
    deciding = Deciding(study, Terms())
    return next((n for n, s in enumerate(samples, start=1) if deciding.decided(s)), None)


def test_a_clean_target_takes_as_many_as_its_proof() -> None:
    """And no request more."""
    assert needed(CLOSED, [one(n) for n in range(300)]) == 32


def test_a_missed_floor_ends_it_before_the_target_is_decided() -> None:
    """One claim that is lost is enough."""
    study = replace(CLOSED, guard=Guard(min_valid=0.9))
    found = needed(study, [one(n, guard="unparseable") for n in range(300)])

    assert found is not None
    assert found < 30


def test_floors_without_a_target_are_enough() -> None:
    """A check may ask for answers alone."""
    study = replace(CLOSED, slos=(), guard=Guard(min_valid=0.5))
    found = needed(study, [one(n) for n in range(300)])

    assert found is not None
    assert found < 60


def test_few_templates_end_it_when_each_was_asked() -> None:
    """A floor that they cannot show would otherwise take the whole budget."""
    few = Workload(STUDY.workload.templates[:10])
    study = replace(CLOSED, workload=few, guard=Guard(min_valid=0.95))
    samples = [replace(one(n), cluster=f"t{n % 10}") for n in range(300)]

    assert needed(study, samples) == 32


def test_at_the_border_it_goes_on() -> None:
    """Nothing is decided by one late request in ten."""
    assert needed(CLOSED, [one(n, ms=900 if n % 10 == 9 else 100) for n in range(200)]) is None
