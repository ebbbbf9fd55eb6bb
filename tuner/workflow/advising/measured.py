"""What a result tells of costs: how long a request took, how many came, and their tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tuner.advice.cost.values import Measured
from tuner.advice.span import Span
from tuner.spec.errors import InputError
from tuner.spec.file.reading import parsed_json, read_text
from tuner.spec.values import Sample
from tuner.workflow.measuring import compare

_T = TypeVar("_T")
_CAPACITY = "capacity.json"


@dataclass(frozen=True, slots=True)
class Told:
    """What a result tells; tokens are the means of a request, None where they are not known."""

    measured: Measured
    input_tokens: float | None
    output_tokens: float | None
    engine: str | None


def read(path: Path) -> Told:
    """Return what a measurement, the best of a run, or the highest proven load tells.

    `path` is a measurement.json, result.json or capacity.json, or a folder that holds one. Raises
    InputError for what is none, or of which a half is missing.
    """
    file = path / _CAPACITY if path.is_dir() else path
    if file.name == _CAPACITY and file.is_file():
        return _needed(file, lambda: _told(str(file), _highest(file), ()))
    found = compare.read(path)
    return _needed(Path(found.path), lambda: _told(found.path, found.document, found.samples))


def _needed(file: Path, tell: Callable[[], _T]) -> _T:
    """Return what a document tells; raise InputError where it lacks a part."""
    try:
        return tell()
    except (KeyError, TypeError, AttributeError) as missing:
        raise InputError(
            f"{file}: lacks what this version of tune writes ({missing}); measure again"
        ) from None


def _highest(file: Path) -> Mapping[str, Any]:
    """Return the measurement of the highest load that is proven."""
    document = parsed_json(read_text(file, "a result"), str(file))
    if document["schema"] != "tuner.capacity/1":
        raise InputError(f"{file}: expected schema tuner.capacity/1, found {document['schema']}")
    if document["highest"] is None:
        raise InputError(f"{file}: not even its lowest load is proven, so it tells no capacity")
    levels: list[Mapping[str, Any]] = document["levels"]
    return next(level for level in levels if level["size"] == document["highest"])


def _told(path: str, document: Mapping[str, Any], samples: tuple[Sample, ...]) -> Told:
    median, rate = document["e2e"]["quantiles"]["0.5"], document["throughput"]["requests_per_s"]
    if median["value"] is None or not rate:
        raise InputError(f"{path}: no request was answered there, so nothing tells of its costs")
    seconds = Span(
        _or(median["low"], median["value"]), median["value"], _or(median["high"], median["value"])
    )
    in_flight = max(1, round(rate * median["value"]))
    tokens = document["throughput"]["output_tokens_per_s"]
    prompts = [s.prompt_tokens for s in samples if s.prompt_tokens is not None]
    return Told(
        Measured(seconds, rate * 3600, in_flight, document["n"], path),
        sum(prompts) / len(prompts) if prompts else None,
        None if tokens is None else tokens / rate,
        document["environment"]["engine"],
    )


def _or(bound: float | None, value: float) -> float:
    return value if bound is None else bound
