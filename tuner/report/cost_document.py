"""What serving costs as JSON: `tuner.cost/1`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from tuner import __version__
from tuner.advice.cost.compared import Compared, Costed, Outcome
from tuner.advice.cost.conditions import of_strategy, of_today
from tuner.advice.cost.quality import Quality
from tuner.advice.cost.values import HOURS_A_MONTH, Setup
from tuner.advice.span import Span
from tuner.report.cost import headline, scaled_month


def costs_document(found: Compared) -> dict[str, Any]:
    """Return the costs as JSON, `tuner.cost/1`; $, seconds and bytes, null is unknown."""
    best = found.best
    return {
        "schema": "tuner.cost/1",
        "tuner_version": __version__,
        "answer": headline(found),
        "best": None if best is None else best.strategy.label,
        "demand": {"requests_per_hour": found.demand.per_hour}
        | {
            name: getattr(found.demand, name)
            for name in ("input_tokens", "output_tokens", "in_flight", "context")
        },
        "hours_a_month": HOURS_A_MONTH,
        "measured": asdict(found.measured) if found.measured else None,
        "api": asdict(found.api) | {"per_request": found.api_request} if found.api else None,
        "today": _costed(found.today) | {"conditions": list(of_today(found))},
        "strategies": [_outcome(o, found) for o in found.outcomes],
    }


def _outcome(outcome: Outcome, found: Compared) -> dict[str, Any]:
    saving = outcome.saving
    return {
        "label": outcome.strategy.label,
        "name": outcome.strategy.name,
        "changed": list(outcome.strategy.changed),
        **_costed(outcome.costed),
        "saving_per_hour": _span(saving),
        "saving_per_month": None if saving is None else _span(scaled_month(saving)),
        "latency_ratio": _span(outcome.times),
        "mean_latency_ratio": _span(outcome.mean_times),
        "quality": _quality(outcome.quality),
        "effort": outcome.effort,
        "works": outcome.works,
        "costs_less_up_to": {
            "requests_per_hour": _span(outcome.breaks_even),
            "which": "today" if outcome.dearer else outcome.strategy.label,
        },
        "conditions": list(of_strategy(outcome, found)),
    }


def _costed(costed: Costed) -> dict[str, Any]:
    cost, pace = costed.cost, costed.pace
    return {
        "setup": _setup(costed.setup),
        "per_hour": _span(cost.per_hour),
        "per_request": _span(cost.per_request),
        "per_million_tokens": _span(cost.per_million),
        "per_million_output_tokens": _span(cost.per_million_output),
        "per_hour_billed_by_use": _span(cost.by_use),
        "instances": _span(cost.instances),
        "used_of_one_instance": _span(cost.used),
        "full_at_requests_per_hour": _span(costed.full_at),
        "cheaper_than_api_from": _finite(costed.api_from),
        "request_s": _span(pace.request_s if pace else None),
        "capacity": pace.how if pace else None,
        "with_prefill": pace.whole if pace else None,
        "memory_bytes": _memory(costed),
        "fits": costed.fit,
        "engine_takes_format": costed.taken,
    }


def _setup(setup: Setup) -> dict[str, Any]:
    hardware = setup.hardware
    return {
        "model": setup.model.name if setup.model else None,
        "params": _span(setup.model.params if setup.model else None),
        "format": setup.format.name if setup.format else None,
        "engine": setup.takes.engine if setup.takes else None,
        "price_per_hour": setup.price,
        "cache_hits": setup.hits,
        "hardware": None if hardware is None else {
            "name": hardware.name,
            "memory_bytes": hardware.memory_bytes,
            "bytes_per_s": _span(hardware.bandwidth),
            "source": hardware.source,
        },
    }  # fmt: skip


def _memory(costed: Costed) -> dict[str, Any] | None:
    found = costed.memory
    if found is None:
        return None
    parts = {"weights": found.weights, "cache": found.cache, "overhead": found.overhead}
    return {name: _span(span) for name, span in (parts | {"needed": found.needed}).items()}


def _quality(found: Quality) -> dict[str, Any]:
    return {
        "risk": found.risk,
        "perplexity_ratio": _span(found.perplexity),
        "models": list(found.models),
    }


def _span(span: Span | None) -> dict[str, float] | None:
    return None if span is None else asdict(span)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
