"""A server's counters count all its requests, and nothing that they do not tell."""

from __future__ import annotations

import math
from dataclasses import replace

from tuner.engines.latency_counts import LatencyCounts
from tuner.evaluate.counted import Counted
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard, Slo

STUDY = Study("s", "fake", "default", Workload(()), slos=(Slo("e2e", 0.99, 0.5),))


def page(n: int, late: int, edge: float = 0.5, **more: float) -> LatencyCounts:
    """Return counters of n requests, so many of them above an edge."""
    steps = {0.1: n / 2, edge: float(n - late), math.inf: float(n)}
    return LatencyCounts({"e2e": dict(sorted(steps.items()))}, **{"in_flight": 1.0, **more})


def counted(*pages: LatencyCounts | None, study: Study = STUDY) -> Counted:
    """Return a record of pages that were read every ten seconds."""
    record = Counted(study)
    for number, found in enumerate(pages):
        record.add(number * 10.0, found)
    return record


def test_all_requests_count_since_the_first_reading() -> None:
    """What the server counted before is not ours to judge."""
    record = counted(page(5000, 4000), page(5600, 4000))

    assert record.seen(0.0) == 600
    assert record.met(0.0, 0.05)
    assert record.figures(0.0).throughput["requests_per_s"] == 60.0


def test_late_requests_lose_a_target() -> None:
    """And a window that begins later holds only the intervals that do."""
    record = counted(page(0, 0), page(600, 0), page(700, 40))

    assert record.lost(10.0, 0.05) == ("e2e p99 <= 500 ms",)
    assert record.seen(10.0) == 100
    assert record.seen(15.0) == 0


def test_a_target_beside_the_edges_is_judged_by_both_neighbours() -> None:
    """Those between may be late: they are against a PASS, and not for a FAIL."""
    record = counted(page(0, 0, edge=0.8), page(600, 0, edge=0.8))
    late = record.figures(0.0).late["e2e p99 <= 500 ms"]

    assert (late.least, late.most, late.n) == (0, 300, 600)
    assert not record.met(0.0, 0.05)
    assert record.lost(0.0, 0.05) == ()


def test_a_reset_is_noticed_and_its_interval_left_out() -> None:
    """What came just before it is unknown; what comes after counts."""
    record = counted(page(900, 0), page(100, 50), page(700, 50))

    assert record.seen(0.0) == 600
    assert record.lost(0.0, 0.05) == ()
    assert "began anew" in record.notes()[0]
    assert record.notes() == ()


def test_silence_is_no_data_and_said_once() -> None:
    """Nothing is known of an interval across which nobody answered, until counters come again."""
    record = counted(page(0, 0), None, None, page(300, 0))

    assert record.seen(0.0) == 300
    assert [n for n in record.notes() if "does not tell" in n] != []
    assert record.seen(1.0) == 0


def test_how_many_are_in_flight_has_to_be_told() -> None:
    """Without that nobody knows what one late request is evidence of."""
    pages = (page(0, 0, in_flight=None), page(600, 300, in_flight=None))  # type: ignore[arg-type]
    record = counted(*pages)

    assert not record.met(0.0, 0.05)
    assert record.lost(0.0, 0.05) == ()
    assert "in flight" in record.unjudged()[-1]


def test_many_in_flight_take_more_requests() -> None:
    """Four that may be late together are as one."""
    assert counted(page(0, 0), page(400, 0)).met(0.0, 0.05)
    assert not counted(page(0, 0, in_flight=4.0), page(400, 0)).met(0.0, 0.05)
    assert counted(page(0, 0, in_flight=4.0), page(1600, 0)).met(0.0, 0.05)


def test_what_counters_do_not_tell_is_named_and_never_met() -> None:
    """Floors on answers, and a metric without a histogram."""
    study = replace(STUDY, guard=Guard(min_valid=0.9))
    guarded = counted(page(0, 0), page(600, 0), study=study)
    other = replace(STUDY, slos=(Slo("ttft", 0.99, 0.5),))
    missing = counted(page(0, 0), page(600, 0), study=other)

    assert not guarded.met(0.0, 0.05)
    assert "floors on answers" in guarded.unjudged()[0]
    assert not missing.met(0.0, 0.05)
    assert missing.unjudged() == ("ttft is not judged: no counter tells it",)


def test_no_traffic_is_nothing() -> None:
    """No figure is made up."""
    record = counted(page(50, 0), page(50, 0))

    assert record.seen(0.0) == 0
    assert not record.met(0.0, 0.05)
    assert record.figures(0.0).quantiles["e2e"][0.99].high is None
