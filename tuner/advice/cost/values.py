"""The values of `tune cost`: what serves, what is asked of it, what might be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuner.advice.roofline import UNSLOWED, Hardware
from tuner.advice.span import Span

HOURS_A_MONTH = 365 * 24 / 12

Effort = Literal["low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Format:
    """How weights are written: in files of which kind, with how many bits each.

    `speed` is the share of the bandwidth of 16-bit weights that decoding reaches. `perplexity` is
    the published ratio to 16 bits by model, {} where none is known; `remark` what else is published
    of its losses, `like` what other kinds of files have in its place, by kind.
    """

    name: str
    files: str
    bits: Span
    speed: Span = UNSLOWED
    perplexity: Mapping[str, float] = field(default_factory=dict)
    remark: str | None = None
    like: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Takes:
    """Which files an engine serves, and what is known of the others."""

    engine: str
    files: tuple[str, ...]
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its parameters, the bytes of its weights, and of a token in its KV cache.

    `name` is how it was named. None is unknown.
    """

    name: str
    params: Span
    weights: Span
    cached: Span


@dataclass(frozen=True, slots=True)
class Setup:
    """What serves: a model in a format, on hardware for a price an hour, by an engine.

    None is unknown. `hits` is the share of requests that a cache answers without the engine.
    """

    model: Model | None = None
    format: Format | None = None
    hardware: Hardware | None = None
    price: float | None = None
    takes: Takes | None = None
    hits: float = 0.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked: requests an hour, tokens of each on average, requests in flight at once.

    `context` is how many tokens of cache are kept for a request. None is unknown.
    """

    per_hour: float
    input_tokens: float | None = None
    output_tokens: float | None = None
    in_flight: int = 1
    context: float | None = None

    @property
    def tokens(self) -> float | None:
        """Return the tokens of a request and its answer."""
        known = (self.input_tokens, self.output_tokens)
        return None if None in known else sum(t for t in known if t is not None)

    @property
    def kept(self) -> float | None:
        """Return how many tokens of cache a request needs."""
        return self.tokens if self.context is None else self.context


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of what serves today: seconds of a request, and requests an hour.

    `per_hour` is what came with `in_flight` at once, so that the capacity is at least that.
    """

    request_s: Span
    per_hour: float
    in_flight: int
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Api:
    """The price of an API in $ per million tokens."""

    input_price: float
    output_price: float


@dataclass(frozen=True, slots=True)
class Strategy:
    """What might be done: `setup` afterwards, and which of its parts are others than today.

    `effort`, `quality` and `note` are the user's own words, None where nothing was said.
    """

    label: str
    name: str
    setup: Setup
    changed: tuple[str, ...]
    effort: Effort | None = None
    quality: str | None = None
    note: str | None = None
