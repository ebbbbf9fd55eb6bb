"""When to look at the certificates of a measurement that goes on: it takes the client's time."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuner.report.lateness import Lateness, Terms
from tuner.search.budget import strands
from tuner.spec.study import Study
from tuner.spec.values import Sample, Slo, Verdict
from tuner.stats.planning import requests_to_pass

AGAIN = 50
"""After a look that decided nothing the next one waits for one request in so many more."""


@dataclass(slots=True)
class Looks:
    """The samples of a measurement that goes on, and whether a verdict can have fallen.

    Only where it looks is decided here, which any certificate allows; what it sees is exact.
    """

    study: Study
    terms: Terms
    seen: list[Sample] = field(default_factory=list)
    _late: dict[Slo, int] = field(default_factory=dict)
    _next: int = 0

    def add(self, sample: Sample) -> None:
        """Take a sample in."""
        self.seen.append(sample)
        scheduled = self.study.workload.load.open_loop
        for slo in self.study.slos:
            # what nobody knows may be late: NaN is not at or below the target
            timely = sample.latency_s(slo.metric, scheduled=scheduled) <= slo.max_s
            self._late[slo] = self._late.get(slo, 0) + (not timely)

    def failed(self) -> bool:
        """Tell whether a target has failed."""
        suspects = [slo for slo in self.study.slos if self._may_have_failed(slo)]
        return "FAIL" in self._looked(suspects) if suspects and self._due() else False

    def verdicts(self) -> list[Verdict] | None:
        """Return the verdict on each target, None where nothing can have changed."""
        slos = self.study.slos
        ripe = all(self._may_have_failed(slo) or self._may_have_passed(slo) for slo in slos)
        return self._looked(slos) if ripe and self._due() else None

    def _due(self) -> bool:
        return len(self.seen) >= self._next

    def _looked(self, slos: list[Slo] | tuple[Slo, ...]) -> list[Verdict]:
        self._next = len(self.seen) + 1 + len(self.seen) // AGAIN
        lateness = Lateness.of(self.study, self.seen, self.terms)
        return [lateness.certificate(slo).verdict for slo in slos]

    def _may_have_failed(self, slo: Slo) -> bool:
        return self._late.get(slo, 0) > (1 - slo.quantile) * len(self.seen)

    def _may_have_passed(self, slo: Slo) -> bool:
        """Tell whether there are as many requests as a PASS takes with so many late ones."""
        together = strands(self.study)
        late = self._late.get(slo, 0) // together
        needed = late + requests_to_pass(late, late, slo.quantile, self.terms.alpha)
        return len(self.seen) >= needed * together
