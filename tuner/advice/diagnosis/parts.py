"""What a usual request spends its time on: network, queue, prefill and decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.load import usual_wait
from tuner.advice.span import Span, exactly

Known = Literal["measured", "by rates", "by time to first token", "by token counts", "unknown"]

RATIO_ANY = Span(3.0, 20.0, 180.0)
RATIO_GPU = Span(5.0, 30.0, 180.0)
"""Time of one token in decode over one in prefill, of any hardware and of a GPU. Sources, each a
benchmark of llama.cpp: a CPU 3.0 (ggml-org/llama.cpp issue 34: 55.2 and 18.3 tokens/s), an M4 10.8
(brand-o/normiebench issue 3), an M2 Ultra 11 (llama.cpp pull request 4280), an RTX 5090 4.3
(CambrianTech/continuum pull request 1627), an RTX 4090 78 at Q8_0 and 181 at F16 (llama.cpp pull
request 4766)."""


LEAST_TOKEN_S = 1e-8
"""No token takes less time than this: a shorter one is no figure to reckon with."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds of a usual request (p50); `other` is network and queue, as far as they are known.

    `how` says by which figures prefill and decode are told apart.
    """

    prefill: Span
    decode: Span
    other: float
    how: Known

    @property
    def service(self) -> float:
        """Return prefill and decode together."""
        return self.prefill.likely + self.decode.likely

    @property
    def decode_share(self) -> Span:
        """Return the share of decode in prefill and decode."""
        return _share(self.decode, self.prefill)

    @property
    def prefill_share(self) -> Span:
        """Return the share of prefill in prefill and decode."""
        return _share(self.prefill, self.decode)


def _share(one: Span, other: Span) -> Span:
    def share(a: float, b: float) -> float:
        return a / (a + b) if a + b > 0 else 0.0

    return Span(
        share(one.low, other.high), share(one.likely, other.likely), share(one.high, other.low)
    )


def parts_of(found: Figures) -> Parts:
    """Return the parts of a usual request, by the best figures that there are."""
    other = (found.network or 0.0) + usual_wait(found)
    whole = max(0.0, (found.p50 or 0.0) - other)
    if found.prefill is not None and found.decode is not None:
        return Parts(exactly(found.prefill), exactly(found.decode), other, "measured")
    if rated := _by_rates(found, whole):
        return Parts(*rated, other, "by rates")
    if found.ttft_p50 is not None:
        return Parts(
            *_by_first_token(found.ttft_p50, other, whole), other, "by time to first token"
        )
    if found.input_tokens is not None and found.output_tokens is not None:
        return Parts(*_by_counts(found, whole), other, "by token counts")
    return Parts(Span(0.0, whole / 2, whole), Span(0.0, whole / 2, whole), other, "unknown")


def _by_rates(found: Figures, whole: float) -> tuple[Span, Span] | None:
    """Return parts by the rate of one of them, the other being what is left; None without any."""
    if found.prefill_rate is not None and found.computed_tokens is not None:
        prefill = min(whole, found.computed_tokens / found.prefill_rate)
        return _within(prefill, whole), _within(whole - prefill, whole)
    if found.decode_rate is not None and found.output_tokens is not None:
        decode = min(whole, found.output_tokens / found.decode_rate)
        return _within(whole - decode, whole), _within(decode, whole)
    return None


def _within(seconds: float, whole: float) -> Span:
    """Return a part by rounded rates: within a tenth of it, and inside of the whole."""
    return Span(0.9 * seconds, seconds, min(whole, 1.1 * seconds))


def _by_first_token(ttft: float, other: float, whole: float) -> tuple[Span, Span]:
    """Return parts by the time to the first text: what comes before it is prefill or unknown."""
    before = min(whole, max(0.0, ttft - other))
    rest = whole - before
    return Span(0.5 * before, 0.9 * before, before), Span(rest, rest, rest + 0.5 * before)


def _by_counts(found: Figures, whole: float) -> tuple[Span, Span]:
    """Return parts by token counts: a token of decode takes RATIO_ANY times one of prefill."""
    ratio = RATIO_ANY if found.gpu_util is None else RATIO_GPU
    read, written = found.computed_tokens or 0.0, found.output_tokens or 0.0

    def prefill(times: float) -> float:
        return whole * read / (read + times * written) if read + written > 0 else 0.0

    share = Span(prefill(ratio.high), prefill(ratio.likely), prefill(ratio.low))
    return share, Span(whole - share.high, whole - share.likely, whole - share.low)
