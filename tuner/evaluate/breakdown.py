"""Say where the time of a request went: client, network, queue, prefill, decode.

Every instant but the engine's own durations is on the client's clock (`spec.values.Sample`), so
nothing is compared between clocks. For a served request, with `end` the arrival of the last byte:

- E2E runs from the planned time (open loop) or from sending (closed loop) to the last text.
- client = sent - planned: open loop only. Connecting lies in it, where a connection had to be
  opened; in a closed loop connecting comes before the clock starts and is in no part. (A
  connection that the server closed while a request was being sent is opened anew within what
  is left, and the sample does not tell it from the others.)
- prefill, queue: as the engine says.
- decode: what the engine says, less `end - last text`: an engine also counts the tokens that come
  after the last text (the end token, white space that a reader never sees), and E2E does not.
- What is left of E2E is network and queue, derived. It holds HTTP, template and tokenising too.
  Where the engine tells its queue, what is left is the network; where it does not, the two
  cannot be told apart. It is negative where an engine claims more than the client waited: shown
  and counted, never cut, so that the parts of each request sum to its E2E.
- Without the engine's timings: what comes before the first text, in one part, and decode from
  the first to the last text, both as the client saw them.

Sources of the timings: llama.cpp tools/server/server-common.cpp (`timings`), vLLM
entrypoints/generate/base/serving.py (`metrics`), Ollama api/types.go (durations in ns).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from tuner.spec.values import Sample
from tuner.stats.quantiles import Bound, quantile_bounds

Known = Literal["measured", "derived"]
Detail = Literal["client", "phases", "queue"]
"""How finely a request can be divided: by the client alone, with the engine's times of prefill and
decode, or with its time in the queue as well."""

QUANTILES = (0.5, 0.99)

_DIALECTS: tuple[Mapping[str, tuple[str, float]], ...] = (
    {
        "prefill_s": ("prompt_ms", 1e-3),
        "decode_s": ("predicted_ms", 1e-3),
        "prefill_tokens": ("prompt_n", 1.0),
    },
    {
        "queue_s": ("queue_time_ms", 1e-3),
        "prefill_s": ("time_to_first_token_ms", 1e-3),
        "decode_s": ("generation_time_ms", 1e-3),
    },
    {"prefill_s": ("prompt_eval_duration", 1e-9), "decode_s": ("eval_duration", 1e-9)},
)
"""Our name -> (the engine's name, factor). Only llama.cpp tells how many tokens of the prompt it
computed; a rate from all of them would flatter an engine that has some of them cached."""

_HOW: Mapping[tuple[Detail, str], tuple[Known, str]] = MappingProxyType(
    {
        ("client", "network+queue+prefill"): ("measured", "client: to the first text"),
        ("client", "decode"): ("measured", "client: first to last text"),
        ("phases", "network+queue"): ("derived", "what is left"),
        ("phases", "prefill"): ("measured", "engine"),
        ("phases", "decode"): ("measured", "engine, up to the last text"),
        ("queue", "network"): ("derived", "what is left"),
        ("queue", "queue"): ("measured", "engine"),
        ("queue", "prefill"): ("measured", "engine"),
        ("queue", "decode"): ("measured", "engine, up to the last text"),
    }
)


@dataclass(frozen=True, slots=True)
class Timings:
    """What an engine says of one request; `prefill_tokens` excludes what was cached."""

    prefill_s: float
    decode_s: float
    queue_s: float | None = None
    prefill_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part over all served requests, in seconds.

    `share` is of the sum of all E2E latencies; `negative` counts the requests in which the part
    came out below zero. `how` says in a few words who measured it, or from what it is derived.
    """

    name: str
    known: Known
    how: str
    sum_s: float
    share: float
    quantiles: Mapping[float, Bound]
    negative: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second of one stream: all tokens over all the time spent on them."""

    tokens_per_s: float
    known: Known


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts of `n` served requests; `left_out` failed ones have none.

    `connects` of them opened a connection first, which took `connecting_s` in sum.
    """

    parts: tuple[Part, ...]
    n: int
    left_out: int
    prefill: Rate | None
    decode: Rate | None
    connects: int
    connecting_s: float


def timings(server: Mapping[str, Any]) -> Timings | None:
    """Return the engine's timings of a request, None where prefill or decode is not told."""
    for dialect in _DIALECTS:
        told = {ours: _told(server, *theirs) for ours, theirs in dialect.items()}
        prefill_s, decode_s = told["prefill_s"], told["decode_s"]
        if prefill_s is not None and decode_s is not None:
            return Timings(prefill_s, decode_s, told.get("queue_s"), told.get("prefill_tokens"))
    return None


def _told(server: Mapping[str, Any], name: str, factor: float) -> float | None:
    """Return a number that an engine gave, None for anything that is not a duration or count."""
    value = server.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value * factor if math.isfinite(value) and value >= 0 else None


def detail(sample: Sample) -> Detail:
    """Return how finely a served request can be divided."""
    told = timings(sample.server)
    if told is None or sample.end_ns is None:
        return "client"
    return "phases" if told.queue_s is None else "queue"


def request_parts(sample: Sample, fineness: Detail, *, scheduled: bool) -> dict[str, float]:
    """Return the parts of one served request in seconds; they sum to its E2E latency.

    `fineness` is at most what `detail` says; `scheduled` counts from the planned time.
    """
    waited = {"client": (sample.sent_ns - sample.planned_ns) / 1e9} if scheduled else {}
    e2e_s, told = sample.latency_s("e2e"), timings(sample.server)
    if fineness == "client" or told is None:
        ttft_s = sample.latency_s("ttft")
        return {**waited, "network+queue+prefill": ttft_s, "decode": e2e_s - ttft_s}
    decode_s = max(0.0, told.decode_s - _after_text_s(sample))
    parts = {"prefill": told.prefill_s, "decode": decode_s}
    left_s = e2e_s - told.prefill_s - decode_s
    if fineness == "phases" or told.queue_s is None:
        return {**waited, "network+queue": left_s, **parts}
    return {**waited, "network": left_s - told.queue_s, "queue": told.queue_s, **parts}


def _after_text_s(sample: Sample) -> float:
    """Return the seconds between the last text and the last byte: decoding that E2E leaves out."""
    return max(0, (sample.end_ns or 0) - (sample.last_ns or 0)) / 1e9


def breakdown(samples: Sequence[Sample], *, scheduled: bool) -> Breakdown | None:
    """Divide all served requests into parts, as finely as all of them allow; None without any.

    The quantiles of different parts do not add up.
    """
    served = [s for s in samples if math.isfinite(s.latency_s("e2e"))]
    if not served:
        return None
    order: tuple[Detail, ...] = ("client", "phases", "queue")
    fineness = min(map(detail, served), key=order.index)
    split = [request_parts(s, fineness, scheduled=scheduled) for s in served]
    whole_s = sum(s.latency_s("e2e", scheduled=scheduled) for s in served)
    connecting = [s.connect_ns / 1e9 for s in served if s.connect_ns]
    return Breakdown(
        parts=tuple(_part(n, fineness, [p[n] for p in split], whole_s) for n in split[0]),
        n=len(served),
        left_out=len(samples) - len(served),
        prefill=_prefill_rate(served, fineness),
        decode=_decode_rate(served, fineness),
        connects=len(connecting),
        connecting_s=sum(connecting),
    )


def _part(name: str, fineness: Detail, values: Sequence[float], whole_s: float) -> Part:
    known, how = _HOW.get((fineness, name), ("measured", "client: planned to sent"))
    return Part(
        name=name,
        known=known,
        how=how,
        sum_s=sum(values),
        share=sum(values) / whole_s if whole_s > 0 else 0.0,
        quantiles={q: quantile_bounds(values, q) for q in QUANTILES},
        negative=sum(v < 0 for v in values),
    )


def _prefill_rate(served: Sequence[Sample], fineness: Detail) -> Rate | None:
    """Return how many prompt tokens were computed a second, where the engine tells both."""
    told = [t for s in served if (t := timings(s.server)) and t.prefill_tokens]
    if fineness == "client":
        return None
    return _rate(
        sum(t.prefill_tokens or 0 for t in told), sum(t.prefill_s for t in told), "measured"
    )


def _decode_rate(served: Sequence[Sample], fineness: Detail) -> Rate | None:
    """Return output tokens a second: n - 1 of n tokens come between the first and the last."""
    several = [s for s in served if s.output_tokens is not None and s.output_tokens > 1]
    steps = sum(s.output_tokens - 1 for s in several if s.output_tokens)
    if fineness == "client":
        spans = (s.latency_s("e2e") - s.latency_s("ttft") for s in several)
        return _rate(steps, sum(spans), "derived")
    told = filter(None, (timings(s.server) for s in several))
    return _rate(steps, sum(t.decode_s for t in told), "measured")


def _rate(tokens: float, seconds: float, known: Known) -> Rate | None:
    return Rate(tokens / seconds, known) if tokens and seconds > 0 else None
