"""What a measurement tells of a service: the figures that a diagnosis starts from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tuner.advice.diagnosis.causes.slowest import LEAST_LOAD_S
from tuner.advice.diagnosis.changes.proposal import Names
from tuner.advice.diagnosis.figures import Figures
from tuner.engines import observation
from tuner.engines.registry import kind_by_name
from tuner.evaluate.breakdown import timings
from tuner.machine.disturbance import OTHERS_SHARE
from tuner.report.cells import interval
from tuner.spec.engine_kinds import engine_kinds
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob, name_of, value_of
from tuner.spec.values import Sample, Setting
from tuner.stats.quantiles import Bound
from tuner.workflow.measuring.compare import facts, read

LEAST_FOR_P99 = 100
"""Fewer answers carry no p99 of their length: the longest of them is what they show."""

_CLOSED = re.compile(r"closed loop, concurrency (\d+)")
_OPEN = re.compile(r"open loop, ([\d.e+-]+) requests/s \(poisson\)")


@dataclass(frozen=True, slots=True)
class Told:
    """What a measurement tells: figures, what knobs are called, and how sure the figures are."""

    figures: Figures
    names: Names
    remarks: tuple[str, ...]


def from_result(path: Path) -> Told:
    """Return what a measurement tells, or the best of a run.

    Raises InputError where there is none.
    """
    try:
        found = read(path)
        return told_by(found.document, found.samples, knobs_of(found.document))
    except (KeyError, TypeError, AttributeError) as missing:
        raise InputError(
            f"{path}: not a measurement as this version of tune writes it ({missing}): measure "
            "again"
        ) from None


def told_by(
    document: Mapping[str, Any], samples: Sequence[Sample], knobs: Mapping[str, Knob]
) -> Told:
    """Return what a measurement and its samples tell."""
    figures = figures_of(document, samples, knobs)
    return Told(figures, names_of(document, knobs), tuple(_remarks(document)))


def _remarks(document: Mapping[str, Any]) -> Iterator[str]:
    """Say how many requests the latencies rest on, and what the server says of itself."""
    quantiles = document["e2e"]["quantiles"]
    told = "; ".join(
        f"p{float(q) * 100:g} {interval(Bound(**quantiles[q]), 1000.0, 0)} ms"
        for q in ("0.5", "0.99")
    )
    yield f"measured on n = {document['n']} requests, e2e with their intervals: {told}"
    observed = observation.from_document(document.get("observed"))
    if observed is not None and observed.reason.name != observation.NOT_CLEAR:
        yield f"the server says of itself: {observed.reason.name}, since {observed.reason.because}"


def knobs_of(document: Mapping[str, Any]) -> Mapping[str, Knob]:
    """Return the knobs of the engine that was measured, {} where it is not installed here."""
    name = str(facts(document).get("engine"))
    return kind_by_name(name).knobs() if name in engine_kinds() else {}


def names_of(document: Mapping[str, Any], knobs: Mapping[str, Knob]) -> Names:
    """Return what the knobs of an engine are called; those that it lacks keep their usual names."""
    usual, sent = Names(), document["candidate"]
    shots, system = sent.get("shots"), sent.get("system")
    return Names(
        slots=name_of(knobs, "slots") or usual.slots,
        context=name_of(knobs, "context") or usual.context,
        limit=name_of(knobs, "limit") or usual.limit,
        batch=name_of(knobs, "batch") or usual.batch,
        shots=shots if isinstance(shots, int) else None,
        system=system if isinstance(system, str) else None,
    )


def figures_of(
    document: Mapping[str, Any], samples: Sequence[Sample], knobs: Mapping[str, Knob]
) -> Figures:
    """Return the figures in a measurement and its samples; what it does not tell is None."""
    effective = (document.get("effective") or {}).get("settings", {})
    settings: dict[str, Setting] = {**document["candidate"], **effective}
    found = Figures(
        p50=_quantile(document["e2e"], "0.5"),
        p99=_quantile(document["e2e"], "0.99"),
        **_interval(document["e2e"]["quantiles"]["0.99"]),
        ttft_p50=_quantile(document["ttft"], "0.5"),
        target_p99=_target(document),
        **_lengths(samples),
        **_loads(samples),
        **_times(document),
        **_load(str(document.get("load"))),
        gpu_util=_busiest(document),
        disturbed=_disturbed(document.get("machine")),
        slots=_whole(value_of(knobs, "slots", settings)),
        context=_whole(value_of(knobs, "context", settings)),
        limit=_whole(value_of(knobs, "limit", settings)),
        batch=_whole(value_of(knobs, "batch", settings)),
        temperature=_number(settings.get("temperature")),
    )
    return _together(found)


def _together(found: Figures) -> Figures:
    """Return figures as they fit together, where a server tells more than a client saw.

    No part of a request takes longer than the whole; a window or a limit that answers went beyond
    is none.
    """
    written = found.output_p99 or found.output_tokens or 0.0
    tokens = (found.input_tokens or 0.0) + (found.output_tokens or 0.0)
    usual = {n: _least(getattr(found, n), found.p50) for n in
             ("ttft_p50", "prefill", "decode", "queue", "network")}  # fmt: skip
    slow = {n: _least(getattr(found, n), found.p99) for n in ("prefill_p99", "queue_p99")}
    context = found.context if found.context and tokens <= found.context else None
    limit = found.limit if found.limit and written <= found.limit else None
    return replace(found, **usual, **slow, context=context, limit=limit)


def _least(one: float | None, most: float | None) -> Any:
    return one if one is None or most is None else min(one, most)


def _quantile(told: Mapping[str, Any], q: str) -> float | None:
    return _number(told["quantiles"][q]["value"])


def _interval(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the interval of p99, without an end where n shows none."""
    low, high = _number(told["low"]), _number(told["high"])
    if _number(told["value"]) is None:
        return {}
    return {"p99_low": 0.0 if low is None else low, "p99_high": math.inf if high is None else high}


def _target(document: Mapping[str, Any]) -> float | None:
    verdicts = document.get("verdicts") or ()
    asked = (v for v in verdicts if (v["metric"], v["quantile"]) == ("e2e", 0.99))
    return next((v["max_ms"] / 1000 for v in asked), None)


def _lengths(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the usual lengths of prompts and answers, and how far the longest answers go."""
    served = [s for s in samples if s.outcome == "ok"]
    read = [s.prompt_tokens for s in served if s.prompt_tokens]
    written = [s.told_tokens for s in served if s.told_tokens]
    cached = [s.prompt_tokens - computed for s in served
              if s.prompt_tokens and (computed := _computed(s)) is not None]  # fmt: skip
    p99 = float(np.quantile(written, 0.99)) if len(written) >= LEAST_FOR_P99 else None
    p1 = float(np.quantile(cached, 0.01)) if len(cached) >= LEAST_FOR_P99 else None
    return {
        "input_tokens": _median(read),
        "cached_tokens": _median(cached),
        "cached_p1": p1,
        "output_tokens": _median(written),
        "output_p99": p99,
    }


def _loads(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return how many requests waited for the model, and how long; {} where no server tells it."""
    told = [s.server.get("load_duration") for s in samples if s.outcome == "ok"]
    times = [t / 1e9 for t in told if isinstance(t, int | float)]
    waits = [t for t in times if t >= LEAST_LOAD_S]
    return {"reloads": len(waits) / len(times), "load_s": _median(waits)} if times else {}


def _computed(sample: Sample) -> float | None:
    told = timings(sample.server)
    computed = told.prefill_tokens if told else None
    within = computed is not None and computed <= (sample.prompt_tokens or 0)
    return computed if within else None


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _times(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a usual request, as far as they were told apart."""
    parts = {p["part"]: p["quantiles"] for p in (document.get("breakdown") or {}).get("parts", ())}

    def part(name: str, q: str = "0.5") -> float | None:
        value = _number(parts[name][q]["value"]) if name in parts else None
        return value if value is None or value >= 0 else None

    apart = "prefill" in parts
    return {
        "prefill": part("prefill"),
        "decode": part("decode") if apart else None,
        "prefill_p99": part("prefill", "0.99"),
        "queue": part("queue"),
        "queue_p99": part("queue", "0.99"),
        "network": part("network"),
    }


def _load(told: str) -> dict[str, Any]:
    """Return how requests came; of bursts and recordings the rate alone says too little."""
    if closed := _CLOSED.match(told):
        return {"in_flight": int(closed[1])}
    if opened := _OPEN.match(told):
        return {"rate": float(opened[1])}
    return {}


def _busiest(document: Mapping[str, Any]) -> float | None:
    gpus = (document.get("resources") or {}).get("gpus") or ()
    return max((g["busy"] for g in gpus if g.get("busy") is not None), default=None)


def _disturbed(machine: Mapping[str, Any] | None) -> float | None:
    """Return the largest share of time that was taken from the server; others only from 5 % on."""
    if machine is None:
        return None
    others = _number(machine.get("others")) or 0.0
    halted = max(_number(machine.get(n)) or 0.0 for n in ("stolen", "throttled"))
    return min(1.0, max(halted, others if others >= OTHERS_SHARE else 0.0))


def _whole(value: object) -> int | None:
    """Return a setting that is a number above 0: others leave it to the engine."""
    number = _number(value)
    return None if number is None or number < 1 else int(number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
