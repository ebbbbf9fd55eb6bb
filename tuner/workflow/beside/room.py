"""Whether there is room for an engine beside production, before it is started."""

from __future__ import annotations

from tuner.engines.base import Engine
from tuner.engines.memory import room
from tuner.engines.registry import kind_of
from tuner.machine.gpus import most_free_bytes
from tuner.machine.usage import nvml
from tuner.spec.errors import Busy
from tuner.spec.study import Study


def no_room(study: Study, engine: Engine) -> str | None:
    """Return why the model does not fit beside what runs, None where it may.

    Only what is known counts: the size of the weights, free memory, and free memory of GPUs.
    """
    weights = engine.model.weights_bytes
    if weights is None:
        return None
    if kind_of(study).uses_gpu(study):
        free = _free_on_gpu()
        if free is not None and free < weights:
            return _short(weights, free, "on the GPU that has most")
        return None
    found = room()
    return _short(weights, found.bytes, found.bound) if found.bytes < weights else None


def ensure_room(study: Study, engine: Engine) -> None:
    """Raise Busy where a study that runs beside production finds no room there."""
    if study.beside is None or (why := no_room(study, engine)) is None:
        return
    paused = study.beside.production
    step = "--pause-production stops it meanwhile" if paused else "see beside.pause in the study"
    raise Busy(f"not started: there is no room beside production: {why}; {step}")


def _free_on_gpu() -> int | None:
    library, _ = nvml()
    return None if library is None else most_free_bytes(library)


def _short(weights: int, free: int, where: str) -> str:
    return (
        f"the weights alone need {weights / 2**20:.0f} MiB, free are {free / 2**20:.0f} MiB {where}"
    )
