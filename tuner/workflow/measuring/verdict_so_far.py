"""The verdict so far of a measurement that goes on, computed only when it can have changed.

Computing a certificate takes the client's time.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.evaluate.estimates import is_late
from tuner.evaluate.lateness import Lateness, Terms
from tuner.search.budget import strands
from tuner.spec.study import Study
from tuner.spec.values import Sample, Slo, Verdict
from tuner.stats.planning import requests_to_pass

AGAIN = 50
"""After a look that decided nothing, the next one waits until n has grown by 1 in AGAIN."""


class VerdictSoFar:
    """The samples of a measurement that goes on, and the verdicts on its targets.

    Verdicts are exact; only when to compute them is chosen here, and certificates hold at any
    time.
    """

    def __init__(self, study: Study, terms: Terms) -> None:
        self.seen: list[Sample] = []
        self._study, self._terms = study, terms
        self._together, self._next = strands(study), 0
        self._late = dict.fromkeys(study.slos, 0)
        self._needed = {slo: self._to_pass(slo, 0) for slo in study.slos}

    def add(self, sample: Sample) -> None:
        """Take a sample in."""
        self.seen.append(sample)
        for slo in self._study.slos:
            if is_late(self._study, slo, sample) is not False:  # what nobody knows may be late
                self._late[slo] += 1

    def failed(self) -> bool:
        """Tell whether a target has failed."""
        suspects = [slo for slo in self._study.slos if self._may_have_failed(slo)]
        return bool(suspects) and self._due() and "FAIL" in self._looked(suspects)

    def verdicts(self) -> list[Verdict] | None:
        """Return the verdict on each target, None while no verdict can have changed."""
        slos = self._study.slos
        ripe = self._due() and all(
            self._may_have_failed(slo) or self._may_have_passed(slo) for slo in slos
        )
        return self._looked(slos) if ripe else None

    def _due(self) -> bool:
        return len(self.seen) >= self._next

    def _looked(self, slos: Sequence[Slo]) -> list[Verdict]:
        self._next = len(self.seen) + 1 + len(self.seen) // AGAIN
        lateness = Lateness.of(self._study, self.seen, self._terms)
        return [lateness.certificate(slo).verdict for slo in slos]

    def _may_have_failed(self, slo: Slo) -> bool:
        return self._late[slo] > (1 - slo.quantile) * len(self.seen)

    def _may_have_passed(self, slo: Slo) -> bool:
        if len(self.seen) < self._needed[slo]:  # late requests since then only add to it
            return False
        self._needed[slo] = self._to_pass(slo, self._late[slo])
        return len(self.seen) >= self._needed[slo]

    def _to_pass(self, slo: Slo, late: int) -> int:
        """Return how many requests a PASS takes with `late` late ones, evenly over the strands."""
        each = late // self._together
        needed = each + requests_to_pass(each, each, slo.quantile, self._terms.alpha)
        return needed * self._together
