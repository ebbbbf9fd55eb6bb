"""What a model needs in memory, and whether that fits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tuner.advice.cost.values import Demand, Model, Setup
from tuner.advice.ranges import product, scaled, total
from tuner.advice.roofline import weights_bytes
from tuner.advice.span import Span, exactly

NAMED = Span(0.93, 1.0, 1.09)
"""How far models lie from the size in their names: 7B is 6.74e9 (Llama 2) to 7.62e9 (Qwen2.5)."""

OVERHEAD = Span(0.3 * 2**30, 1.1 * 2**30, 2.0 * 2**30)
"""What is neither weights nor cache: context of the driver, activations, graphs.

vLLM 0.19 on H100 has .25 + .05 + .84 GiB (medians, `python -m bench.memory`); the bounds are the
driver's context alone, and as much again for a larger batch.
"""

_CACHED_7B = 4 * 32 * 4096
"""Bytes a token of 32 layers of width 4096 in 16 bits, each head with its own keys: Llama-2-7B."""

_SHARED_HEADS = Span(1 / 9.5, 1 / 4.5, 1.0)
"""Cache of models whose heads share keys: Qwen2.5-7B 56 KiB, Llama-3-8B 128 KiB, Llama-2-7B all."""

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMBT])\s*", re.IGNORECASE)
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_EXACT_DIGITS = 3
_LARGEST = 1e15

Fit = Literal["fits", "may not fit", "does not fit"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that serving takes: weights, KV cache, the rest, and all of it."""

    weights: Span
    cache: Span
    overhead: Span

    @property
    def needed(self) -> Span:
        """Return the sum."""
        return total(self.weights, self.cache, self.overhead)


def parse_params(text: str) -> Span:
    """Return the parameters of a model from a size such as 7B; raise ValueError.

    A size of one or two digits is a name, and models of that name differ; 7.62B is a count.
    """
    found = _SIZE.fullmatch(text)
    count = float(found[1]) * _UNITS[found[2].upper()] if found else 0.0
    if found is None or not 0 < count <= _LARGEST:
        raise ValueError("expected the size of a model, such as 7B, 135M or 7.62B")
    digits = found[1].replace(".", "").lstrip("0")
    return exactly(count) if len(digits) >= _EXACT_DIGITS else scaled(NAMED, count)


def cached_per_token(params: Span) -> Span:
    """Return the bytes of a token in the KV cache of a model of which only the size is known.

    Layers times width grows with the parameters to the power 2/3, as both grow alike.
    """
    grown = Span(*((p / 6.74e9) ** (2 / 3) for p in (params.low, params.likely, params.high)))
    return product(scaled(grown, _CACHED_7B), _SHARED_HEADS)


def of_size(name: str, params: Span, bits: Span) -> Model:
    """Return a model from its size and the bits of its weights."""
    return Model(name, params, weights_bytes(params, bits), cached_per_token(params))


def memory(setup: Setup, demand: Demand) -> Memory | None:
    """Return what serving takes in memory, None where model or context are not known."""
    if setup.model is None or demand.kept is None:
        return None
    cache = scaled(setup.model.cached, demand.kept * demand.in_flight)
    return Memory(setup.model.weights, cache, OVERHEAD)


def fit(needed: Span, there: float) -> Fit:
    """Tell whether so many bytes fit into what there is."""
    if needed.high <= there:
        return "fits"
    return "may not fit" if needed.low <= there else "does not fit"
