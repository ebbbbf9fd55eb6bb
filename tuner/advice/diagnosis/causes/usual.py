"""What a usual request may spend its time on: prefill, decode, the network, memory."""

from __future__ import annotations

from tuner.advice.diagnosis.causes.hypothesis import (
    Cause,
    Hypothesis,
    Standing,
    by_share,
    judged,
    ms,
    share,
)
from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.parts import Parts
from tuner.advice.span import Span, exactly

TIGHT = 0.95
"""A memory that is used to this share has no room for one more copy of anything."""


def prefill(found: Figures, parts: Parts) -> Hypothesis:
    """Say how much of a usual request is prefill, and what it could add to a slow one."""
    if found.p50 is None or parts.how == "unknown":
        return _untold("prefill", "time to first token")
    for_it: list[str] = []
    against: list[str] = []
    said = f"{share(parts.prefill, found.p50)} of p50 ({parts.how}): {ms(parts.prefill)}"
    (for_it if parts.prefill.high >= 0.5 * found.p50 else against).append(said)
    gap = found.gap
    if gap and found.input_tokens and parts.prefill.high < gap:
        against.append(
            f"to compute all {found.input_tokens:g} input tokens once more adds "
            f"{ms(parts.prefill)} of the {ms(gap)} between p50 and p99"
        )
    return Hypothesis(
        "prefill", "usual request", by_share(parts.prefill, found.p50), parts.prefill,
        tuple(for_it), tuple(against), "the time to the first text",
        "most of the time passes before the first text, though nothing else is in flight",
    )  # fmt: skip


def decode(found: Figures, parts: Parts) -> Hypothesis:
    """Say how much of a usual request is decode, a token after the other."""
    if found.p50 is None or parts.how == "unknown":
        return _untold("decode", "tokens of the answer")
    for_it: list[str] = []
    against: list[str] = []
    said = f"{share(parts.decode, found.p50)} of p50 ({parts.how}): {ms(parts.decode)}"
    (for_it if parts.decode.high >= 0.5 * found.p50 else against).append(said)
    if found.output_tokens:
        most = found.p50 / found.output_tokens
        for_it.append(
            f"{found.output_tokens:g} tokens come one after another, each in at most {ms(most)} "
            "(p50 over output tokens)"
        )
    return Hypothesis(
        "decode", "usual request", by_share(parts.decode, found.p50), parts.decode,
        tuple(for_it), tuple(against), "the time after the first text",
        "time after the first text grows with the length of the answer",
    )  # fmt: skip


def left_over(found: Figures, parts: Parts) -> Span | None:
    """Return what a usual request takes beside measured prefill and decode; None where unknown."""
    if parts.how != "measured" or found.p50 is None:
        return None
    left = max(0.0, found.p50 - parts.service - parts.other)
    return Span(0.0, left / 2, left)


def network(found: Figures, parts: Parts) -> Hypothesis:
    """Say how much of a usual request is the way to the server and back."""
    left = left_over(found, parts)
    if found.network is None and left is not None and found.p50:
        said = f"{ms(left.high)} of p50 are neither prefill nor decode: network or queue"
        records, sign = "the way to the server and back, as a ping takes it", "that takes as long"
        return judged("network", "usual request", left, found.p50, said, records, sign)
    if found.network is None or found.p50 is None:
        return _untold("network", "what is left of a request beside the server's own times")
    told = exactly(found.network)
    said = f"{ms(found.network)} are {share(told, found.p50)} of p50"
    return judged(
        "network", "usual request", told, found.p50, said, "what is left beside the server's times",
        "much is left beside what the server says that it took",
    )  # fmt: skip


def memory(found: Figures) -> Hypothesis:
    """Say whether memory may be short, and how much of the window is used."""
    against: list[str] = []
    tokens = (found.input_tokens or 0) + (found.output_tokens or 0)
    if found.context and tokens:
        against.append(
            f"a request fills {tokens / found.context:.0%} of its window of {found.context} "
            "tokens; the rest holds memory and takes no time, as long as all of it fits"
        )
    if found.memory is None:
        return Hypothesis(
            "memory", "usual request", "unknown", None,
            (), ("no figure says how full the memory is", *against),
            "memory in use, and bytes read back from swap", "bytes come back from swap",
        )  # fmt: skip
    said = f"{found.memory:.0%} of the memory is in use"
    tight = found.memory >= TIGHT
    standing: Standing = "possible" if tight else "excluded"
    return Hypothesis(
        "memory", "usual request", standing, None if tight else Span(0.0, 0.0, 0.0),
        (said,) if tight else (), tuple(against) if tight else (said, *against),
        "memory in use, and bytes read back from swap", "bytes come back from swap",
    )  # fmt: skip


def _untold(cause: Cause, records: str) -> Hypothesis:
    return Hypothesis(
        cause, "usual request", "unknown", None, (), ("no figure speaks of it",), records, ""
    )
