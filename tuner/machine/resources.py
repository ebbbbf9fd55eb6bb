"""What an engine used while its requests were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as a whole: what other programs use of it counts as well.

    `busy` is the share of time (0 to 1) in which a kernel ran. None is what the driver does not
    tell.
    """

    name: str
    memory_bytes: int | None
    busy: float | None


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU seconds of the engine's processes in `elapsed_s` of measuring, and the GPUs' use.

    `cpu_s` is None for an engine whose processes are not ours to see; `no_gpus` says why there
    are no GPUs.
    """

    elapsed_s: float
    cpu_s: float | None = None
    gpus: tuple[Gpu, ...] = ()
    no_gpus: str | None = None

    @property
    def cores(self) -> float | None:
        """Return how many cores were used on average."""
        return None if self.cpu_s is None or self.elapsed_s <= 0 else self.cpu_s / self.elapsed_s


def merged(one: Resources | None, other: Resources | None) -> Resources | None:
    """Return the use of two windows of measuring together; memory is the larger."""
    if one is None or other is None:
        return one or other
    seen = one.cpu_s is not None and other.cpu_s is not None
    return Resources(
        elapsed_s=one.elapsed_s + other.elapsed_s,
        cpu_s=(one.cpu_s or 0.0) + (other.cpu_s or 0.0) if seen else None,
        gpus=tuple(
            Gpu(a.name, _larger(a.memory_bytes, b.memory_bytes), _busy(a, b, one, other))
            for a, b in zip(one.gpus, other.gpus, strict=False)
        ),
        no_gpus=one.no_gpus or other.no_gpus,
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((m for m in (one, other) if m is not None), default=None)


def _busy(a: Gpu, b: Gpu, one: Resources, other: Resources) -> float | None:
    """Return the mean over both windows, each with its length as weight."""
    elapsed_s = one.elapsed_s + other.elapsed_s
    if a.busy is None or b.busy is None or elapsed_s <= 0:
        return None
    return (a.busy * one.elapsed_s + b.busy * other.elapsed_s) / elapsed_s


def from_document(document: Mapping[str, Any] | None) -> Resources | None:
    """Return what `asdict` made of it, read back from JSON."""
    if document is None:
        return None
    return Resources(**{**document, "gpus": tuple(Gpu(**gpu) for gpu in document["gpus"])})


def resources_document(found: Resources | None, memory_bytes: int | None) -> dict[str, Any] | None:
    """Return the use as JSON: bytes, seconds, cores; `gpus` is null where `no_gpus` says why."""
    if found is None:
        return None
    gpus = [asdict(gpu) for gpu in found.gpus] or None
    return {"memory_bytes": memory_bytes, **asdict(found), "cores": found.cores, "gpus": gpus}


def in_words(found: Resources) -> str:
    """Return one line about CPU and GPUs, saying what could not be seen."""
    cpu = "not to be seen: the engine is no process of ours"
    if found.cpu_s is not None and found.cores is not None:
        cpu = f"{found.cores:.2f} cores on average ({found.cpu_s:.1f} s in {found.elapsed_s:.1f} s)"
    return f"Engine's CPU: {cpu}. GPU: {'; '.join(map(_gpu, found.gpus)) or found.no_gpus}."


def _gpu(gpu: Gpu) -> str:
    memory = "?" if gpu.memory_bytes is None else f"{gpu.memory_bytes / 2**20:.0f}"
    busy = "?" if gpu.busy is None else f"{gpu.busy * 100:.0f}"
    return f"{gpu.name}, {memory} MiB in use, busy {busy} % of the time (the whole GPU)"
