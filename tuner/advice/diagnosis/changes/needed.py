"""What a target takes: how short a service must be, with the queue as it is and without any."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.advice.diagnosis.changes.effect import World
from tuner.advice.diagnosis.scenarios import Scenario, likeliest
from tuner.advice.span import Span

_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class Needed:
    """Mean seconds of service: now, and at which p99 comes to the target.

    `alone` holds with so many slots that none waits, `queued` with the slots that there are.
    `unlimited` is p99 with a slot for each request and nothing else changed.
    """

    now: Span
    alone: Span
    queued: Span
    unlimited: Span


def needed(world: World) -> Needed | None:
    """Return what the target takes, None without one or where no scenario fits."""
    target = world.found.target_p99
    if target is None or not world.every:
        return None
    best = likeliest(world.every, world.found)
    return Needed(
        *(
            _over([take(s, target) for s in world.every], take(best, target))
            for take in (_service, _alone, _queued, _unlimited)
        )
    )


def _over(each: list[float], likely: float) -> Span:
    return Span(min(each), likely, max(each))


def _service(one: Scenario, target: float) -> float:
    return one.service


def _alone(one: Scenario, target: float) -> float:
    return one.service * target / one.unlimited().p99


def _unlimited(one: Scenario, target: float) -> float:
    return one.unlimited().p99


def _queued(one: Scenario, target: float) -> float:
    """Return the service at which p99 is the target, at the same rate: found by halving."""
    low, high = 0.0, 1.0
    while one.after(high).p99 < target and high < 64:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if one.after(middle).p99 < target else (low, middle)
    return one.service * low
