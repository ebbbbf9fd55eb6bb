"""The YAML file of entries: GPUs, formats, engines and strategies, ours as the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr

from tuner.advice.cost.memory import parse_params
from tuner.advice.cost.values import Effort, Format, Takes
from tuner.advice.roofline import Hardware
from tuner.advice.span import Span
from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Number, Part, nearest
from tuner.spec.file.reading import read_text
from tuner.spec.file.yaml_reading import parsed_yaml

_Entry = TypeVar("_Entry", Format, Takes)

_SHIPPED = Path(__file__).with_name("known.yaml")


def parse_share(value: Any) -> float:
    """Return a share from 0.6 or 60%; raise ValueError for what is not between 0 and 1."""
    try:
        percent = isinstance(value, str) and value.rstrip().endswith("%")
        share = float(value.rstrip()[:-1]) / 100 if percent else float(value)
    except (TypeError, ValueError):
        raise ValueError("expected a share such as 60% or 0.6") from None
    if not 0 < share < 1:
        raise ValueError("expected a share above 0 and below 1, such as 60% or 0.6")
    return share


def _span(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) != 3 or any(isinstance(v, bool | str) for v in value):
            raise ValueError("expected one number, or three: [lowest, likely, highest]")
        return value
    return [value] * 3


def _ordered(values: tuple[float, float, float]) -> Span:
    if not 0 < values[0] <= values[1] <= values[2]:
        raise ValueError("expected numbers above zero, the lowest first")
    return Span(*map(float, values))


def _size(text: str) -> str:
    parse_params(text)
    return text


Range = Annotated[tuple[Number, Number, Number], BeforeValidator(_span), AfterValidator(_ordered)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[float, BeforeValidator(parse_share)]
Size = Annotated[StrictStr, AfterValidator(_size)]


class GpuPart(Part):
    """Hardware: GB of memory, GB a second, TFLOPS of its shaders at 16 bits, $ an hour."""

    memory_gb: Positive
    bandwidth_gb_s: Range
    tflops: Positive | None = None
    price: Positive | None = None


class FormatPart(Part):
    """How weights are written."""

    files: StrictStr
    bits: Range
    speed: Range = Field([1.0, 1.0, 1.0], validate_default=True)
    gguf_type: StrictInt | None = None
    perplexity: dict[str, Positive] = Field({})
    remark: StrictStr | None = None
    like: dict[str, StrictStr] = Field({})


class EnginePart(Part):
    """Which files an engine serves."""

    takes: tuple[StrictStr, ...]
    remark: StrictStr | None = None


class StrategyPart(Part):
    """What might be done."""

    name: StrictStr | None = None
    format: StrictStr | None = None
    gpu: StrictStr | None = None
    price: Positive | None = None
    params: Size | None = None
    hits: Share | None = None
    engine: StrictStr | None = None
    effort: Effort | None = None
    quality: StrictStr | None = None
    note: StrictStr | None = None

    @property
    def changed(self) -> tuple[str, ...]:
        """Return which parts of what serves it changes."""
        parts = ("format", "gpu", "price", "params", "hits", "engine")
        return tuple(part for part in parts if getattr(self, part) is not None)


class EntriesPart(Part):
    """The file."""

    gpus: dict[str, GpuPart] = Field({})
    formats: dict[str, FormatPart] = Field({})
    engines: dict[str, EnginePart] = Field({})
    strategies: tuple[StrategyPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Entries:
    """What is known by name, each name in lower case; `prices` are those of GPUs in $ an hour."""

    gpus: Mapping[str, Hardware]
    prices: Mapping[str, float]
    formats: Mapping[str, Format]
    gguf_types: Mapping[int, Format]
    engines: Mapping[str, Takes]
    strategies: tuple[StrategyPart, ...]


def read_entries(path: Path | None) -> Entries:
    """Return our entries with those of a file on top.

    Raises InputError with file and field for what is wrong.
    """
    own = _shipped() if path is None else _merged(_shipped(), _read(path))
    formats = {name: _format(name, part) for name, part in own.formats.items()}
    return Entries(
        {n.lower(): _hardware(n, part, path) for n, part in own.gpus.items()},
        {n.lower(): float(part.price) for n, part in own.gpus.items() if part.price is not None},
        {name.lower(): format_ for name, format_ in formats.items()},
        {
            part.gguf_type: formats[name]
            for name, part in own.formats.items()
            if part.gguf_type is not None
        },
        {n.lower(): Takes(n, part.takes, part.remark) for n, part in own.engines.items()},
        own.strategies,
    )


def by_name(name: str, known: Mapping[str, _Entry], problem: str) -> _Entry:
    """Return an entry by its name in any letters; raise InputError with the nearest."""
    if (found := known.get(name.lower())) is not None:
        return found
    raise InputError(
        f"{problem} {name!r}; known: {', '.join(known)}{nearest(name.lower(), known)}; write "
        "others in a file for --entries"
    )


@cache
def _shipped() -> EntriesPart:
    return _read(_SHIPPED)


def _read(path: Path) -> EntriesPart:
    try:
        content = parsed_yaml(read_text(path, "--entries"), path)
    except FileNotFoundError:
        raise InputError(f"--entries: no such file: {path}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping with gpus, formats, engines and strategies")
    part = validated(EntriesPart, content, str(path))
    for number, strategy in enumerate(part.strategies):
        if not strategy.changed:
            raise InputError(
                f"{path}: strategies.{number}: changes nothing; name at least one of format, gpu, "
                "price, params, hits and engine"
            )
    return part


def _merged(ours: EntriesPart, own: EntriesPart) -> EntriesPart:
    return EntriesPart.model_construct(
        gpus={**ours.gpus, **own.gpus},
        formats={**_without(ours.formats, own.formats), **own.formats},
        engines={**_without(ours.engines, own.engines), **own.engines},
        strategies=own.strategies,
    )


def _without(ours: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return our entries but those that the user writes in other letters."""
    replaced = {name.lower() for name in own}
    return {name: part for name, part in ours.items() if name.lower() not in replaced}


def _hardware(name: str, part: GpuPart, path: Path | None) -> Hardware:
    bandwidth: Any = part.bandwidth_gb_s
    return Hardware(
        name,
        float(part.memory_gb) * 1e9,
        Span(*(1e9 * v for v in (bandwidth.low, bandwidth.likely, bandwidth.high))),
        None if part.tflops is None else float(part.tflops) * 1e12,
        source=str(path),
    )


def _format(name: str, part: FormatPart) -> Format:
    bits: Any = part.bits
    speed: Any = part.speed
    perplexity = {model: float(ratio) for model, ratio in part.perplexity.items()}
    return Format(
        name, part.files, bits, speed, MappingProxyType(perplexity), part.remark,
        MappingProxyType(dict(part.like)),
    )  # fmt: skip
