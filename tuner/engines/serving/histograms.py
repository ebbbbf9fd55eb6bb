"""Read histograms of latencies from a page of metrics, in the text format of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tuner.engines.latency_counts import LatencyCounts, Steps, is_histogram
from tuner.spec.values import Metric

_STARTED = "process_start_time_seconds"
_BUCKET = "_bucket"


@dataclass(frozen=True, slots=True)
class Names:
    """What a server calls its histograms, in seconds, and its gauges of requests in flight."""

    histograms: Mapping[Metric, str]
    in_flight: tuple[str, ...]


def read_latencies(text: str, names: Names) -> LatencyCounts | None:
    """Return what a page counts, None where it has none of the histograms.

    Parts of a server are added up. A histogram of which a line is missing, or is not one, is
    unknown, and so is a gauge; a line that cannot be read is left out, and so is the last one
    where the page was cut.
    """
    wanted = (*names.histograms.values(), *names.in_flight, _STARTED)
    found = list(_samples(text, wanted))
    read = {m: _steps(found, name + _BUCKET) for m, name in names.histograms.items()}
    known = {m: steps for m, steps in read.items() if steps is not None}
    if not known:
        return None
    in_flight = [_sum(s for s in found if s.name == name) for name in names.in_flight]
    started = _sum(s for s in found if s.name == _STARTED)
    return LatencyCounts(known, _all(in_flight), started)


def _samples(text: str, wanted: Sequence[str]) -> Iterator[Sample]:
    *lines, _cut = text.split("\n")
    for line in (found for found in lines if found.startswith(tuple(wanted))):
        try:
            for family in text_string_to_metric_families(line):
                yield from family.samples
        except (ValueError, IndexError):  # what the parser raises for a line that is none
            continue


def _steps(samples: Iterable[Sample], bucket: str) -> Steps | None:
    """Return the buckets of all parts together; None where parts have unlike edges, or none."""
    parts: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for sample in (s for s in samples if s.name == bucket):
        labels = tuple(sorted((n, v) for n, v in sample.labels.items() if n != "le"))
        edge, count = _number(sample.labels.get("le")), _number(sample.value)
        if math.isnan(edge) or not 0 <= count < math.inf:
            return None
        parts.setdefault(labels, {})[edge] = count
    each = list(parts.values())
    if not each or any(p.keys() != each[0].keys() or not is_histogram(p) for p in each):
        return None
    return {edge: sum(p[edge] for p in each) for edge in each[0]}


def _sum(samples: Iterable[Sample]) -> float | None:
    values = [_number(sample.value) for sample in samples]
    return sum(values) if values and all(map(math.isfinite, values)) else None


def _all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _number(told: object) -> float:
    """Return a number as a page tells it, NaN for what is none."""
    try:
        return float(str(told))
    except ValueError:
        return math.nan
