"""What measuring a candidate brought, before anything is computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.engines import observation
from tuner.engines.observation import Observation
from tuner.machine import disturbance, resources
from tuner.machine.disturbance import Disturbance
from tuner.machine.resources import Resources
from tuner.spec.values import Effective, Sample


@dataclass(frozen=True, slots=True)
class Client:
    """What the measuring side itself spent and missed.

    `lag_p99_s`: how late requests were sent against their plan; `loop_lag_p50_s` and
    `loop_lag_p99_s`: how long a round of the event loop took. An arrival may have been stamped,
    and the next request sent, that much too late.
    """

    cpu_s: float = 0.0
    elapsed_s: float = 0.0
    lag_p99_s: float = 0.0
    loop_lag_p50_s: float = 0.0
    loop_lag_p99_s: float = 0.0
    processes: int = 1

    @property
    def cpu_share(self) -> float:
        """Return the share of the time in which the client's processes worked."""
        return self.cpu_s / self.elapsed_s / self.processes if self.elapsed_s else 0.0

    def plus(self, other: Client) -> Client:
        """Return what two runs of one client spent together."""
        return replace(
            other, cpu_s=self.cpu_s + other.cpu_s, elapsed_s=self.elapsed_s + other.elapsed_s
        )

    def lagging(self, samples: Sequence[Sample]) -> Client:
        """Return the client with the lags that its samples show."""
        late = [(s.sent_ns - s.planned_ns) / 1e9 for s in samples] or [0.0]
        rounds = [s.loop_lag_ns / 1e9 for s in samples] or [0.0]
        p50, p99 = np.quantile(rounds, (0.5, 0.99))
        return replace(
            self,
            lag_p99_s=float(np.quantile(late, 0.99)),
            loop_lag_p50_s=float(p50),
            loop_lag_p99_s=float(p99),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What measuring a candidate brought, in one block or several.

    `failed` says why there is nothing to compare. `memory_bytes` is what the engine takes.
    `machine` is what disturbed the measured requests; it is None where the engine's processes
    cannot be told from others, or the system does not tell. `observed` is what the server told of
    itself meanwhile, None where it tells nothing.
    """

    effective: Effective | None = None
    samples: tuple[Sample, ...] = ()
    client: Client = field(default_factory=Client)
    memory_bytes: int | None = None
    failed: str | None = None
    resources: Resources | None = None
    machine: Disturbance | None = None
    observed: Observation | None = None

    @property
    def counted(self) -> tuple[Sample, ...]:
        """Return the samples without the warm-up."""
        return tuple(s for s in self.samples if not s.warmup)

    def plus(self, later: Measured) -> Measured:
        """Return this with a later block of the same candidate."""
        return Measured(
            effective=later.effective or self.effective,
            samples=(*self.samples, *later.samples),
            client=self.client.plus(later.client),
            memory_bytes=max(filter(None, (self.memory_bytes, later.memory_bytes)), default=None),
            failed=later.failed,
            resources=resources.merged(self.resources, later.resources),
            machine=disturbance.merged(self.machine, later.machine),
            observed=observation.merged(self.observed, later.observed),
        )
