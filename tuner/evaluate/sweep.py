"""A sweep: what each value of a knob did, measured in turns with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.evaluate.measurement import Measurement
from tuner.spec.values import Setting
from tuner.stats.noise import beyond_noise
from tuner.stats.quantiles import Bound

Figure = Literal["prefill p50", "ttft p50", "e2e p50", "e2e p99", "memory"]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """How many blocks, requests and engine starts a sweep has, and the seconds it should take.

    `request_s` is the pace that this assumes.
    """

    values: Mapping[str, tuple[Setting, ...]]
    blocks: int
    requests: int
    starts: int
    seconds: float
    request_s: float


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure differs from the baseline's: the ratio, and what like sides reach by chance.

    `noise_floor` is a |log ratio|. Where too little was measured, ratio and floor are None.
    """

    figure: Figure
    ratio: Bound
    noise_floor: float | None

    @property
    def claim(self) -> Literal["lower", "higher"] | None:
        """Return on which side of the baseline's it lies, None within the noise."""
        return None if self.noise_floor is None else beyond_noise(self.ratio, self.noise_floor)


@dataclass(frozen=True, slots=True)
class Side:
    """A candidate of a sweep: what was measured in how many blocks, or why it failed.

    `prefill` is the median of the seconds that the engine says it read a prompt for, None where it
    does not say.
    """

    measured: Measurement | None
    blocks: int
    prefill: Bound | None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class SweptValue:
    """One value of one knob beside the baseline.

    `correct` is its share of correct answers minus the baseline's on `pairs` of same prompts, None
    where there is none.
    """

    knob: str
    value: Setting
    side: Side
    changes: Sequence[Change] = ()
    correct: Bound | None = None
    pairs: int = 0

    def change(self, figure: Figure) -> Change | None:
        """Return how one figure differs, None where nothing was compared."""
        return next((c for c in self.changes if c.figure == figure), None)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep measured; `confidence` is that of each interval, so that all hold at 95 %.

    `base` has the baseline's value of each knob. `complete` tells whether every block was measured.
    """

    base: Mapping[str, Setting]
    baseline: Side
    values: tuple[SweptValue, ...]
    confidence: float
    complete: bool
    elapsed_s: float
