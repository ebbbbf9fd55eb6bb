"""How long a request takes and how many an instance carries: by the roofline, or as measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuner.advice.cost.values import Demand, Measured, Setup
from tuner.advice.ranges import product, quotient, scaled, total
from tuner.advice.roofline import UNSLOWED, batch_bytes, prefill_s, step_s
from tuner.advice.span import Span, exactly

How = Literal["roofline", "measured", "measured, times the roofline's ratio"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a request that the engine answers, and requests an hour that it can answer.

    Neither holds waiting. Without `whole` the prefill is not known: a request takes at least so
    long, and at most so many are carried.
    """

    request_s: Span
    per_hour: Span
    how: How
    whole: bool = True


def by_roofline(setup: Setup, demand: Demand) -> Pace | None:
    """Return the pace of a setup, None where model, hardware or tokens are not known."""
    model, hardware = setup.model, setup.hardware
    if model is None or hardware is None:
        return None
    if demand.input_tokens is None or demand.output_tokens is None:
        return None
    held = scaled(model.cached, demand.input_tokens + demand.output_tokens / 2)
    speed = setup.format.speed if setup.format else UNSLOWED
    step = step_s(batch_bytes(model.weights, held, demand.in_flight), hardware, speed)
    prefill = prefill_s(model.params, model.weights, demand.input_tokens, hardware)
    reading = prefill or step_s(model.weights, hardware, speed)
    decoding = scaled(step, demand.output_tokens)
    busy = total(scaled(reading, demand.in_flight), decoding)
    carried = quotient(exactly(3600.0 * demand.in_flight), busy)
    return Pace(total(reading, decoding), carried, "roofline", prefill is not None)


def ratio(after: Setup, before: Setup, demand: Demand) -> Span | None:
    """Return how many times as long a request takes the engine after a change as before.

    What both share cancels: the share of the bandwidth that one engine reaches on one hardware,
    the speed of one format. Without FLOPS it is the ratio of the decoding. None where a part is not
    known.
    """
    slow, fast = by_roofline(after, demand), by_roofline(before, demand)
    if slow is None or fast is None or after.model is None or before.model is None:
        return None
    if after.hardware is None or before.hardware is None:
        return None
    likely = slow.request_s.likely / fast.request_s.likely
    spread = [exactly(1.0)]
    if after.hardware != before.hardware:
        spread += [_around(after.hardware.bandwidth, before.hardware.bandwidth)]
    if (after.hardware, after.takes) != (before.hardware, before.takes):
        spread += [_around(after.hardware.reached, before.hardware.reached)]
    if after.format and before.format and after.format != before.format:
        spread.append(_around(before.format.speed, after.format.speed))
    if after.model.name != before.model.name:
        spread.append(_around(after.model.weights, before.model.weights))
    return scaled(product(*spread), likely)


def _around(top: Span, bottom: Span) -> Span:
    """Return how far a quotient lies from its likely value, as factors."""
    found = quotient(top, bottom)
    return scaled(found, 1 / found.likely)


def paced(
    after: Setup, before: Setup, demand: Demand, measured: Measured | None
) -> tuple[Pace | None, Span | None]:
    """Return the pace after a change, and the ratio of a request's time to the one before.

    Where today's pace was measured, that of a change is the measured one times the ratio.
    """
    same = (after.model, after.format, after.hardware, after.takes) == (
        before.model, before.format, before.hardware, before.takes
    )  # fmt: skip
    times = exactly(1.0) if same else ratio(after, before, demand)
    if measured is None:
        return by_roofline(after, demand), times
    if times is None:
        return None, None
    carried = quotient(exactly(measured.per_hour), times)
    how: How = "measured" if same else "measured, times the roofline's ratio"
    return Pace(product(measured.request_s, times), carried, how), times


def mean_with_hits(times: Span, hits: float) -> Span:
    """Return the ratio of the mean latency where a cache answers a share of the requests.

    What a hit takes is left out: it is short beside an answer of a model.
    """
    return scaled(times, 1 - hits)
