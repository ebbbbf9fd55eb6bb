"""How long a model takes on a machine at best, from the bytes that it has to move.

Each token of an answer reads all weights once, so that its time is bytes over bandwidth. A prompt
is read at once, which takes arithmetic. What share of a limit is reached is a range with a source.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.advice.ranges import product, quotient, scaled, total
from tuner.advice.span import Span, exactly

UNSLOWED = exactly(1.0)
"""Speed of 16-bit weights, which others are held against."""

OF_DATASHEET = Span(0.65, 0.73, 0.81)
"""Share of a data sheet's bandwidth that decoding reaches (ridgepoint 0.1.2: low, best, high)."""

OF_MEASURED = Span(0.65, 0.81, 0.97)
"""Share of a measured bandwidth that decoding reaches: 65 to 97 % (llama-roofline 0.2.3)."""

OF_HALF_RATE = Span(0.5, 1.5, 4.0)
"""Arithmetic that a prefill reaches, in rates of the shaders for 16 bits.

Tensor cores have up to four times that rate (A100: 312 of 78 TFLOPS, by NVIDIA's data sheet), and
a prefill reaches about half of what there is; at worst half of the shaders.
"""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a model runs on: bytes of memory, bytes a second, operations a second at 16 bits.

    `flops` is the rate of the shaders, None where it is not known. `measured` tells that the
    bandwidth was measured, and `source` in words where the figures come from.
    """

    name: str
    memory_bytes: float
    bandwidth: Span
    flops: float | None = None
    measured: bool = False
    source: str = ""

    @property
    def reached(self) -> Span:
        """Return the share of the bandwidth that decoding reaches."""
        return OF_MEASURED if self.measured else OF_DATASHEET


def weights_bytes(params: Span, bits: Span) -> Span:
    """Return the bytes of so many weights of so many bits each."""
    return scaled(product(params, bits), 1 / 8)


def step_s(read_bytes: Span, hardware: Hardware, speed: Span = UNSLOWED) -> Span:
    """Return the seconds of one step of decoding, which reads so many bytes.

    `speed` is the share that a format reaches of what 16-bit weights reach.
    """
    return quotient(read_bytes, product(hardware.bandwidth, hardware.reached, speed))


def prefill_s(params: Span, weights: Span, tokens: float, hardware: Hardware) -> Span | None:
    """Return the seconds in which a prompt of so many tokens is read, None without FLOPS.

    Two operations a weight and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), and at
    least one reading of the weights.
    """
    if hardware.flops is None:
        return None
    work = quotient(scaled(params, 2 * tokens), scaled(OF_HALF_RATE, hardware.flops))
    read = step_s(weights, hardware)
    return Span(max(work.low, read.low), max(work.likely, read.likely), max(work.high, read.high))


def batch_bytes(weights: Span, cached: Span, requests: int) -> Span:
    """Return the bytes that a step for so many requests reads: the weights once, each one's cache.

    `cached` are the bytes of one request in the KV cache.
    """
    return total(weights, scaled(cached, requests))
