"""Warm an engine up with requests that are not counted, until they no longer get faster."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tuner.load.drive import Driven, drive
from tuner.load.wire import Transport
from tuner.search.budget import WARMUP_REQUESTS, in_flight
from tuner.spec.knobs import Knob, value_of
from tuner.spec.requests.conversation import openings
from tuner.spec.values import Candidate, Load, Metric
from tuner.stats.steady import steady

if TYPE_CHECKING:
    from tuner.workflow.measuring.session import Session

MOST_WARMUPS = 10
WARMUP_PART = 4
"""After the first round it takes at most MOST_WARMUPS requests with that, and at most one for
WARMUP_PART measured ones."""

WARMUP_SHARE = 0.01
"""No further round begins once a warm-up has taken this share of the budget."""


async def warm_up(
    session: Session, candidate: Candidate, start: int, transport: Transport, n: int
) -> list[Driven]:
    """Send as many requests at once as will be in flight, until their times are steady.

    Each slot gets one as well, up to MOST_WARMUPS, since some engines have hundreds. Each choice of
    shots has its turn, since engines keep the beginnings that they have read. They are sent in
    closed loop, and bounded; `n` measured ones follow.
    """
    workload, knobs = session.study.workload, session.engine.knobs
    slots = min(_slots(knobs, candidate), MOST_WARMUPS)
    at_once = max(slots, min(math.ceil(in_flight(session.study)), n))
    load, calls = _closed(workload.load, at_once), session.spare_calls(candidate)

    async def sent(count: int) -> Driven:
        now = itertools.islice(calls, count)
        read = session.engine.read
        return await drive(now, load, transport, read, engine_start=start, warmup=True)

    round_ = max(WARMUP_REQUESTS, at_once)
    first = max(round_, len(openings(candidate, workload)))
    window, left = round_ // 2, max(0, min(MOST_WARMUPS, n // WARMUP_PART) - first)
    until_s = session.elapsed_s() + WARMUP_SHARE * session.study.budget_s
    rounds = [await sent(first)]
    while left > 0 and session.elapsed_s() < until_s and not _steady(rounds, window):
        rounds.append(await sent(min(window, left)))
        left -= window
    return rounds


def _slots(knobs: Mapping[str, Knob], candidate: Candidate) -> int:
    told = value_of(knobs, "slots", candidate)
    return int(told) if isinstance(told, int | float) else 1  # a server of one's own has words


def _closed(load: Load, at_once: int) -> Load:
    """Return the closed loop that keeps so many requests in flight."""
    return replace(load, rate=None, concurrency=at_once, client_processes=1)


def _steady(rounds: Sequence[Driven], window: int) -> bool:
    """Tell whether the times to first token, and per further token, are steady.

    Answers differ in length, so the whole latency tells nothing.
    """
    recent = [s for sent in rounds for s in sent.samples][-2 * window :]
    decoded = all((s.output_tokens or 0) > 1 for s in recent)
    metrics: tuple[Metric, ...] = ("ttft", "tpot") if decoded else ("ttft",)
    return all(steady([s.latency_s(m) for s in recent], window) for m in metrics)
