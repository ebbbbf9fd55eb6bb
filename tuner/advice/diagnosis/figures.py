"""What is known of a service when somebody asks why it is slow; what is not known is None."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tuner.spec.errors import InputError

ROUNDED = 1.05
"""Figures that people type are rounded: a contradiction is one from 5 % on."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a service: latencies in seconds, lengths in tokens, shares from 0 to 1.

    `p99_low` and `p99_high` are the interval of a measured p99, the latter infinite where n shows
    no end. `input_tokens` and `output_tokens` are those of a usual request, `cached_tokens` how
    many of its input need no prefill, `output_p99` the length that 1 answer in 100 exceeds.
    `gpu_util` is the share of time in which a kernel ran. `slots` are the requests that are served
    at once, `context` the window of each and `limit` the longest answer, in tokens; `batch` is how
    many tokens of a prompt are computed at once. `rate` is in requests a second; `in_flight` is the
    most that a closed loop has in flight, None where requests come by themselves. The rates of
    prefill and decode are tokens a second of one request. `prefill`, `decode`, `queue` and
    `network` are seconds of a usual request, `queue_p99` and `prefill_p99` what 1 in 100 exceeds,
    as 1 in 100 has fewer cached tokens than `cached_p1`. `load_s` is what loading the model takes,
    `reloads` the share of requests that waited for that, `disturbed` the share of time that other
    programs, a hypervisor or a quota took from the server, `memory` the share that is in use.
    """

    p50: float | None = None
    p99: float | None = None
    p99_low: float | None = None
    p99_high: float | None = None
    ttft_p50: float | None = None
    target_p99: float | None = None
    input_tokens: float | None = None
    cached_tokens: float | None = None
    cached_p1: float | None = None
    output_tokens: float | None = None
    output_p99: float | None = None
    gpu_util: float | None = None
    memory: float | None = None
    context: int | None = None
    slots: int | None = None
    limit: int | None = None
    batch: int | None = None
    temperature: float | None = None
    rate: float | None = None
    in_flight: int | None = None
    prefill_rate: float | None = None
    decode_rate: float | None = None
    prefill: float | None = None
    decode: float | None = None
    queue: float | None = None
    queue_p99: float | None = None
    network: float | None = None
    prefill_p99: float | None = None
    load_s: float | None = None
    reloads: float | None = None
    disturbed: float | None = None

    @property
    def computed_tokens(self) -> float | None:
        """Return how many tokens of the input are computed; all, where nobody tells of a cache."""
        if self.input_tokens is None:
            return None
        return self.input_tokens - (self.cached_tokens or 0)

    @property
    def p99_between(self) -> tuple[float, float] | None:
        """Return between which bounds p99 lies: its interval, or what rounding leaves open."""
        if self.p99 is None:
            return None
        low, high = self.p99_low, self.p99_high
        return (
            self.p99 / ROUNDED if low is None else low,
            self.p99 * ROUNDED if high is None else high,
        )

    @property
    def gap(self) -> float | None:
        """Return the seconds by which p99 lies above p50."""
        return None if self.p50 is None or self.p99 is None else self.p99 - self.p50


OPTIONS = {
    "gpu_util": "--gpu-util",
    "context": "--num-ctx",
    "slots": "--parallel",
    "limit": "--output-limit",
    "output_p99": "--output-tokens-p99",
    "network": "--network",
    "queue": "--queue-p50",
}
"""What figures are called where a user says them, other than by their own names."""

_ABOVE_ZERO = ("p50", "p99", "ttft_p50", "target_p99", "output_tokens", "output_p99", "context",
               "slots", "limit", "batch", "rate", "in_flight", "prefill_rate",
               "decode_rate")  # fmt: skip
_INTERVAL = ("p99_low", "p99_high")
_SHARES = ("gpu_util", "memory", "disturbed", "reloads")

_ORDER = (
    ("p50", "p99"),
    ("ttft_p50", "p50"),
    ("queue", "p50"),
    ("queue", "queue_p99"),
    ("queue_p99", "p99"),
    ("network", "p50"),
    ("prefill_p99", "p99"),
    ("decode", "p99"),
    ("cached_tokens", "input_tokens"),
    ("cached_p1", "cached_tokens"),
    ("prefill", "prefill_p99"),
    ("output_tokens", "output_p99"),
    ("output_tokens", "limit"),
    ("output_p99", "limit"),
)
"""(one, other): the one cannot be larger."""

LEAST, MOST = 1e-9, 1e9
"""Figures beyond these are no seconds, tokens or rates of anything that serves."""


def option_of(name: str) -> str:
    """Return what a figure is called where a user says it."""
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def checked(found: Figures) -> Figures:
    """Return figures that can be true together.

    Raises InputError for one that is impossible, for two that contradict each other, and where
    nothing says how long a request takes.
    """
    for name in (f.name for f in fields(Figures) if f.name not in _INTERVAL):
        _ensure_possible(name, getattr(found, name))
    for one, other in _ORDER:
        a, b = getattr(found, one), getattr(found, other)
        if a is not None and b is not None and a > b:
            raise InputError(f"{_said(found, one)} is above {_said(found, other)}: not both hold")
    _ensure_a_time(found)
    _ensure_room(found)
    _ensure_fast_enough(found)
    return found


def _ensure_possible(name: str, value: float | None) -> None:
    if value is None:
        return
    positive = name in _ABOVE_ZERO
    least = "above 0" if positive else "0 or more"
    if not LEAST * positive <= value <= MOST:
        raise InputError(
            f"{option_of(name)}: expected a number {least} and up to {MOST:.0e}, found {value:g}"
        )
    if name in _SHARES and value > 1:
        raise InputError(f"{option_of(name)}: expected at most 100 %, found {value:.0%}")


def _ensure_a_time(found: Figures) -> None:
    if found.p50 is not None:
        return
    counts = [n for n in ("input_tokens", "output_tokens") if getattr(found, n) is not None]
    if counts:
        raise InputError(
            f"{_said(found, counts[0])} without a time or a rate tells nothing of latency; say "
            "--p50 MS as well"
        )
    raise InputError("nothing says how long a request takes; say --p50 MS, or name a result")


def _ensure_room(found: Figures) -> None:
    tokens = (found.input_tokens or 0) + (found.output_tokens or 0)
    if found.context is not None and tokens > found.context:
        raise InputError(
            f"--input-tokens and --output-tokens are {tokens:g} together, and "
            f"{_said(found, 'context')}: a request of that length has no room"
        )


def _ensure_fast_enough(found: Figures) -> None:
    """Raise InputError where tokens at their rate take longer than the whole request."""
    for tokens, rate, what in (
        (found.computed_tokens, found.prefill_rate, "prefill"),
        (found.output_tokens, found.decode_rate, "decode"),
    ):
        if tokens is None or rate is None or found.p50 is None:
            continue
        if tokens / rate > found.p50 * ROUNDED:
            raise InputError(
                f"--{what}-rate {rate:g}: {tokens:g} tokens take {tokens / rate * 1000:.0f} ms, "
                f"more than {_said(found, 'p50')}"
            )


def _said(found: Figures, name: str) -> str:
    value = getattr(found, name)
    times = ("p50", "p99", "ttft_p50", "target_p99", "prefill", "decode", "queue", "queue_p99",
             "network")  # fmt: skip
    return f"{option_of(name)} {value * 1000:g} ms" if name in times else (
        f"{option_of(name)} {value:g}")  # fmt: skip
