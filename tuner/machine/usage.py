"""Read what an engine uses: CPU from its processes, GPUs from NVIDIA's management library.

nvidia-ml-py is optional (`modelfile-tuner[nvidia]`) and imported when an engine is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias

from tuner.machine.gpus import handles, told
from tuner.machine.resources import Gpu, Resources

NOT_OURS = "not looked at, the engine is no process of ours"
NOT_INSTALLED = "not looked at, nvidia-ml-py is not installed (modelfile-tuner[nvidia])"
NO_DRIVER = "none, there is no NVIDIA driver"
NO_GPU = "none, the NVIDIA driver shows no GPU"


Library: TypeAlias = tuple[Any | None, str | None]
"""NVIDIA's library, or None and why there is none."""


class Works(Protocol):
    """What counts its CPU time, as an engine does."""

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that it took until now, None where they cannot be told."""
        ...


@cache
def nvml() -> Library:
    """Return NVIDIA's library, ready for use, or None and why it is not."""
    try:
        import pynvml
    except ImportError:
        return None, NOT_INSTALLED
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None, NO_DRIVER
    return pynvml, None


@dataclass(frozen=True, slots=True)
class Began:
    """What had been used when measuring began.

    `marks` are the times of each GPU's newest sample; `library` is None where GPUs cannot be
    seen, and `no_gpus` then says why.
    """

    cpu_s: float | None
    library: Any | None
    marks: tuple[int, ...]
    no_gpus: str | None


def begin(engine: Works, *, ours: bool, nvml: Callable[[], Library] = nvml) -> Began:
    """Return where the use of an engine stands; GPUs are looked at for processes of ours only."""
    library, why = nvml() if ours else (None, NOT_OURS)
    marks = tuple(_newest(library, gpu) for gpu in handles(library)) if library else ()
    return Began(engine.cpu_s(), library, marks, why)


def used(began: Began, engine: Works, elapsed_s: float) -> Resources:
    """Return what was used since; no CPU where processes have ended and took their count along."""
    now, before = engine.cpu_s(), began.cpu_s
    spent = now - before if now is not None and before is not None and now >= before else None
    gpus = tuple(_gpus(began.library, began.marks)) if began.library else ()
    return Resources(elapsed_s, spent, gpus, began.no_gpus or (None if gpus else NO_GPU))


def least_gpu_bytes(nvml: Callable[[], Library] = nvml) -> int | None:
    """Return the whole memory of the smallest GPU, None where none can be seen."""
    library, _ = nvml()
    if library is None:
        return None
    found = [told(library, library.nvmlDeviceGetMemoryInfo, gpu) for gpu in handles(library)]
    return min((int(memory.total) for memory in found if memory is not None), default=None)


def _gpus(library: Any, marks: tuple[int, ...]) -> list[Gpu]:
    """Return the use of each GPU since its mark.

    The driver keeps samples of the last seconds only: of a longer window it is the end.
    """
    return [
        Gpu(
            name=str(told(library, library.nvmlDeviceGetName, gpu)),
            memory_bytes=_memory(library, gpu),
            busy=_busy(library, gpu, mark),
        )
        for gpu, mark in zip(handles(library), marks, strict=False)
    ]


def _memory(library: Any, gpu: Any) -> int | None:
    memory = told(library, library.nvmlDeviceGetMemoryInfo, gpu)
    return None if memory is None else int(memory.used)


def _busy(library: Any, gpu: Any, since: int) -> float | None:
    shares = [sample.sampleValue.uiVal / 100 for sample in _samples(library, gpu, since)]
    return sum(shares) / len(shares) if shares else None


def _newest(library: Any, gpu: Any) -> int:
    return max((int(sample.timeStamp) for sample in _samples(library, gpu, 0)), default=0)


def _samples(library: Any, gpu: Any, since: int) -> list[Any]:
    """Return the samples of utilisation after a time in the driver's microseconds."""
    kind = library.NVML_GPU_UTILIZATION_SAMPLES
    found = told(library, library.nvmlDeviceGetSamples, gpu, kind, since)
    return [] if found is None else list(found[1])
