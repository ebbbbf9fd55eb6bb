"""What may make the slowest requests slow: lengths, reloads, the prompt cache, the machine."""

from __future__ import annotations

import math
from dataclasses import replace

from tuner.advice.diagnosis.causes.hypothesis import (
    SMALL,
    WHOLE,
    Cause,
    Hypothesis,
    Standing,
    judged,
    ms,
    number,
    share,
)
from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.parts import LEAST_TOKEN_S, Parts
from tuner.advice.span import Span, exactly

GEOMETRIC = 4.6
"""A geometric length has its p99 at ln(100) times its mean: texts hardly spread more."""

LEAST_LOAD_S = 0.2
"""Nothing loads a model faster: 135 million parameters at Q8_0 are 145 MB."""

KEPT_S = 300.0
"""Ollama unloads a model after so many seconds without a request (OLLAMA_KEEP_ALIVE)."""

ONE_IN = 0.01
"""What hits a smaller share of requests than this is not in a p99."""


def output_length(found: Figures, parts: Parts) -> Hypothesis:
    """Say how long the longest answers would have to be, or how much those that are known take."""
    gap, tokens = found.gap, found.output_tokens
    records = "the tokens of each answer"
    if gap is None or not tokens or parts.decode.low / tokens < LEAST_TOKEN_S:
        return _unknown("output length", records, "no figure says how lengths and times vary")
    pace = Span(*(t / tokens for t in (parts.decode.low, parts.decode.likely, parts.decode.high)))
    if found.output_p99 is not None:
        return _known_lengths(found.output_p99, tokens, pace, gap, records)
    needed = Span(tokens + gap / pace.high, tokens + gap / pace.likely, tokens + gap / pace.low)
    for_it = [f"a p99 of {number(needed)} tokens, {needed.low / tokens:.1f} times the usual "
              f"{tokens:g} or more, gives the {ms(gap)}"]  # fmt: skip
    against: list[str] = []
    standing: Standing = "possible"
    if needed.low > GEOMETRIC * tokens:
        against.append(f"lengths hardly spread by more than {GEOMETRIC} times (geometric)")
        standing = "unlikely"
    most = _longest(found)
    if most is not None and most < needed.low:
        against.append(f"no answer can be longer than {most:g} tokens")
        standing, for_it = "excluded", []
    accounts = gap if most is None else min(gap, max(0.0, most - tokens) * pace.high)
    return Hypothesis(
        "output length", "slowest 1 %", standing, Span(0.0, accounts / 2, accounts),
        tuple(for_it or (f"it would take a p99 of {number(needed)} tokens",)), tuple(against),
        records, f"they have about {needed.likely:.0f} tokens or more",
    )  # fmt: skip


def _longest(found: Figures) -> float | None:
    """Return the most tokens that an answer can have."""
    room = None if found.context is None else found.context - (found.input_tokens or 0)
    return min((m for m in (found.limit, room) if m is not None), default=None)


def _known_lengths(p99: float, tokens: float, pace: Span, gap: float, records: str) -> Hypothesis:
    more = p99 - tokens
    accounts = Span(more * pace.low, more * pace.likely, more * pace.high)
    said = (
        f"answers of {p99:g} tokens, {more:g} more than usual, take {ms(accounts)} longer: "
        f"{share(accounts, gap)} of the {ms(gap)} between p50 and p99"
    )
    sign = f"they have about {p99:g} tokens"
    return judged("output length", "slowest 1 %", accounts, gap, said, records, sign)


def reload(found: Figures) -> Hypothesis:
    """Say whether loading the model again may be what slow requests wait for."""
    gap, records = found.gap, "the time spent on loading the model"
    if gap is None:
        return _unknown("reload", records, "no figure says how latencies vary")
    sign, least = "loading took most of their time", found.load_s or LEAST_LOAD_S
    if found.reloads is not None:
        return _known_loads(found.reloads, found.load_s or 0.0, gap, records, sign)
    if gap < least * WHOLE:
        took = "takes" if found.load_s else "takes at the least"
        return Hypothesis(
            "reload", "slowest 1 %", "excluded", Span(0.0, 0.0, 0.0), (),
            (f"loading {took} {ms(least)}, and p99 lies only {ms(gap)} above p50",), records, sign,
        )  # fmt: skip
    for_it = (f"it takes one request in 100 that finds no model, and a load of about {ms(gap)}",)
    if found.in_flight is not None:
        return Hypothesis("reload", "slowest 1 %", "unlikely", Span(0.0, 0.0, gap), (),
                          ("a closed loop never pauses, so that no model is unloaded for that",),
                          records, sign)  # fmt: skip
    if found.rate is None:
        against = ("the figures do not say how often there is a pause, or another model",)
        return Hypothesis("reload", "slowest 1 %", "possible", Span(0.0, gap / 2, gap), for_it,
                          against, records, sign)  # fmt: skip
    pauses = math.exp(-KEPT_S * found.rate)
    said = (
        f"at {found.rate:g} requests/s a pause of {KEPT_S:g} s, after which a model is unloaded by "
        f"default, comes before {pauses:.1%} of them"
    )
    if pauses < ONE_IN:
        return Hypothesis("reload", "slowest 1 %", "unlikely", Span(0.0, 0.0, gap), (), (said,),
                          records, sign)  # fmt: skip
    return Hypothesis("reload", "slowest 1 %", "possible", Span(0.0, gap / 2, gap),
                      (*for_it, said), (), records, sign)  # fmt: skip


def _known_loads(reloads: float, load_s: float, gap: float, records: str, sign: str) -> Hypothesis:
    said = f"{reloads:.1%} of the requests waited for the model to be loaded"
    if reloads < ONE_IN:
        return Hypothesis("reload", "slowest 1 %", "excluded", exactly(0.0), (), (said,), records,
                          sign)  # fmt: skip
    return judged("reload", "slowest 1 %", exactly(min(gap, load_s)), gap,
                  f"{said}, {ms(load_s)} in the median", records, sign)  # fmt: skip


def cache_misses(found: Figures, parts: Parts) -> Hypothesis:
    """Say how many tokens a prompt cache would have to miss, and whether there are so many."""
    gap, computed = found.gap, found.computed_tokens
    records = "the tokens of each prompt that were computed"
    if gap is None or not computed or parts.prefill.high / computed < LEAST_TOKEN_S:
        return _unknown("cache misses", records, "no figure says what a token of a prompt takes")
    pace = Span(*(t / computed for t in (parts.prefill.low, parts.prefill.likely,
                                         parts.prefill.high)))  # fmt: skip
    if found.cached_tokens is not None:
        return _known_cache(found, pace, gap, records)
    needed = gap / pace.high
    room = None if found.context is None else found.context - (found.output_tokens or 0)
    sign = f"they computed {needed:.0f} tokens of their prompts or more"
    if room is not None and room < needed:
        said = (f"it takes {needed:,.0f} tokens or more computed again, and a window has room for "
                f"{room:,.0f}")  # fmt: skip
        return Hypothesis(
            "cache misses", "slowest 1 %", "excluded", Span(0.0, 0.0, room * pace.high), (),
            (said,), records, sign,
        )  # fmt: skip
    for_it = (
        f"a shared beginning of {needed:,.0f} tokens or more, dropped when other users come "
        f"between, gives the {ms(gap)}",
    )
    against = ("the figures do not say what of a prompt is cached",)
    return Hypothesis("cache misses", "slowest 1 %", "possible", Span(0.0, gap / 2, gap), for_it,
                      against, records, sign)  # fmt: skip


def _known_cache(found: Figures, pace: Span, gap: float, records: str) -> Hypothesis:
    """Say what a miss costs: of all that is cached, or of what 1 request in 100 misses at least."""
    cached, least = found.cached_tokens or 0.0, found.cached_p1 or 0.0
    missed = max(0.0, cached - least)
    accounts = Span(missed * pace.low, missed * pace.likely, missed * pace.high)
    sign = f"they computed {missed:g} tokens more than usual"
    if found.cached_p1 is not None:
        said = (f"1 request in 100 finds {least:g} of the usual {cached:g} cached tokens or fewer, "
                f"which adds {ms(accounts)} of {ms(gap)}")  # fmt: skip
        return judged("cache misses", "slowest 1 %", accounts, gap, said, records, sign)
    said = f"a miss of all {cached:g} cached tokens adds {ms(accounts)} of {ms(gap)}"
    most = replace(accounts, low=0.0, likely=accounts.likely / 2)
    return judged("cache misses", "slowest 1 %", most, gap, said, records, sign)


def long_prefill(found: Figures) -> Hypothesis | None:
    """Say what the longest prefills add, where they were measured; None where they were not."""
    if found.prefill is None or found.prefill_p99 is None or found.gap is None:
        return None
    more = max(0.0, found.prefill_p99 - found.prefill)
    said = (f"1 prefill in 100 takes {ms(found.prefill_p99)} or more, {ms(more)} beyond the usual, "
            f"of the {ms(found.gap)}")  # fmt: skip
    return judged("prefill", "slowest 1 %", exactly(more), found.gap, said,
                  "the tokens of each prompt", "their prompts are longer")  # fmt: skip


def nothing_slow(found: Figures, one: Hypothesis) -> Hypothesis:
    """Return a hypothesis on the slowest requests as excluded, where they are hardly slower."""
    gap, p50 = found.gap, found.p50
    if gap is None or p50 is None or gap >= SMALL * p50 or one.where != "slowest 1 %":
        return one
    said = f"p99 lies only {ms(gap)} above p50: there are no slow requests to explain"
    return replace(one, standing="excluded", accounts=exactly(0.0), for_it=(), against=(said,))


def tail_noise(found: Figures, explained: str | None) -> Hypothesis:
    """Say whether the machine may have halted requests; `explained` names who explains p99."""
    records = "the time that other programs, a hypervisor or a quota took"
    sign = "the machine was taken away meanwhile"
    left = (
        (f"{explained} alone gives this p99, and leaves nothing to explain",) if explained else ()
    )
    if found.disturbed is None:
        why = ("no figure speaks of the machine", *left)
        return Hypothesis("tail noise", "slowest 1 %", "unknown", None, (), why, records, sign)
    said = f"{found.disturbed:.1%} of the time were taken from the server"
    if found.disturbed >= ONE_IN:
        gap = found.gap
        accounts = None if gap is None else Span(0.0, gap / 2, gap)
        return Hypothesis("tail noise", "slowest 1 %", "possible", accounts, (said,),
                          left, records, sign)  # fmt: skip
    return Hypothesis("tail noise", "slowest 1 %", "excluded", exactly(0.0), (), (said, *left),
                      records, sign)  # fmt: skip


def _unknown(cause: Cause, records: str, why: str) -> Hypothesis:
    return Hypothesis(cause, "slowest 1 %", "unknown", None, (), (why,), records, "")
