"""Requests of our own while a server is watched: what they show since a time, and their figures."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuner.evaluate.estimates import is_late, requests_per_s, tokens_per_s
from tuner.evaluate.lateness import Lateness, Terms
from tuner.evaluate.measured import Client
from tuner.evaluate.measurement import QUANTILES, saturation
from tuner.evaluate.unjudged import never_judged
from tuner.evaluate.watched import Figures, Late
from tuner.guard.verdict import floors, is_correct, is_valid, report
from tuner.spec.study import Study
from tuner.spec.values import Metric, Sample, Slo, Verdict
from tuner.stats.counts import evidence
from tuner.stats.eprocess import Bets, fail_bets, pass_bets

_FLOORS = {"min_valid": is_valid, "min_correct": is_correct}


@dataclass(slots=True)
class _Claim:
    """A target or a floor: at most a share `allowed` of requests may be bad, None is unknown.

    `sure` and `perhaps` have how many were bad, by the number of requests so far. A judgement takes
    the client's time, which is worth it only where the counts alone let one expect it.
    """

    name: str
    allowed: float
    bad: Callable[[Sample], bool | None]
    judge: Callable[[Sequence[Sample], float], Verdict]
    sure: list[int] = field(default_factory=lambda: [0])
    perhaps: list[int] = field(default_factory=lambda: [0])

    def add(self, sample: Sample) -> None:
        bad = self.bad(sample)
        self.sure.append(self.sure[-1] + (bad is True))
        self.perhaps.append(self.perhaps[-1] + (bad is not False))

    def may_be_missed(self, first: int, alpha: float) -> bool:
        """Tell whether it is worth to judge whether it is missed."""
        return self._shown(self.sure, first, alpha, fail_bets)

    def may_hold(self, first: int, alpha: float) -> bool:
        """Tell whether it is worth to judge whether it holds."""
        return self._shown(self.perhaps, first, alpha, pass_bets)

    def _shown(
        self, bad: Sequence[int], first: int, alpha: float, bets: Callable[[float], Bets]
    ) -> bool:
        n = len(bad) - 1 - first
        if n == 0 or not 0 < self.allowed < 1:  # nothing is bet on what all or none may be
            return n > 0
        return evidence(bad[-1] - bad[first], n, bets(1 - self.allowed)) >= 1 / alpha


class Sampled:
    """The `Record` over samples; `asked` and `add` are told in the order in which things happen.

    Only requests before the first one without an answer count: which come back early depends on
    how long they take. A client that was too slow shows nothing.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._claims = _claims(study)
        self._asked: list[str] = []
        self._back: dict[str, Sample] = {}
        self._samples: list[Sample] = []
        self._times: list[float] = []
        self._slow: str | None = None

    def asked(self, prompt_id: str) -> None:
        """Take in that a request will be sent next."""
        self._asked.append(prompt_id)

    def add(self, sample: Sample) -> None:
        """Take in what a request brought, its answer classified."""
        self._back[sample.prompt_id] = sample
        while len(self._samples) < len(self._asked):
            found = self._back.pop(self._asked[len(self._samples)], None)
            if found is None:
                return
            self._samples.append(found)
            self._times.append(found.planned_ns / 1e9)
            for claim in self._claims:
                claim.add(found)

    def seen(self, since_s: float) -> int:
        """Return how many requests since then, and all before them, have come back."""
        return len(self._samples) - bisect_left(self._times, since_s)

    def lost(self, since_s: float, alpha: float) -> tuple[str, ...]:
        """Return what is shown to be missed; see `Record`. The error is shared among claims."""
        first = bisect_left(self._times, since_s)
        each = alpha / max(len(self._claims), 1)
        suspects = [c for c in self._claims if c.may_be_missed(first, each)]
        if not suspects or (self._too_slow(first) and not self._failed(first)):
            return ()
        return tuple(c.name for c in suspects if c.judge(self._samples[first:], each) == "FAIL")

    def met(self, since_s: float, alpha: float) -> bool:
        """Tell whether all is shown to hold; see `Record`."""
        first = bisect_left(self._times, since_s)
        if not self._claims or not all(c.may_hold(first, alpha) for c in self._claims):
            return False
        if self._too_slow(first):
            return False
        return all(c.judge(self._samples[first:], alpha) == "PASS" for c in self._claims)

    def _failed(self, first: int) -> bool:
        """Tell whether requests failed: those to a dead server fail at once, and keep us busy."""
        return any(s.outcome != "ok" for s in self._samples[first:])

    def _too_slow(self, first: int) -> bool:
        self._slow = saturation(self._study, Client().lagging(self._samples[first:]))
        return self._slow is not None

    def figures(self, since_s: float) -> Figures:
        """Return what is known of the requests since then."""
        samples = self._samples[bisect_left(self._times, since_s) :]
        study, lateness = self._study, Lateness.of(self._study, samples, Terms())
        metrics: list[Metric] = list(dict.fromkeys(["e2e", *(s.metric for s in study.slos)]))
        answers = report(samples, study.guard, alpha=Terms().alpha, visits=study.workload.visits)
        shares = {"valid": answers.valid, "correct": answers.correct}
        return Figures(
            n=len(samples),
            quantiles={m: lateness.quantiles(m, QUANTILES) for m in metrics},
            late={str(slo): _late(study, slo, samples) for slo in study.slos},
            throughput={
                "requests_per_s": requests_per_s(samples) if samples else None,
                "output_tokens_per_s": tokens_per_s(samples) if samples else None,
            },
            guard=shares if study.workload.judged else {"valid": answers.valid},
            failures=sum(s.outcome != "ok" for s in samples),
            waiting=len(self._asked) - len(self._samples),
        )

    def unjudged(self) -> tuple[str, ...]:
        """Say what nothing that comes in can judge, and whether the client was too slow for it."""
        slow, self._slow = self._slow, None
        told = () if slow is None else (f"nothing is judged: {slow}",)
        return (*never_judged(self._study), *told)

    def notes(self) -> tuple[str, ...]:
        """Return nothing: what a server says of itself is not asked for."""
        return ()


def _late(study: Study, slo: Slo, samples: Sequence[Sample]) -> Late:
    found = [is_late(study, slo, s) for s in samples]
    return Late(sum(f is True for f in found), sum(f is not False for f in found), len(found))


def _claims(study: Study) -> tuple[_Claim, ...]:
    """Return the targets of a study, and the floors of its guard."""
    asked = {"min_valid": study.guard.min_valid, "min_correct": study.guard.min_correct}
    return (
        *(_target(study, slo) for slo in study.slos),
        *(_floor(study, name, floor) for name, floor in asked.items() if floor is not None),
    )


def _target(study: Study, slo: Slo) -> _Claim:
    def judge(samples: Sequence[Sample], alpha: float) -> Verdict:
        return Lateness.of(study, samples, Terms(alpha)).certificate(slo).verdict

    return _Claim(str(slo), 1 - slo.quantile, lambda s: is_late(study, slo, s), judge)


def _floor(study: Study, name: str, floor: float) -> _Claim:
    good = _FLOORS[name]

    def judge(samples: Sequence[Sample], alpha: float) -> Verdict:
        return floors(samples, study.guard, alpha=alpha, visits=study.workload.visits)[name]

    return _Claim(f"{name} {floor:g}", 1 - floor, lambda s: not good(s), judge)
