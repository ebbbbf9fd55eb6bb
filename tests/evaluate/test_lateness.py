"""Certificates of samples: what was in flight together is one piece of evidence."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

from tests.guard.test_classify import sample
from tuner.evaluate.lateness import Lateness, Terms, in_order, strands_of
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Claim, Load, Sample, Slo

SLO = Slo("e2e", 0.99, 0.5)
STUDY = Study("s", "fake", "default", Workload(()), slos=(SLO,))
TERMS = Terms(alpha=0.025)


def under(load: Load, claim: Claim | None = None) -> Study:
    """Return the study under a load."""
    return replace(STUDY, workload=Workload((), load=load), claim=claim or Claim())


def waves(count: int, concurrency: int, ms: int = 100, **facts: object) -> list[Sample]:
    """Return so many samples, `concurrency` of which are in flight at any time."""
    found = []
    for i in range(count):
        sent = (i // concurrency) * ms * 10**6
        end = sent + ms * 10**6
        found.append(
            sample("{}", sent_ns=sent, planned_ns=sent, first_ns=end, last_ns=end, end_ns=end,
                   prompt_id=str(i), cluster=str(i), guard="correct", **facts)
        )  # fmt: skip
    return found


def test_a_pass_takes_as_many_waves_at_any_concurrency() -> None:
    """409 timely requests pass alone, and eight in flight take eight times as many."""
    for concurrency in (1, 8):
        study = under(Load(concurrency=concurrency))
        enough = Lateness.of(study, waves(409 * concurrency, concurrency), TERMS)
        few = Lateness.of(study, waves(408 * concurrency, concurrency), TERMS)
        assert enough.certificate(SLO).verdict == "PASS"
        assert enough.certificate(SLO).m == concurrency - 1
        assert few.certificate(SLO).verdict == "UNDECIDED"


def test_requests_taken_apart_are_evidence_of_their_own() -> None:
    """With claim.in_flight: apart the same 409 requests pass with eight in flight."""
    study = under(Load(concurrency=8), Claim(in_flight="apart"))
    found = Lateness.of(study, waves(409, 8), TERMS).certificate(SLO)
    assert (found.verdict, found.m) == ("PASS", 0)


def test_one_stall_of_all_in_flight_does_not_end_a_pass() -> None:
    """Eight late together are one event: the strands that saw it are still eight."""
    samples = waves(8 * 1500, 8)
    late = [
        replace(s, last_ns=(s.sent_ns + 9 * 10**8)) if 800 <= i < 808 else s
        for i, s in enumerate(samples)
    ]
    found = Lateness.of(under(Load(concurrency=8)), late, TERMS).certificate(SLO)
    assert (found.verdict, found.late, found.m) == ("PASS", 8, 7)


def test_an_open_loop_has_as_many_strands_as_requests_that_overlap() -> None:
    """Evenly spaced requests that each overlap with two others make three strands."""
    study = under(Load(rate=10.0))
    samples = [
        replace(s, sent_ns=i * 10**8, last_ns=i * 10**8 + 25 * 10**7, end_ns=i * 10**8 + 25 * 10**7)
        for i, s in enumerate(waves(50, 1))
    ]
    assert strands_of(study, samples).count == 3


def test_blocks_of_different_runs_have_no_common_clock() -> None:
    """A block whose stamps start anew stands after the one before, and overlaps with none."""
    first = [replace(s, block=1, engine_start=1) for s in waves(40, 4)]
    second = [replace(s, block=2, engine_start=2) for s in waves(40, 4)]
    found = strands_of(under(Load(concurrency=4)), [*first, *second])
    for strand in range(4):
        mine = [s for s, at in zip([*first, *second], found.index, strict=True) if at == strand]
        assert len(mine) == 20
        assert all(a.end_ns <= b.sent_ns or a.block < b.block for a, b in pairwise(mine))


def test_samples_are_judged_in_the_order_of_sending() -> None:
    """In whatever order they end within a block, the verdict is the same."""
    study, samples = under(Load(concurrency=3)), waves(300, 3)
    shuffled = random.Random(3).sample(samples, len(samples))
    assert [s.sent_ns for s in in_order(shuffled)] == [s.sent_ns for s in samples]
    assert Lateness.of(study, shuffled, TERMS).certificate(SLO) == Lateness.of(
        study, samples, TERMS
    ).certificate(SLO)


def test_the_interval_of_a_target_ends_at_or_below_it_where_it_has_passed() -> None:
    """PASS and the upper end beside it agree, also when all requests overlap."""
    study = under(Load(concurrency=8))
    few, enough = (
        measurement(study, {}, Measured(None, tuple(waves(n * 8, 8))), TERMS) for n in (408, 409)
    )
    assert few.quantiles["e2e"][0.99].high is None
    assert enough.quantiles["e2e"][0.99].high == 0.1
