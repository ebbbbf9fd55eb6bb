"""A night as metrics of Prometheus, in a file for node_exporter's textfile collector.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total`, `_info`. Quantiles
are gauges: a summary would have to tell a sum and a count as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tuner.spec.errors import OutputError
from tuner.spec.file_name import for_file
from tuner.telling.night import Decision, Night

_READABLE = 0o644
"""node_exporter runs as another user."""

Samples = Iterable[tuple[Mapping[str, str], float | None]]
"""Labels with a value each, None where it is unknown."""


class _Nights(Collector):
    """Hands a night to prometheus_client."""

    def __init__(self, night: Night) -> None:
        self._night = night

    def collect(self) -> Iterator[Metric]:
        """Yield each metric of which something is known."""
        yield from (family for family in _families(self._night) if family.samples)


def write_textfile(night: Night, folder: Path) -> Path:
    """Write the metrics of a night, whole or not at all, and return the file.

    Each name in service has a file of its own. Raises OutputError.
    """
    path = folder / f"tuner-{for_file(night.name)}.prom"
    partial = folder / f".{path.name}.partial"  # the collector reads only *.prom
    registry = CollectorRegistry()
    registry.register(_Nights(night))
    try:
        partial.write_bytes(generate_latest(registry))
        partial.chmod(_READABLE)
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write the metrics {path}: {error.strerror or error}; let notify.textfile "
            "name a folder that exists and can be written"
        ) from error
    return path


def _families(night: Night) -> Iterator[Metric]:
    yield _trials(night)
    for name, (about, samples) in _gauges(night).items():
        yield _gauge(name, about, night, samples)


def _gauges(night: Night) -> Mapping[str, tuple[str, Samples]]:
    """Return what each metric is, and its samples."""
    sides = night.sides.items()
    return {
        "tuner_retune_last_run_timestamp_seconds": (
            "End of the last night", _one(night.ran_at)),
        "tuner_retune_last_success_timestamp_seconds": (
            "End of the last night that came to a decision", _one(night.succeeded_at)),
        "tuner_retune_duration_seconds": (
            "How long the last night took", _one(night.duration_s)),
        "tuner_retune_decision": (
            "1 for what the last night decided", _decisions(night)),
        "tuner_e2e_seconds": (
            "Latency of whole answers", _quantiles((r, s.e2e_s) for r, s in sides)),
        "tuner_ttft_seconds": (
            "Time to the first token", _quantiles((r, s.ttft_s) for r, s in sides)),
        "tuner_tpot_seconds": (
            "Time for each further token", _quantiles((r, s.tpot_s) for r, s in sides)),
        "tuner_goodput_requests_per_second": (
            "Requests a second that meet every target",
            [({"role": r}, s.goodput) for r, s in sides]),
        "tuner_json_valid_ratio": (
            "Share of valid answers", [({"role": r}, s.valid) for r, s in sides]),
        "tuner_regression": (
            "1 where what serves was shown to miss its target", _lost(night)),
        "tuner_untold_targets": (
            "Targets that the last message did not reach", _one(night.untold)),
        "tuner_config_info": (
            "What serves", _config(night)),
    }  # fmt: skip


def _gauge(name: str, about: str, night: Night, samples: Samples) -> Metric:
    """Return a metric with the samples that are known."""
    family = GaugeMetricFamily(name, about)
    for labels, value in samples:
        if value is not None:
            family.add_sample(name, {"name": night.name, **labels}, value)
    return family


def _trials(night: Night) -> Metric:
    family = CounterMetricFamily("tuner_trials", "Trials of all nights", labels=["name", "state"])
    for state, count in night.trials.items():
        family.add_metric([night.name, state], count)
    return family


def _one(value: float | None) -> Samples:
    return [({}, value)]


def _decisions(night: Night) -> Samples:
    """Yield all decisions, so that one that is no longer taken goes back to 0."""
    if night.decision is not None:
        for decision in get_args(Decision):
            yield {"decision": decision}, float(decision == night.decision)


def _quantiles(sides: Iterable[tuple[str, Mapping[float, float | None]]]) -> Samples:
    for role, quantiles in sides:
        for quantile, value in quantiles.items():
            yield {"role": role, "quantile": f"{quantile:g}"}, value


def _lost(night: Night) -> Samples:
    for metric, lost in night.lost.items():
        yield {"metric": metric}, None if lost is None else float(lost)


def _config(night: Night) -> Samples:
    if config := night.config:
        yield {"engine": config.engine, "model": config.model, "config_hash": config.hash}, 1.0
