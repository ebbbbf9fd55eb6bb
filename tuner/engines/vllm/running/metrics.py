"""Read vLLM's page of metrics, and tell by how much its counters grew between two of them.

Source of the names: vllm/v1/metrics/loggers.py (PrometheusStatLogger) and
vllm/v1/spec_decode/metrics.py of vLLM 0.32. Counters end in `_total`. `iteration_tokens_total` is
a histogram: a prompt counts there, whole, in the step that gives its first token, and a step that
gives no token is not counted. Queue time runs to the first scheduling: it holds neither the step
that a request arrives in nor the wait after a preemption.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tuner.spec.values import Setting

_PREFIX = "vllm:"
_STARTED = "process_start_time_seconds"
_CACHE = "vllm:cache_config_info"
_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_BY_REASON = "vllm:num_requests_waiting_by_reason"
_KV_USAGE = "vllm:kv_cache_usage_perc"
_GAUGES = (_RUNNING, _WAITING, _KV_USAGE)

_TOTALS: Mapping[str, str] = {
    "vllm:request_queue_time_seconds_count": "requests",
    "vllm:request_queue_time_seconds_sum": "queue_s",
    "vllm:request_prefill_time_seconds_sum": "prefill_s",
    "vllm:request_decode_time_seconds_sum": "decode_s",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:request_prefill_kv_computed_tokens_sum": "computed_prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:iteration_tokens_total_count": "steps",
    "vllm:iteration_tokens_total_sum": "step_tokens",
    "vllm:spec_decode_num_drafts_total": "drafts",
    "vllm:spec_decode_num_draft_tokens_total": "draft_tokens",
    "vllm:spec_decode_num_accepted_tokens_total": "accepted_tokens",
}
"""vLLM's name of a counter -> ours. Those of finished requests grow when a request ends."""

_BY_LABEL: Mapping[str, tuple[str, str]] = {
    "vllm:spec_decode_num_accepted_tokens_per_pos_total": ("position", "accepted_at_"),
    "vllm:admission_rejections_total": ("reason", "rejected_"),
    "vllm:iteration_tokens_total_bucket": ("le", "steps_up_to_"),
    "vllm:request_prompt_tokens_bucket": ("le", "prompts_up_to_"),
}
"""vLLM's name -> (the label that tells its parts apart, the beginning of our names for them)."""

_EDGE = re.compile(r"\+Inf|\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the scheduler was at after its last step; None is what the page does not tell.

    `waiting` requests wait for capacity, `deferred` ones for something else: a grammar, an
    adapter, a transfer. `kv_usage` is the share of blocks in use, from 0 to 1.
    """

    running: float | None = None
    waiting: float | None = None
    deferred: float | None = None
    kv_usage: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of metrics: counters and gauges of all engines together, and the cache's settings.

    `settings` has what all engines agree in. `started` tells one server from the next.
    """

    totals: Mapping[str, float] = field(default_factory=dict)
    gauges: Gauges = field(default_factory=Gauges)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    engines: int = 0
    started: float | None = None


@dataclass(frozen=True, slots=True)
class Grown:
    """By how much counters grew; none are known where the server was `restarted` meanwhile."""

    totals: Mapping[str, float]
    restarted: bool = False


def read_page(text: str) -> Page | None:
    """Return what a page tells, None where nothing on it is vLLM's.

    A line that cannot be read is left out, and so is the last one where the page was cut. What
    is not a finite number of at least zero is unknown.
    """
    found = list(_samples(text, lambda line: line.startswith((_PREFIX, _STARTED))))
    ours = [s for s in found if s.name.startswith(_PREFIX)]
    if not ours:
        return None
    engines = len({_engine(s) for s in ours if "model_name" in s.labels and "engine" in s.labels})
    return Page(
        totals=_totals(ours, engines),
        gauges=_gauges(ours),
        settings=_settings(s.labels for s in ours if s.name == _CACHE),
        engines=engines,
        started=_sum(s for s in found if s.name == _STARTED),
    )


def read_gauges(text: str) -> Gauges:
    """Return only the gauges of a page: a fraction of a millisecond beside a measurement."""
    return _gauges(list(_samples(text, lambda line: line.startswith(_GAUGES))))


def grown(before: Page, after: Page) -> Grown:
    """Return by how much the counters on both pages grew.

    One that went back, or another time of starting, tells that another server counts now. Nothing
    is known where the pages have unlike engines.
    """
    names = [name for name in before.totals if name in after.totals]
    back = any(after.totals[n] < before.totals[n] for n in names)
    if back or _another(before.started, after.started):
        return Grown({}, restarted=True)
    if before.engines != after.engines:
        return Grown({})
    return Grown({n: after.totals[n] - before.totals[n] for n in names})


def _another(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one != other


def _samples(text: str, wanted: Callable[[str], bool]) -> Iterator[Sample]:
    *lines, _cut = text.split("\n")
    for line in filter(wanted, lines):
        try:
            for family in text_string_to_metric_families(line):
                yield from family.samples
        except (ValueError, IndexError):  # what the parser raises for a line that is none
            continue


def _engine(sample: Sample) -> tuple[str | None, str | None]:
    return sample.labels.get("model_name"), sample.labels.get("engine")


def _totals(samples: Iterable[Sample], engines: int) -> dict[str, float]:
    """Return the counters of all engines together; what one of them lacks is unknown."""
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        if (name := _our_name(sample)) is not None:
            parts.setdefault(name, []).append(sample)
    whole = {
        name: _sum(found)
        for name, found in parts.items()
        if "engine" not in found[0].labels or len(set(map(_engine, found))) == engines
    }
    return {name: total for name, total in whole.items() if total is not None}


def _our_name(sample: Sample) -> str | None:
    if sample.name not in _BY_LABEL:
        return _TOTALS.get(sample.name)
    label, beginning = _BY_LABEL[sample.name]
    value = sample.labels.get(label, "")
    named = _EDGE.fullmatch(value) if label == "le" else value
    return f"{beginning}{value}" if named else None


def _gauges(samples: list[Sample]) -> Gauges:
    def named(name: str, **labels: str) -> float | None:
        return _sum(s for s in samples if s.name == name and labels.items() <= s.labels.items())

    usage = [_number(s) for s in samples if s.name == _KV_USAGE]
    known = [u for u in usage if u is not None]
    capacity = named(_BY_REASON, reason="capacity")
    return Gauges(
        running=named(_RUNNING),
        waiting=named(_WAITING) if capacity is None else capacity,
        deferred=named(_BY_REASON, reason="deferred"),
        kv_usage=sum(known) / len(known) if known and len(known) == len(usage) else None,
    )


def _sum(samples: Iterable[Sample]) -> float | None:
    """Return the sum over engines, None where there is none or one of them is no number."""
    values = [_number(sample) for sample in samples]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _number(sample: Sample) -> float | None:
    try:
        value = float(sample.value)
    except OverflowError:  # the parser takes any number of digits
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _settings(labels: Iterable[Mapping[str, str]]) -> dict[str, Setting]:
    """Return the cache's settings in which all engines agree; vLLM writes them as Python does."""
    engines = [{n: read_setting(v) for n, v in found.items() if n != "engine"} for found in labels]
    first = engines[0] if engines else {}
    agreed = {n: v for n, v in first.items() if all(other.get(n) == v for other in engines)}
    return {name: value for name, value in agreed.items() if value is not None}


def read_setting(text: str) -> Setting | None:
    """Return a value as vLLM writes it, which is as Python does; None for none."""
    if text in ("None", ""):
        return None
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
