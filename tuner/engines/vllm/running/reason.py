"""Say why requests took as long as they did, from the server's own numbers; abstain in doubt.

vLLM's scheduler (vllm/v1/core/sched/scheduler.py, `schedule`) lets a request wait for capacity
where as many run as may (the sequence cap), where KV blocks cannot be had, or where the tokens of
a step are used up, and for nothing else. So one of them is the reason where requests wait and the
two others are excluded:

- *KV pressure*: at least one preemption for twenty requests (blocks ran out while they ran), or
  requests wait while fewer run than may and the free blocks do not hold a further prompt.
- *sequence cap*: requests wait while as many run as may, none is preempted, and the free blocks
  hold the largest prompt.
- *token budget*: requests wait while fewer run than may, none is preempted, the free blocks hold
  the largest prompt, and at least half of the prompts can have been computed in steps of more than
  half the budget.
- *compute*: nothing waits, nothing is preempted, and the server is at work nearly all the time:
  what is left is the time of the steps themselves.
- *underloaded*: nothing waits or is preempted, and at least half of the time no request is in the
  server: the share of time with any is at most their mean number (Markov), which is their seconds
  in it per second (Little, 1961).

All but the token budget also ask that it cuts hardly a prompt: that at most CUT of the steps had
more than half of it. Requests wait where that takes WAITS of their time in the server, nothing
waits up to NOTHING; what lies between is not clear. Neither is what rests on fewer than
LEAST_READINGS readings, or what several engines told together.

Gauges are read after a step, when the requests that it finished have left. Where each of `r` that
run takes `t` steps for its tokens, r / t leave in a step, and so do their blocks. Speculation gives
several tokens a step, and its drafts take of the budget without being counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from tuner.engines.observation import NOT_CLEAR, Reason
from tuner.engines.vllm.running.metrics import Gauges
from tuner.engines.vllm.running.proposals import (
    BUDGET,
    CAP,
    COMPUTE,
    IDLE,
    KV,
    Limits,
    proposals,
)
from tuner.spec.values import Setting

WAITS, NOTHING = 0.05, 0.01
PREEMPTED = 0.05
CUT = 0.05
LEAST_READINGS = 4
LEAST_STEPS = 8
"""Answers of fewer steps leave so fast that gauges after a step say little of what ran in it."""

NEAR, FAR = 0.9, 0.75
"""From the first share of what can run after a step, as many run as may; below the second, not."""

ROOMY = 0.9
"""The share of KV blocks in use above which there is no saying that there is room."""

BUSY, IDLE_BELOW = 0.8, 0.5
"""The mean number of requests in the server, and the share of readings with any, from which it is
always at work; the mean number up to which it is idle for half of the time."""


class _Unclear(Exception):
    """Why the numbers do not tell."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server told of `elapsed_s` seconds: grown counters, readings of gauges, settings."""

    elapsed_s: float
    totals: Mapping[str, float]
    readings: Sequence[Gauges]
    limits: Limits = field(default_factory=Limits)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    engines: int = 1

    def total(self, name: str) -> float:
        """Return a counter's growth; raise _Unclear where it is unknown."""
        if name not in self.totals:
            raise _Unclear(f"the server does not tell its {name}")
        return self.totals[name]

    def each(self, name: str) -> float:
        """Return a counter's growth for each request that ended."""
        requests = self.total("requests")
        if not requests:
            raise _Unclear("no request ended")
        return self.total(name) / requests

    @property
    def waited(self) -> float:
        """Return the share of requests' time in the server that they waited."""
        queue_s = self.total("queue_s")
        whole_s = queue_s + self.total("prefill_s") + self.total("decode_s")
        return queue_s / whole_s if whole_s else 0.0


def reason(seen: Seen) -> Reason:
    """Return the reason that holds by the definitions above, or the one that is not clear."""
    try:
        return _reason(seen)
    except _Unclear as unclear:
        return Reason(NOT_CLEAR, str(unclear))


def _reason(seen: Seen) -> Reason:
    if seen.engines != 1:
        raise _Unclear(f"{seen.engines} engines answer together")
    preempted, waited = seen.each("preemptions"), seen.waited
    if 0 < preempted < PREEMPTED:
        raise _Unclear(f"{seen.total('preemptions'):.0f} preemptions are too few to tell")
    if waited >= WAITS:
        return _waiting(seen, f"requests waited for {waited:.0%} of their time in the server")
    if preempted and _budget_spared(seen):
        return _told(seen, KV, f"{preempted:.2g} preemptions a request")
    if preempted or waited > NOTHING:
        raise _Unclear(f"waiting took {waited:.1%} of requests' time: neither much nor nothing")
    return _served_at_once(seen)


def _told(seen: Seen, name: str, because: str, now: Sequence[Gauges] = ()) -> Reason:
    return Reason(name, because, proposals(name, now, seen.limits, seen.settings))


def _waiting(seen: Seen, waited: str) -> Reason:
    now = _while_waiting(seen.readings)
    at_cap, room = _at_cap(seen, now), _room(seen, now)
    ran, used = (median(values) for values in (_running(now), _used(now)))
    usage = max(_used(now))
    at_work = f"{waited} while {ran:.0f} of {seen.limits.sequences} ran"
    preempted, spare = seen.total("preemptions"), _budget_spared(seen)
    if at_cap and room and spare and not preempted:
        return _told(seen, CAP, f"{at_work}, and at most {usage:.0%} of the KV cache was used", now)
    if at_cap is False and room is False and spare:
        told = f"{used:.0%} of the KV cache was used, with {preempted:.0f} preemptions"
        return _told(seen, KV, f"{at_work}, and {told}", now)
    if at_cap is False and room and not preempted and _budget_spent(seen):
        budget = seen.limits.step_tokens
        return _told(
            seen, BUDGET, f"{at_work} with KV blocks free, in steps of {budget} tokens", now
        )
    raise _Unclear(f"{at_work}, with up to {usage:.0%} of the KV cache used: no limit alone")


def _while_waiting(readings: Sequence[Gauges]) -> list[Gauges]:
    """Return the readings in which requests wait for capacity."""
    deferred = sum(r.deferred or 0.0 for r in readings)
    if deferred > sum(r.waiting or 0.0 for r in readings):
        raise _Unclear("requests waited for something else: a grammar, an adapter or a transfer")
    now = [r for r in readings if r.waiting and r.running is not None and r.kv_usage is not None]
    if len(now) < LEAST_READINGS:
        raise _Unclear(f"requests waited, but were seen waiting {len(now)} times only")
    return now


def _at_cap(seen: Seen, now: Sequence[Gauges]) -> bool | None:
    """Tell whether as many run as may while others wait; None where that is open."""
    cap, steps = seen.limits.sequences, _steps_each(seen)
    if cap is None:
        raise _Unclear("requests waited, and nobody tells how many may run")
    if steps < LEAST_STEPS:
        return None
    stay = cap * (1 - 1 / steps)
    running = _running(now)
    if max(running) >= cap and median(running) >= NEAR * stay:
        return True
    fewer = max(running) < cap and 0 < median(running) < FAR * stay  # 0: all have just left
    return False if fewer else None


def _running(now: Sequence[Gauges]) -> list[float]:
    return [r.running or 0.0 for r in now]


def _used(now: Sequence[Gauges]) -> list[float]:
    return [r.kv_usage or 0.0 for r in now]


def _room(seen: Seen, now: Sequence[Gauges]) -> bool | None:
    """Tell whether the free blocks hold a further prompt while requests wait; None where open."""
    cache, block = _cache_tokens(seen.settings), _number(seen.settings.get("block_size")) or 0.0
    largest, steps = _largest_prompt(seen.totals), _steps_each(seen)
    if cache is None or steps < 1:
        return None
    left = cache / steps
    free = [(1 - used) * cache for used in _used(now)]
    if median(free) <= seen.each("computed_prompt_tokens") + block + left:
        return False
    roomy = max(_used(now)) < ROOMY and largest is not None and min(free) >= largest + block + left
    return True if roomy else None


def _cache_tokens(settings: Mapping[str, Setting]) -> float | None:
    """Return the tokens that the KV cache holds, as `vllm:cache_config_info` tells."""
    if (told := _number(settings.get("kv_cache_size_tokens"))) is not None:
        return told
    blocks, size = (_number(settings.get(name)) for name in ("num_gpu_blocks", "block_size"))
    return None if blocks is None or size is None else blocks * size


def _number(value: Setting | None) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _largest_prompt(totals: Mapping[str, float]) -> float | None:
    """Return a number of tokens that no prompt exceeded, None where there is none."""
    found = _buckets(totals, "prompts_up_to_")
    edge = next((edge for edge, count in found if count >= found[-1][1] > 0), math.inf)
    return edge if math.isfinite(edge) else None


def _budget_spared(seen: Seen) -> bool:
    """Tell whether the budget added hardly a step, by cutting prompts.

    A prompt that is cut fills a step. Either the others in it come to half the budget, or the
    prompt does, which counts whole in the step that ends it.
    """
    budget = _budget(seen)
    added = sum(count * max(1.0, edge / budget) for edge, count in _full_steps(seen))
    return added <= CUT * seen.total("steps")


def _budget_spent(seen: Seen) -> bool:
    """Tell whether half of the prompts can have been computed in steps of half the budget."""
    prompts = max(1.0, _budget(seen) / max(seen.each("computed_prompt_tokens"), 1.0))
    full = sum(count for _, count in _full_steps(seen))
    return full * prompts >= seen.total("requests") / 2


def _full_steps(seen: Seen) -> list[tuple[float, float]]:
    """Return (tokens at most, how many) of the steps that may have had over half the budget."""
    half, below = _budget(seen) / 2, 0.0
    found = list[tuple[float, float]]()
    for edge, count in _buckets(seen.totals, "steps_up_to_"):
        if edge > half and count > below:
            found.append((edge, count - below))
        below = count
    return found


def _budget(seen: Seen) -> float:
    """Return the tokens that a step may have, less what drafts may take of them."""
    if seen.limits.step_tokens is None:
        raise _Unclear("nobody tells how many tokens a step may have")
    return seen.limits.step_tokens / (1 + _a_draft(seen, "draft_tokens"))


def _steps_each(seen: Seen) -> float:
    """Return in how many steps a request's tokens came."""
    return seen.each("generation_tokens") / (1 + _a_draft(seen, "accepted_tokens"))


def _a_draft(seen: Seen, name: str) -> float:
    """Return a number of tokens for each draft, 0 without speculation."""
    drafts = seen.totals.get("drafts")
    return seen.total(name) / drafts if drafts else 0.0


def _buckets(totals: Mapping[str, float], beginning: str) -> list[tuple[float, float]]:
    """Return (edge, how many lay below it) of a histogram, least edge first."""
    named = ((n.removeprefix(beginning), c) for n, c in totals.items() if n.startswith(beginning))
    found = sorted((float(edge), count) for edge, count in named)
    if not found or found[-1][0] < math.inf:
        raise _Unclear("the server does not tell how large its prompts and steps were")
    return found


def _served_at_once(seen: Seen) -> Reason:
    served_s = seen.total("prefill_s") + seen.total("decode_s")
    inside = served_s / seen.elapsed_s if seen.elapsed_s > 0 else 0.0
    if not _budget_spared(seen):
        raise _Unclear(f"nothing waited, but steps of {_budget(seen):.0f} tokens may cut prompts")
    if inside <= IDLE_BELOW:
        return _told(seen, IDLE, f"none waited, and {inside:.2f} were in the server on average")
    running = [r.running for r in seen.readings if r.running is not None]
    busy = fmean(map(bool, running)) if len(running) >= LEAST_READINGS else 0.0
    if busy < BUSY or inside < BUSY:
        raise _Unclear(f"nothing waited, with {inside:.2f} requests in the server on average")
    return _told(seen, COMPUTE, f"nothing waited, and {inside:.1f} requests were always at work")
