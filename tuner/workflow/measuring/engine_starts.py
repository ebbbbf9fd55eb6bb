"""What starts of the engine took so far, and what the next one is expected to take."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from tuner.engines.base import Resolution
from tuner.spec.values import Effective, EngineStart


@dataclass(slots=True)
class EngineStarts:
    """The starts of a run; `serving` is the identity of the server that runs now.

    `expected_s` stands for a start until one of any kind was measured.
    """

    expected_s: float
    measured: list[EngineStart] = field(default_factory=list)
    serving: str | None = None

    def hear(self, effective: Effective, served: Resolution | None) -> None:
        """Take in what was applied, and what the candidate amounts to."""
        self.serving = served.identity if served else None
        if effective.start is not None and effective.changed == "restart":
            self.measured.append(effective.start)

    def cost_s(self, wanted: Resolution) -> float:
        """Return the seconds until a candidate is served: none where its server runs."""
        if wanted.identity == self.serving:
            return 0.0
        known = {start.compiled for start in self.measured}
        like = "warm" if wanted.compiled in known else "cold"
        alike = [start.seconds for start in self.measured if start.kind == like]
        seconds = alike or [start.seconds for start in self.measured]
        return statistics.median(seconds) if seconds else self.expected_s
