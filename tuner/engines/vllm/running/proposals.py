"""What each reason proposes to try next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from tuner.engines.observation import LESS, MORE, OTHER, Move
from tuner.engines.vllm.running.metrics import Gauges
from tuner.spec.values import Setting

KV, CAP, BUDGET = "KV pressure", "sequence cap", "token budget"
COMPUTE, IDLE = "compute", "underloaded"

_CAPS = ("max_num_active_seqs", "max_num_seqs")
_MEMORY = ("kv_cache_memory_bytes", "gpu_memory_utilization")
_BUDGETS = ("max_num_batched_tokens", "max_num_scheduled_tokens")
_SMALLER = ("speculation", "draft_tokens", "quantization")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests may run, and how many tokens a step may have; None is unknown.

    These are max_num_active_seqs, else max_num_seqs, and max_num_scheduled_tokens, else
    max_num_batched_tokens, as the server resolved them.
    """

    sequences: int | None = None
    step_tokens: int | None = None


def limits_of(settings: Mapping[str, Setting]) -> Limits:
    """Return the limits that settings come to; a tighter cap counts before the one above it."""

    def first(*names: str) -> int | None:
        numbers = (settings.get(name) for name in names)
        return next((n for n in numbers if isinstance(n, int) and not isinstance(n, bool)), None)

    return Limits(
        first("max_num_active_seqs", "max_num_seqs"),
        first("max_num_scheduled_tokens", "max_num_batched_tokens"),
    )


def proposals(
    name: str, now: Sequence[Gauges], limits: Limits, settings: Mapping[str, Setting]
) -> tuple[Move, ...]:
    """Return what may help for a reason, most promising first; `now` is while requests wait.

    Knobs that a space lacks are passed over there. An idle server needs none.
    """
    return tuple(_moves(name, now, limits, settings))


def _moves(
    name: str, now: Sequence[Gauges], limits: Limits, settings: Mapping[str, Setting]
) -> Iterator[Move]:
    if name == KV:
        yield from (Move(knob, MORE, _number(settings.get(knob))) for knob in _MEMORY)
        if not str(settings.get("cache_dtype", "")).startswith("fp8"):
            yield Move("kv_cache_dtype", OTHER)
        fits = math.floor(median(r.running or 0.0 for r in now)) if now else 0
        yield from (Move(knob, fits or LESS, limits.sequences) for knob in _CAPS)
    if name == CAP and limits.sequences is not None:
        wanted = limits.sequences + math.ceil(fmean(r.waiting or 0.0 for r in now))
        yield from (Move(knob, wanted, limits.sequences) for knob in _CAPS)
    if name == BUDGET:
        yield from (Move(knob, MORE, limits.step_tokens) for knob in _BUDGETS)
    if name == COMPUTE:
        yield from (Move(knob, OTHER) for knob in _SMALLER)


def _number(value: Setting | None) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
