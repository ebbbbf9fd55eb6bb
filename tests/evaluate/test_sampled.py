"""Requests of a watch count in the order in which they were asked, and show no more than that."""

from __future__ import annotations

from dataclasses import replace

from tests.guard.test_classify import sample
from tuner.evaluate.sampled import Sampled
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard, Load, Message, Sample, Slo

SLO = Slo("e2e", 0.9, 0.5)
TEMPLATES = tuple(Template(f"t{n}", (Message("user", f"say {n}"),), None, "k") for n in range(400))
STUDY = Study(
    "s", "fake", "default", Workload(TEMPLATES, load=Load(rate=1.0)), slos=(SLO,)
)  # fmt: skip


def one(number: int, ms: int = 100, lag_ms: int = 0, **facts: object) -> Sample:
    """Return the request number so many, planned in that second."""
    planned = number * 10**9
    sent = planned + lag_ms * 10**6
    end = planned + ms * 10**6
    told = {"last_ns": end, "guard": "correct", **facts}
    return sample(
        "ok", planned_ns=planned, sent_ns=sent, first_ns=end, end_ns=end,
        prompt_id=str(number), cluster=f"t{number}", **told,
    )  # fmt: skip


def recorded(samples: list[Sample], study: Study = STUDY) -> Sampled:
    """Return a record of requests that came back as they were asked."""
    record = Sampled(study)
    for found in samples:
        record.asked(found.prompt_id)
        record.add(found)
    return record


def test_what_comes_back_early_waits_for_what_was_asked_before() -> None:
    """Quick answers alone would make a slow server look well."""
    record = Sampled(STUDY)
    for number in range(3):
        record.asked(str(number))
    record.add(one(1))
    record.add(one(2))

    assert record.seen(0.0) == 0
    assert record.figures(0.0).waiting == 3

    record.add(one(0, ms=9000))

    assert record.seen(0.0) == 3
    assert record.seen(1.0) == 2
    assert record.figures(0.0).waiting == 0


def test_failures_lose_a_target_though_they_keep_the_client_busy() -> None:
    """Those to a dead server fail at once; where none failed, a late client shows nothing."""
    late = [one(n, ms=900, lag_ms=90) for n in range(80)]
    failed = [replace(found, outcome="error", last_ns=None, guard=None) for found in late]

    assert recorded(late).lost(0.0, 0.05) == ()
    assert recorded(failed).lost(0.0, 0.05) == (str(SLO),)
    assert not recorded(failed).met(0.0, 0.05)


def test_timely_requests_meet_a_target_and_late_ones_lose_it() -> None:
    """With the error that is asked for, and by the requests since a time."""
    good = [one(n) for n in range(80)]
    bad = [one(80 + n, ms=900) for n in range(60)]

    assert recorded(good).met(0.0, 0.05)
    assert not recorded(good[:20]).met(0.0, 0.05)
    assert recorded(good).lost(0.0, 0.05) == ()
    assert recorded(good + bad).lost(80.0, 0.05) == (str(SLO),)
    assert not recorded(good + bad).met(0.0, 0.05)
    assert recorded(good + bad).met(0.0, 0.05) is False


def test_failed_requests_are_late() -> None:
    """Nobody was served in time by them."""
    failed = [one(n, outcome="error", last_ns=None, guard="error") for n in range(60)]
    record = recorded(failed)

    assert record.lost(0.0, 0.05) == (str(SLO),)
    assert record.figures(0.0).failures == 60


def test_a_client_that_was_too_slow_shows_nothing() -> None:
    """Neither that all is well, nor that it is not."""
    slow = [one(n, ms=900, lag_ms=400) for n in range(60)]

    record = recorded(slow)

    assert record.lost(0.0, 0.05) == ()
    assert "the client could not keep up" in record.unjudged()[0]
    assert not recorded([one(n, ms=300, lag_ms=200) for n in range(80)]).met(0.0, 0.05)


def test_a_latency_that_nobody_knows_decides_nothing() -> None:
    """It may be late, or not."""
    study = replace(STUDY, slos=(Slo("tpot", 0.9, 0.01),))
    record = recorded([one(n, output_tokens=None) for n in range(80)], study)

    assert not record.met(0.0, 0.05)
    assert record.lost(0.0, 0.05) == ()
    assert record.figures(0.0).late["tpot p90 <= 10 ms"].least == 0
    assert record.figures(0.0).late["tpot p90 <= 10 ms"].most == 80


def test_floors_are_lost_and_met_as_targets_are() -> None:
    """By the first answer to each template."""
    study = replace(STUDY, guard=Guard(min_valid=0.8, max_drop=0.02))
    bad = [one(n, guard="unparseable") for n in range(40)]

    assert recorded(bad, study).lost(0.0, 0.05) == ("min_valid 0.8",)
    assert recorded([one(n) for n in range(200)], study).met(0.0, 0.05)
    assert "max_drop" in recorded(bad, study).unjudged()[0]


def test_a_floor_of_nothing_is_no_obstacle() -> None:
    """It asks for no answer, so that the target alone decides; one of all is never shown."""
    nothing, all_of_them = (replace(STUDY, guard=Guard(min_valid=f)) for f in (0.0, 1.0))
    good = [one(n) for n in range(80)]

    assert recorded(good, nothing).met(0.0, 0.05)
    assert not recorded(good, all_of_them).met(0.0, 0.05)
    assert recorded(good, all_of_them).lost(0.0, 0.05) == ()


def test_without_requests_there_is_nothing() -> None:
    """No figure is made up, and nothing is met."""
    record = recorded([])
    figures = record.figures(0.0)

    assert not record.met(0.0, 0.05)
    assert record.lost(0.0, 0.05) == ()
    assert figures.n == 0
    assert set(figures.throughput.values()) == {None}
    assert {b.value for found in figures.quantiles.values() for b in found.values()} == {None}
