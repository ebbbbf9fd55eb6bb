"""Judge latencies: certificates on the targets, and quantiles that agree with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from tuner.evaluate.estimates import latencies
from tuner.spec.study import Study
from tuner.spec.values import Metric, Sample, Slo
from tuner.stats.eprocess import Certificate, certify_observed, fail_bets, observed, pass_bets
from tuner.stats.quantiles import Bound, quantile_bounds
from tuner.stats.strands import Strands, in_flight, single, strands


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a verdict.

    `alpha` is its error, `starts` the fewest engine starts of a PASS, `baseline` the samples that
    the answers are compared with, None where they are compared with nothing.
    """

    alpha: float = 0.05
    starts: int = 1
    baseline: tuple[Sample, ...] | None = None


@dataclass(frozen=True, slots=True)
class Lateness:
    """One candidate's requests in the order of sending, divided into strands.

    No two requests of a strand were in flight together.
    """

    study: Study
    samples: Sequence[Sample]
    terms: Terms
    strands: Strands

    @classmethod
    def of(cls, study: Study, samples: Sequence[Sample], terms: Terms) -> Lateness:
        """Return the lateness of samples in any order within a block."""
        ordered = in_order(samples)
        return cls(study, ordered, terms, strands_of(study, ordered))

    def certificate(self, slo: Slo) -> Certificate:
        """Return the sequential verdict on one SLO, resting on at least `terms.starts` starts.

        A request that may have been late counts as late against a PASS and as timely against a
        FAIL, so that a verdict holds whatever the truth is.
        """
        seconds = latencies(self.study, slo.metric, self.samples)
        late, unknown = seconds > slo.max_s, np.isnan(seconds)
        found = self._certified(slo, late)
        if not unknown.any():
            return found
        worst = self._certified(slo, late | unknown)
        if found.verdict == worst.verdict != "UNDECIDED":
            return worst if worst.verdict == "PASS" else found
        return replace(found, verdict="UNDECIDED", e_pass=worst.e_pass, bursts=0)

    def quantiles(self, metric: Metric, wanted: Iterable[float]) -> dict[float, Bound]:
        """Return quantiles of the known latencies of a metric, those of its SLOs among them.

        An SLO's interval is that of its certificate: a target at or above its upper end has
        passed, given enough starts.
        """
        seconds = latencies(self.study, metric, self.samples)
        known = ~np.isnan(seconds)
        divided = replace(self.strands, index=self.strands.index[known])
        slos = {slo.quantile: slo for slo in self.study.slos if slo.metric == metric}
        return {
            q: self._bounds(seconds[known], q, divided, slos.get(q))
            for q in sorted({*wanted, *slos})
        }

    def _bounds(
        self, seconds: npt.NDArray[np.float64], q: float, divided: Strands, slo: Slo | None
    ) -> Bound:
        if slo is None:
            return quantile_bounds(seconds, q, self.terms.alpha, divided)
        bets = pass_bets(q), fail_bets(q)
        divided = observed(seconds > slo.max_s, divided)
        return quantile_bounds(seconds, q, self.terms.alpha, divided, bets)

    def _certified(self, slo: Slo, late: npt.NDArray[np.bool_]) -> Certificate:
        found = certify_observed(late, slo.quantile, self.terms.alpha, self.strands)
        starts = len({s.engine_start for s in self.samples})
        if found.verdict == "PASS" and starts < self.terms.starts:
            return replace(found, verdict="UNDECIDED", bursts=0)
        return found


def strands_of(study: Study, samples: Sequence[Sample]) -> Strands:
    """Divide samples into strands, so that those of one strand were not in flight together.

    A closed loop has as many strands as requests in flight; an open loop as many as were in
    flight at 95 % of the times of sending. There is one strand where the study takes requests in
    flight together as independent.
    """
    load = study.workload.load
    if (
        study.claim.in_flight == "apart"
        or not samples
        or (load.concurrency == 1 and not load.open_loop)
    ):
        return single(len(samples))
    sent, ended = _times(samples)
    count = in_flight(sent, ended) if load.open_loop else load.concurrency
    return strands(sent, ended, count)


def in_order(samples: Sequence[Sample]) -> list[Sample]:
    """Return samples in the order of sending, block by block."""
    return [s for block in by_block(samples) for s in sorted(block, key=lambda s: s.sent_ns)]


def by_block(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return the samples of each uninterrupted run of requests on one engine start, in order."""
    groups = groupby(samples, key=lambda s: (s.engine_start, s.block))
    return [list(group) for _, group in groups]


def _times(samples: Sequence[Sample]) -> tuple[list[int], list[int]]:
    """Return when each was sent and ended, in ns, with the blocks moved one after the other.

    Blocks of different runs of `tune` have no common zero.
    """
    sent: list[int] = []
    ended: list[int] = []
    for block in by_block(samples):
        shift = max(ended, default=0) - block[0].sent_ns
        sent += [s.sent_ns + shift for s in block]
        ended += [ended_ns(s) + shift for s in block]
    return sent, ended


def ended_ns(sample: Sample) -> int:
    """Return when a request ended: at its last byte, or when it was sent if that is unknown."""
    return max(sample.end_ns or sample.last_ns or sample.sent_ns, sample.sent_ns)
