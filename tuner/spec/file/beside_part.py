"""The section `beside` of a study file, and how its sizes and sets of CPUs are written."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from tuner.spec.address import url
from tuner.spec.beside import Beside, Limits, Metric, PauseWhile, Production, Threshold
from tuner.spec.file.parts import BRANCHES, Duration, Part, Word, shape

MOST_NICE = 19
MOST_CPUS = 4096
LEAST_MEMORY = 2**24

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:iB)?\s*")
_LIST = re.compile(r"\s*\d+(-\d+)?(\s*,\s*\d+(-\d+)?)*\s*,?\s*")


def parse_size(value: Any) -> int:
    """Return the bytes of a size such as 4GiB, 512M or 1.5G; raise ValueError."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a size such as 4GiB or 512MiB")
    size = int(float(found[1]) * _UNITS[found[2]])
    if not LEAST_MEMORY <= size < 2**62:
        raise ValueError("expected a size of at least 16MiB, and of less than 4194304TiB")
    return size


def parse_cpus(value: Any) -> tuple[int, ...] | int:
    """Return how many CPUs, from a number, or which, from a list such as 2-3, 0,2 or `3,`.

    Raises ValueError.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _LIST.fullmatch(value):
        raise ValueError("expected how many CPUs, such as 2, or which, such as 2-3 or 0,2")
    if value.strip().isdigit():
        return _count(int(value))
    parts = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(sorted({number for part in parts for number in _range(part)}))


def _count(count: int) -> int:
    if not 1 <= count <= MOST_CPUS:
        raise ValueError(f"expected from 1 to {MOST_CPUS} CPUs")
    return count


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers or numbers[-1] >= MOST_CPUS:
        raise ValueError(f"expected CPUs from 0 to {MOST_CPUS - 1}, the lower one first")
    return numbers


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["4GiB", "512MiB"]}
    ),
]
Cpus = Annotated[
    tuple[int, ...] | int,
    BeforeValidator(parse_cpus),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^{_LIST.pattern}$"},
            ],
            "examples": [2, "2-3", "0,2"],
        }
    ),
]
Share = Annotated[float, Field(gt=0, lt=1)]


class MetricPart(Part):
    """A number on a page of metrics that shows that production is busy."""

    url: str
    name: Word
    above: float | None = Field(None, ge=0)
    below: float | None = Field(None, gt=0)

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        url(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> MetricPart:
        if (self.above is None) == (self.below is None):
            raise ValueError("name exactly one of above and below")
        return self

    @property
    def threshold(self) -> Threshold:
        """Return from where on it shows that production is busy."""
        if self.below is not None:
            return Threshold(self.below, above=False)
        return Threshold(self.above or 0.0)


Metrics = Annotated[
    Annotated[MetricPart, Tag(BRANCHES[0])]
    | Annotated[tuple[MetricPart, ...], Field(min_length=1), Tag(BRANCHES[1])],
    Discriminator(shape),
]


class PauseWhilePart(Part):
    """Loads from which on production is busy."""

    cpu: Share | None = None
    gpu: Share | None = None
    gpu_memory: Share | None = None
    metrics: Metrics | None = None
    patience: Duration = 900.0

    @model_validator(mode="after")
    def _something(self) -> PauseWhilePart:
        if (self.cpu, self.gpu, self.gpu_memory, self.metrics) == (None, None, None, None):
            raise ValueError("name at least one of cpu, gpu, gpu_memory and metrics")
        return self


Words = Annotated[tuple[Word, ...], Field(min_length=1)]


class BesidePart(Part):
    """What an engine may take beside production, and when it may run."""

    nice: Annotated[StrictInt, Field(ge=0, le=MOST_NICE)] | None = None
    cpus: Cpus | None = None
    memory: Size | None = None
    pause_while: PauseWhilePart | None = None
    pause: Words | None = None
    resume: Words | None = None
    health: str | None = None
    deadline: Duration = 60.0

    @field_validator("health")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None:
            url(value)
        return value

    @model_validator(mode="after")
    def _together(self) -> BesidePart:
        given = [part is not None for part in (self.pause, self.resume, self.health)]
        if any(given) and not all(given):
            raise ValueError(
                "pause, resume and health belong together: what is stopped has to be started "
                "again, and seen to serve"
            )
        return self


def limits_of(part: BesidePart | None) -> Limits | None:
    """Return the limits that a section sets, None where it sets none."""
    if part is None:
        return None
    found = Limits(part.nice, part.cpus, part.memory)
    return None if found == Limits() else found


def beside_of(part: BesidePart | None) -> Beside | None:
    """Return what a section says of production, None for nothing."""
    if part is None:
        return None
    found = Beside(_pause_while(part.pause_while), _production(part))
    return None if found == Beside() else found


def _pause_while(part: PauseWhilePart | None) -> PauseWhile | None:
    if part is None:
        return None
    metrics = part.metrics if isinstance(part.metrics, tuple) else filter(None, (part.metrics,))
    return PauseWhile(
        cpu=_above(part.cpu),
        gpu=_above(part.gpu),
        gpu_memory=_above(part.gpu_memory),
        metrics=tuple(Metric(m.url, str(m.name), m.threshold) for m in metrics),
        patience_s=part.patience,
    )


def _above(share: float | None) -> Threshold | None:
    return None if share is None else Threshold(share)


def _production(part: BesidePart) -> Production | None:
    if part.pause is None or part.resume is None or part.health is None:
        return None
    pause, resume = (tuple(map(str, words)) for words in (part.pause, part.resume))
    return Production(pause, resume, part.health, part.deadline)
