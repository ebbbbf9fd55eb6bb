"""A server's own counters while it is watched: what they show since a time, and their figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.engines.latency_counts import LatencyCounts, Steps, grown, late
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import QUANTILES
from tuner.evaluate.unjudged import never_judged
from tuner.evaluate.watched import Figures, Late
from tuner.spec.study import Study
from tuner.spec.values import Metric, Slo
from tuner.stats.counts import certify_counts, quantile_between
from tuner.stats.eprocess import Certificate
from tuner.stats.quantiles import Bound

_ALL = math.inf


@dataclass(frozen=True, slots=True)
class _Interval:
    """By how much counters grew between two readings; `in_flight` is the larger one of both."""

    began_s: float
    ended_s: float
    steps: Mapping[Metric, Steps]
    in_flight: float | None


class Counted:
    """The `Record` over pages of counters: all requests count, whoever sent them.

    Each reading is one, so that requests count by the interval in which they ended. They may be
    late together as far as they were seen in flight together; between readings nobody looks.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._intervals: list[_Interval] = []
        self._before: tuple[float, LatencyCounts] | None = None
        self._notes: list[str] = []
        self._silent = False

    def add(self, at_s: float, page: LatencyCounts | None) -> None:
        """Take in what the counters said at a time, None where they said nothing."""
        if page is None:
            self._note_silence()
            return
        before, self._before, self._silent = self._before, (at_s, page), False
        if before is None:
            return
        more = grown(before[1], page)
        if more is None:
            self._notes.append("the server's counters began anew: what came just before is unknown")
            return
        together = [c for c in (before[1].in_flight, page.in_flight) if c is not None]
        in_flight = max(together) if len(together) == 2 else None
        self._intervals.append(_Interval(before[0], at_s, more.steps, in_flight))

    def _note_silence(self) -> None:
        if not self._silent:
            self._notes.append("the server does not tell its counters: nothing is known meanwhile")
        self._silent = True

    def seen(self, since_s: float) -> int:
        """Return how many requests ended in intervals that began since then."""
        return _ended(self._since(since_s))

    def _since(self, since_s: float) -> list[_Interval]:
        return [i for i in self._intervals if i.began_s >= since_s]

    def lost(self, since_s: float, alpha: float) -> tuple[str, ...]:
        """Return what is shown to be missed; see `Record`. The error is shared among targets."""
        slos = self._study.slos
        found = {slo: self._certificate(slo, since_s, alpha / len(slos)) for slo in slos}
        return tuple(str(slo) for slo, c in found.items() if c and c.verdict == "FAIL")

    def met(self, since_s: float, alpha: float) -> bool:
        """Tell whether all is shown to hold; see `Record`. Floors on answers never are."""
        if self._floors_asked() or not self._study.slos:
            return False
        found = (self._certificate(slo, since_s, alpha) for slo in self._study.slos)
        return all(c is not None and c.verdict == "PASS" for c in found)

    def _certificate(self, slo: Slo, since_s: float, alpha: float) -> Certificate | None:
        """Return the certificate on one target, None where it cannot be judged."""
        intervals = self._since(since_s)
        counted, together = _late(slo, intervals), _together(intervals)
        if together is None or counted.n == 0:
            return None
        return certify_counts(
            (counted.least, counted.most), counted.n, slo.quantile, alpha, together
        )

    def figures(self, since_s: float) -> Figures:
        """Return what is known of the requests since then."""
        intervals, slos = self._since(since_s), self._study.slos
        metrics: list[Metric] = list(dict.fromkeys(["e2e", *(s.metric for s in slos)]))
        n, told_s = _ended(intervals), sum(i.ended_s - i.began_s for i in intervals)
        return Figures(
            n=n,
            quantiles={m: _quantiles(m, intervals) for m in metrics},
            late={str(slo): _late(slo, intervals) for slo in slos},
            throughput={"requests_per_s": n / told_s if told_s else None},
        )

    def unjudged(self) -> tuple[str, ...]:
        """Say what the counters do not tell: answers, metrics, how many are in flight."""
        lines = list(never_judged(self._study))
        if self._floors_asked():
            lines.append("the floors on answers are not judged: counters tell nothing of answers")
        page = self._before[1] if self._before else None
        if page is None:
            return (*lines, "the server has not told its counters")
        wanted = dict.fromkeys(slo.metric for slo in self._study.slos)
        lines += [f"{m} is not judged: no counter tells it" for m in wanted if m not in page.steps]
        if page.in_flight is None:
            lines.append("nothing is judged: no counter tells how many requests are in flight")
        return tuple(lines)

    def _floors_asked(self) -> bool:
        guard = self._study.guard
        return (guard.min_valid, guard.min_correct) != (None, None)

    def notes(self) -> tuple[str, ...]:
        """Return what was noticed since this was last asked."""
        notes, self._notes = tuple(self._notes), []
        return notes


def _ended(intervals: Sequence[_Interval]) -> int:
    """Return how many requests ended, as the histogram that has the most of them tells."""
    return round(sum(max((s[_ALL] for s in i.steps.values()), default=0) for i in intervals))


def _together(intervals: Sequence[_Interval]) -> int | None:
    """Return how many requests were seen in flight at once, None where one reading lacks it."""
    known = [i.in_flight for i in intervals if i.in_flight is not None]
    return max(1, math.ceil(max(known))) if known and len(known) == len(intervals) else None


def _late(slo: Slo, intervals: Sequence[_Interval]) -> Late:
    told = [i.steps[slo.metric] for i in intervals if slo.metric in i.steps]
    each = [late(steps, slo.max_s) for steps in told]
    n = round(sum(steps[_ALL] for steps in told))
    return Late(sum(least for least, _ in each), sum(most for _, most in each), n)


def _quantiles(metric: Metric, intervals: Sequence[_Interval]) -> dict[float, Bound]:
    """Return between which edges each quantile lies, by the intervals with the newest edges."""
    told = [i.steps[metric] for i in intervals if metric in i.steps]
    alike = [steps for steps in told if steps.keys() == told[-1].keys()]
    together = _together(intervals)
    if not alike or together is None:
        return dict.fromkeys(QUANTILES, Bound(None, None, None))
    n = round(sum(steps[_ALL] for steps in alike))
    edges = sorted(edge for edge in alike[0] if edge < _ALL)
    over = [(e, n - round(sum(steps[e] for steps in alike))) for e in edges]
    alpha = Terms().alpha
    return {q: quantile_between(over, n, q, alpha, together) for q in QUANTILES}
