"""Whether slow requests wait in a queue: what a queue of so many slots gives, against what is."""

from __future__ import annotations

from tuner.advice.diagnosis.causes.hypothesis import (
    SMALL,
    Hypothesis,
    Standing,
    judged,
    ms,
    share,
)
from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.load import LIKELY_CV, load_of, wait_share
from tuner.advice.diagnosis.scenarios import Scenario, most_by_queue, predicted_p99
from tuner.advice.queueing import Traffic, sojourn
from tuner.advice.span import Span, exactly

UNTOLD = "no figure says how many requests come: neither a rate nor what is in flight"
RECORDS = "the requests in flight when each was sent, and its time in the queue"


def queue(found: Figures, every: tuple[Scenario, ...], cv: Span) -> Hypothesis:
    """Say what of p99 a queue accounts for, by what is known of it: measured, or by its load."""
    slots, gap = found.slots or 1, found.gap
    if gap is None or found.p50 is None or found.p99 is None:
        return Hypothesis("queue", "slowest 1 %", "unknown", None, (),
                          ("no figure says how latencies vary",), RECORDS, "")  # fmt: skip
    if found.in_flight is not None and found.in_flight <= slots:
        return _against("excluded", exactly(0.0), found,
                     f"a closed loop of {found.in_flight} never has one to wait for "
                     f"{_slots(slots)}")  # fmt: skip
    if found.in_flight is not None:
        return _against("unlikely", Span(0.0, 0.0, gap), found,
                     f"{found.in_flight} in flight take turns at {_slots(slots)}, so that all wait "
                     "about alike")  # fmt: skip
    if found.queue_p99 is not None:
        waits = found.queue_p99 - (found.queue or 0.0)
        said = (f"the measured wait of 1 request in 100 is {ms(found.queue_p99)}: {ms(waits)} more "
                f"than usual, of the {ms(gap)} beyond p50")  # fmt: skip
        return judged("queue", "slowest 1 %", exactly(waits), gap, said, RECORDS, _sign(found))
    expected = predicted_p99(found, cv)
    if expected is None:
        return _by_fit(found, every, cv, gap)
    return _by_load(found, every, cv, expected, gap)


def usual_queue(found: Figures, cv: Span, left: Span | None) -> Hypothesis:
    """Say how much of a usual request is waiting; `left` is neither prefill nor decode."""
    slots, p50 = found.slots or 1, found.p50 or 0.0
    if found.queue is not None:
        said = f"the measured wait of a usual request is {ms(found.queue)} of its {ms(p50)}"
        return _usual(exactly(found.queue), p50, found, said)
    if found.in_flight is not None:
        waits = p50 * max(0.0, 1 - slots / found.in_flight)
        said = (f"a closed loop of {found.in_flight} at {_slots(slots)}: a usual request waits for "
                f"{ms(waits)} of its {ms(p50)}")  # fmt: skip
        return _usual(exactly(waits), p50, found, said)
    one = min(cv.likely, LIKELY_CV)
    load = load_of(found, one)
    if load is None and left is not None:
        said = f"{ms(left.high)} of p50 are neither prefill nor decode: network or queue"
        return _usual(left, p50, found, said)
    if load is None:
        return Hypothesis("queue", "usual request", "unknown", None, (), (UNTOLD,), RECORDS, "")
    low, likely, high = (
        p50 * wait_share(a, slots, one) for a in (load.low, load.likely, load.high)
    )
    said = (f"where {_slots(slots)} {_serve(slots)} for {share(load, slots)} of the time "
            f"({_source(found)}), a usual request waits for {ms(Span(low, likely, high))} of its "
            f"{ms(p50)}")  # fmt: skip
    return _usual(Span(low, likely, high), p50, found, said)


def _usual(waits: Span, p50: float, found: Figures, said: str) -> Hypothesis:
    return judged("queue", "usual request", waits, p50, said, RECORDS, _sign(found))


def _by_load(
    found: Figures, every: tuple[Scenario, ...], cv: Span, expected: Span, gap: float
) -> Hypothesis:
    """Hold what a queue of the known load gives against what is seen."""
    assert found.p50 is not None
    assert found.p99 is not None
    alone = found.p50 * _spread(min(cv.likely, LIKELY_CV))
    waits = Span(*(min(gap, max(0.0, p99 - alone)) for p99 in
                   (expected.low, expected.likely, expected.high)))  # fmt: skip
    load = load_of(found, min(cv.likely, LIKELY_CV))
    assert load is not None
    said = (
        f"{_slots(found.slots or 1)} in use for {share(load, found.slots or 1)} of the time "
        f"({_source(found)}), with requests that come by themselves, give p99 "
        f"{ms(expected)} at this p50 (M/G/c)"
    )
    if waits.high < SMALL * gap:
        standing: Standing = "excluded" if waits.high < SMALL * found.p50 else "unlikely"
        small = f"that is {ms(waits)} of the {ms(gap)}, though bursts may go further"
        return Hypothesis("queue", "slowest 1 %", standing, waits, (), (said, small), RECORDS,
                          _sign(found))  # fmt: skip
    low, high = found.p99_between or (found.p99, found.p99)
    inside = expected.low <= high and expected.high >= low
    verdict: Standing = "likely" if inside else "possible"
    apart = "less" if expected.high < low else "more"
    against = () if inside else (f"that is {apart} than the {ms(found.p99)} that are seen",)
    agree = "lie inside" if found.p99_low is None else "agree within their interval"
    seen = f"the {ms(found.p99)} that are seen {agree}: a queue alone explains them"
    for_it = (said, *((seen,) if inside else ()), *_fits(every))
    return Hypothesis(
        "queue", "slowest 1 %", verdict, waits, for_it, against, RECORDS, _sign(found)
    )


def _by_fit(found: Figures, every: tuple[Scenario, ...], cv: Span, gap: float) -> Hypothesis:
    """Say at which load a queue would give what is seen, where nothing tells the load."""
    assert found.p50 is not None
    assert found.p99 is not None
    waiting = [s for s in every if s.load > 0]
    if waiting:
        return Hypothesis("queue", "slowest 1 %", "possible", Span(0.0, gap / 2, gap),
                          _fits(every), (UNTOLD,), RECORDS, _sign(found))  # fmt: skip
    ratio = found.p99 / found.p50
    most = most_by_queue(found.slots or 1, min(cv.likely, LIKELY_CV))
    if ratio > most:
        return Hypothesis(
            "queue", "slowest 1 %", "unlikely", Span(0.0, 0.0, gap), (),
            (f"p99 is {ratio:.1f} times p50, and requests that come by themselves get to "
             f"{most:.1f} at any load; bursts may go further", UNTOLD), RECORDS, _sign(found),
        )  # fmt: skip
    said = f"p99 is only {ratio:.2f} times p50, which alike requests have without any queue"
    return Hypothesis("queue", "slowest 1 %", "excluded", exactly(0.0), (), (said,), RECORDS,
                      _sign(found))  # fmt: skip


def _fits(every: tuple[Scenario, ...]) -> tuple[str, ...]:
    """Say at which utilisation the scenarios have what is seen."""
    waiting = [s.utilisation for s in every if s.load > 0]
    if not waiting:
        return ()
    used = Span(min(waiting), min(waiting), max(waiting))
    return (
        f"both p50 and p99 come out where a slot serves for {share(used, 1.0)} of the time, the "
        "less the more its requests differ",
    )


def _against(standing: Standing, waits: Span, found: Figures, said: str) -> Hypothesis:
    return Hypothesis("queue", "slowest 1 %", standing, waits, (), (said,), RECORDS, _sign(found))


def _sign(found: Figures) -> str:
    return f"{found.slots or 1} or more others were in flight when they were sent"


def _source(found: Figures) -> str:
    if found.rate is not None:
        return f"by {found.rate:g} requests/s"
    return f"taken from a GPU with a kernel on it for {found.gpu_util or 0:.0%} of the time"


def _slots(slots: int) -> str:
    return "one slot" if slots == 1 else f"{slots} slots"


def _serve(slots: int) -> str:
    return "serves" if slots == 1 else "serve"


def _spread(cv: float) -> float:
    alone = sojourn(Traffic(0.0, round(cv, 2)))
    return alone.p99 / alone.p50
