"""What a night came to, in numbers, for who draws and watches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Decision = Literal["promoted", "kept", "undecided", "repaired", "skipped", "rolled_back", "failed"]
"""How a night ended; one that `failed` came to no decision."""

Role = Literal["incumbent", "candidate"]


@dataclass(frozen=True, slots=True)
class Side:
    """What was measured of one side: latencies in seconds by quantile, such as 0.99.

    `goodput` is in requests a second that meet every target, `valid` a share of the answers.
    """

    e2e_s: Mapping[float, float | None] = field(default_factory=dict)
    ttft_s: Mapping[float, float | None] = field(default_factory=dict)
    tpot_s: Mapping[float, float | None] = field(default_factory=dict)
    goodput: float | None = None
    valid: float | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What serves after the night: engine, model, and a digest of all its settings."""

    engine: str
    model: str
    hash: str


@dataclass(frozen=True, slots=True)
class Night:
    """One night of a name in service; None is unknown, and is never shown as zero.

    Stamps are seconds since 1970. `succeeded_at` is when the last night ended that came to a
    decision, this one or an earlier one. `trials` counts those of all nights by how they ended,
    so that it only grows. `lost` tells of each target, by its metric, whether what serves was
    shown to miss it. `untold` is how many targets the last message did not reach.
    """

    name: str
    ran_at: float
    succeeded_at: float | None = None
    duration_s: float | None = None
    decision: Decision | None = None
    trials: Mapping[str, int] = field(default_factory=dict)
    sides: Mapping[Role, Side] = field(default_factory=dict)
    lost: Mapping[str, bool | None] = field(default_factory=dict)
    untold: int | None = None
    config: Config | None = None
