"""How much load a configuration carries: what was measured at each load."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.evaluate.measurement import Measurement
from tuner.spec.study import Study
from tuner.spec.values import Verdict


@dataclass(frozen=True, slots=True)
class Level:
    """One load (requests in flight, or requests a second) and what was measured under it.

    `study` is the study with that load.
    """

    size: float
    study: Study
    measured: Measurement

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the latency targets; a saturated client leaves it open."""
        return self.measured.latency_verdict

    @property
    def met(self) -> bool:
        """Tell whether every target was proven."""
        return self.verdict == "PASS"

    def __str__(self) -> str:
        m = self.measured
        late = max((c.late for c in m.certificates.values()), default=0)
        return f"{self.size:.4g}: {self.verdict} after {m.n} requests, {late} late"


@dataclass(frozen=True, slots=True)
class Capacity:
    """The levels in the order in which they were measured.

    `complete` tells whether the search for the highest load came to its end in the time given.
    """

    levels: tuple[Level, ...]
    by_rate: bool
    complete: bool

    @property
    def highest(self) -> Level | None:
        """Return the highest load that met every target."""
        return max((v for v in self.levels if v.met), key=lambda v: v.size, default=None)

    @property
    def next(self) -> Level | None:
        """Return the lowest load that did not."""
        return min((v for v in self.levels if not v.met), key=lambda v: v.size, default=None)

    @property
    def unit(self) -> str:
        """Return what a load counts."""
        return "requests/s (open loop)" if self.by_rate else "requests in flight (closed loop)"
