"""Two measurements side by side: what differs, by how much, and whether it can be claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.spec.differences import Difference
from tuner.spec.values import Metric, Sample
from tuner.stats.noise import beyond_noise
from tuner.stats.quantiles import Bound


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the two: where it comes from, its `tuner.measurement/1`, and its samples.

    `samples` is empty where they do not lie beside the document.
    """

    path: str
    document: Mapping[str, Any]
    samples: tuple[Sample, ...] = ()

    @property
    def scheduled(self) -> bool:
        """Tell whether latencies count from the planned time."""
        return bool(self.document.get("loop") == "open")


@dataclass(frozen=True, slots=True)
class Row:
    """A quantile of a latency on both sides, in seconds, and the ratio of B's to A's.

    `noise_floor` is the |log ratio| that like sides reach: what their starts and requests leave
    open, and the allowance for two occasions. None where nothing can be claimed.
    """

    metric: Metric
    quantile: float
    a: Bound
    b: Bound
    ratio: Bound
    noise_floor: float | None

    @property
    def name(self) -> str:
        """Return the name of the quantile."""
        return f"{self.metric} p{self.quantile * 100:g}"

    @property
    def claim(self) -> Literal["lower", "higher"] | None:
        """Return on which side B lies, None where interval or noise do not support a claim."""
        return None if self.noise_floor is None else beyond_noise(self.ratio, self.noise_floor)


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A.

    `unlike` is what should have agreed, `changed` the settings (A's, B's) that differ. `correct`
    is B's share of correct answers minus A's on `pairs` same prompts. Each interval holds at
    `confidence`, all of them together at 95 %. `reasons` says why differences are not claimed.
    """

    a: Compared
    b: Compared
    unlike: tuple[Difference, ...]
    changed: Mapping[str, tuple[Any, Any]]
    rows: tuple[Row, ...]
    correct: Bound
    pairs: int
    confidence: float
    reasons: tuple[str, ...]
