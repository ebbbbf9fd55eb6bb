"""What an engine that is tuned beside production may take of the machine, and when it may run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

CALM_SHARE = 0.8
"""A load is calm again below this share of its threshold, so that one that wavers is no switch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the machine an engine that `tune` starts may take; None is no limit.

    `cpus` are the numbers of the CPUs that it may use, or how many; `memory_bytes` is what all its
    processes may hold together.
    """

    nice: int | None = None
    cpus: tuple[int, ...] | int | None = None
    memory_bytes: int | None = None

    def cpus_of(self, usable: Collection[int]) -> tuple[int, ...] | None:
        """Return the numbers of its CPUs, None for all that are usable.

        So many CPUs are the last ones: what was there first mostly runs on the first. Raises
        ValueError for CPUs that may not be used.
        """
        if self.cpus is None:
            return None
        given = sorted(usable)
        if isinstance(self.cpus, int):
            if self.cpus > len(given):
                raise ValueError(f"expected at most {len(given)} CPUs, found {self.cpus}")
            return tuple(given[-self.cpus :])
        if unknown := [number for number in self.cpus if number not in given]:
            raise ValueError(f"expected CPUs of {cpu_list(given)}, found {cpu_list(unknown)}")
        return self.cpus


Means = Literal["systemd", "cgroup", "process"]


@dataclass(frozen=True, slots=True)
class InForce:
    """The limits of an engine, as they were read back from its process.

    `by` is what holds them: a scope of systemd, a cgroup of ours, or the process alone. No
    `memory_bytes` is no limit; by the process it is one for the data of each process. `missing`
    says of what was asked for and is not in force, why.
    """

    nice: int | None
    cpus: tuple[int, ...] | None
    memory_bytes: int | None
    by: Means
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [] if self.nice is None else [f"nice {self.nice}"]
        parts += [] if self.cpus is None else [f"CPUs {cpu_list(self.cpus)}"]
        if self.memory_bytes is not None:
            parts.append(f"{self.memory_bytes / 2**20:.0f} MiB of {_OF_WHAT[self.by]}")
        return "; ".join(
            [", ".join(parts) or "none", *(f"not in force: {m}" for m in self.missing)]
        )


_OF_WHAT = {
    "systemd": "memory (a scope of systemd)",
    "cgroup": "memory (a cgroup)",
    "process": "data for each process (rlimit; files that it maps do not count)",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A load from which on production is busy: beyond `limit`, or where not `above`, below it."""

    limit: float
    above: bool = True

    def crossed(self, load: float) -> bool:
        """Tell whether production is busy at a load."""
        return load > self.limit if self.above else load < self.limit

    def calm(self, load: float) -> bool:
        """Tell whether production is calm again at a load; see `CALM_SHARE`."""
        if self.above:
            return load <= self.limit * CALM_SHARE
        return load >= self.limit / CALM_SHARE

    def __str__(self) -> str:
        return f"{'above' if self.above else 'below'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number on a page of metrics in Prometheus' text format, summed over its labels."""

    url: str
    name: str
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class PauseWhile:
    """When production is busy, and for how many seconds at a time `tune` waits for its end.

    `cpu` is about the share of the CPUs that other programs take, `gpu` about the share of time in
    which a GPU works for them, `gpu_memory` about the share of a GPU's memory that they hold.
    """

    cpu: Threshold | None = None
    gpu: Threshold | None = None
    gpu_memory: Threshold | None = None
    metrics: tuple[Metric, ...] = ()
    patience_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Production:
    """How production is stopped and started, and the URL that answers 2xx while it serves.

    `pause` and `resume` are commands, as lists of words; each has `deadline_s` seconds.
    """

    pause: tuple[str, ...]
    resume: tuple[str, ...]
    health: str
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What a study says of the production that it runs beside."""

    pause_while: PauseWhile | None = None
    production: Production | None = None


def cpu_list(numbers: Collection[int]) -> str:
    """Return numbers of CPUs as the kernel writes them, such as 0,2-5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
