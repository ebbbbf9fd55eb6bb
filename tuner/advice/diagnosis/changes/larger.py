"""Changes of prompts, of the client, of the model and of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tuner.advice.diagnosis.causes.hypothesis import ms, number, share
from tuner.advice.diagnosis.changes.effect import SAME, World
from tuner.advice.diagnosis.changes.proposal import Names, Proposal, Untold
from tuner.advice.span import Span

SHARED = Span(0.1, 0.5, 1.0)
"""What is left of prefill where the beginning that prompts share is kept; 1 where it is already."""

SHORTER_PROMPT = Span(0.6, 0.7, 1.0)
"""Prefill with 30 % fewer input tokens; 1 where what goes was cached."""

COMPUTED = 0.8
"""The most that is left of it where nothing of a prompt is cached."""

SHOT = Span(30.0, 60.0, 120.0)
"""Tokens of one example, a short question with its answer. An assumption."""

SHORTER_ANSWERS = Span(0.7, 0.75, 0.9)
"""Decode with a quarter fewer output tokens; models do not keep to it exactly."""

HALF_THE_BYTES = Span(0.5, 0.65, 0.95)
"""Decode with weights of half the size. llama.cpp pull request 4766, an RTX 4090: 61 tokens/s at
F16, 98 at Q8_0, a time of 0.62; 0.5 where bytes alone count."""

UNPACKED = Span(0.95, 1.1, 1.45)
"""Prefill with weights of half the size, which have to be unpacked. The same source: 11,048
tokens/s at F16, 7,664 at Q8_0."""

TWICE = Span(0.5, 0.6, 0.75)
"""Time on hardware with twice the bandwidth: engines reach 65 to 97 % of it (llama-roofline)."""


def larger(world: World, names: Names) -> Iterator[Proposal | Untold]:
    """Yield the changes that take hours or days."""
    known = world.parts.how != "unknown"
    if not known:
        missing = "how much of a request is prefill, and how much decode"
        yield Untold("cache, prompt, shots, answers", "medium", missing)
        yield Untold("quantisation", "high", missing)
    else:
        yield _cache(world, names)
        yield _prompt(world, names)
        yield from _shots(world, names)
        yield _answers(world, names)
        yield _quantisation(world, names)
    yield _streaming(world, names)
    yield _hardware(world, names)


def _cache(world: World, names: Names) -> Proposal:
    found, factor = world.found, SHARED
    if found.cached_tokens and found.input_tokens:
        left = 1 - found.cached_tokens / found.input_tokens
        factor = Span(1 - 0.5 * left, 1 - 0.1 * left, 1.0)
    p50, p99 = world.after(world.factor(prefill=factor))
    return Proposal(
        "cache", "medium", "what all prompts share comes first, unchanged, and is kept", p50, p99,
        f"prefill x {factor.low:.2g} to {factor.high:.2g}", _shares(world),
        names.measure("", "shared-first"),
        ("measure again with the prompts put in that order",
         "examples that change with each request end what is shared",),
    )  # fmt: skip


def _prompt(world: World, names: Names) -> Proposal | Untold:
    if names.system == "none":
        return Untold("prompt", "medium", "nothing: no system text is sent")
    kept = world.found.cached_tokens != 0
    factor = SHORTER_PROMPT if kept else replace(SHORTER_PROMPT, high=COMPUTED)
    p50, p99 = world.after(world.factor(prefill=factor))
    return Proposal(
        "prompt", "medium", "30 % fewer input tokens, by a shorter system text", p50, p99,
        f"prefill x {factor.low:g} to {factor.high:g}", _shares(world),
        names.setting("system", "compact"),
        ("`compact` stands for the shorter text of the study",
         "what a cache keeps costs no prefill: shortening that saves nothing",),
    )  # fmt: skip


def _shots(world: World, names: Names) -> Iterator[Proposal | Untold]:
    computed = world.found.computed_tokens
    if names.shots == 0 or not computed:
        yield Untold("shots", "medium", "nothing: no examples are sent" if names.shots == 0
                     else "the tokens of the input")  # fmt: skip
        return
    parts = (1 - tokens / computed for tokens in (SHOT.high, SHOT.likely, 0.0))
    factor = Span(*(max(0.3, part) for part in parts))
    p50, p99 = world.after(world.factor(prefill=factor))
    yield Proposal(
        "shots", "medium", "one example fewer", p50, p99,
        f"prefill x (1 - tokens of an example / computed tokens), from {factor.low:.2g} to 1 where "
        "it is cached",
        {"computed tokens": f"{computed:g}", "tokens of an example": number(SHOT),
         **_shares(world)},
        names.setting("shots", max(0, (names.shots or 1) - 1)),
        ("the guard tells whether answers stay right without it",),
    )  # fmt: skip


def _answers(world: World, names: Names) -> Proposal:
    p50, p99 = world.after(world.factor(decode=SHORTER_ANSWERS))
    tokens = world.found.output_tokens
    return Proposal(
        "answers", "medium", "a quarter fewer output tokens, by what is asked for",
        p50, p99, f"decode x {SHORTER_ANSWERS.low:g} to {SHORTER_ANSWERS.high:g}",
        {"usual answer": "unknown" if tokens is None else f"{tokens:g} tokens", **_shares(world)},
        names.measure("", "shorter-answers"),
        ("measure again with a prompt or a schema that asks for less",
         "answers that are meant to be long lose by it",),
    )  # fmt: skip


def _streaming(world: World, names: Names) -> Proposal | Untold:
    found, parts = world.found, world.parts
    p50, p99 = world.after(SAME)
    first = None
    if found.ttft_p50 is not None:
        first = Span(found.ttft_p50, found.ttft_p50, found.ttft_p50)
    elif parts.how != "unknown" and found.output_tokens:
        pace = parts.decode.likely / found.output_tokens
        first = Span(*(parts.other + t + pace for t in
                       (parts.prefill.low, parts.prefill.likely, parts.prefill.high)))  # fmt: skip
    if first is None:
        return Untold("streaming", "medium", "the time to the first text, or tokens")
    return Proposal(
        "streaming", "medium", "the client shows text as it comes", p50, p99,
        "the whole takes as long; the first text comes after queue, prefill and one token",
        _shares(world),
        f"tune measure {names.study} --requests {names.requests} --target-ttft-p99 "
        f"{max(1, round(2000 * first.likely))} --out out/first-text",
        (f"the first text after {ms(first)} where a request does not wait",), first,
    )  # fmt: skip


def _quantisation(world: World, names: Names) -> Proposal:
    factor = world.factor(prefill=UNPACKED, decode=HALF_THE_BYTES)
    p50, p99 = world.after(factor)
    return Proposal(
        "quantisation", "high", "weights of half the size, such as Q4_K_M for Q8_0", p50, p99,
        f"decode x {HALF_THE_BYTES.low:g} to {HALF_THE_BYTES.high:g}, prefill x "
        f"{UNPACKED.low:g} to {UNPACKED.high:g}", _shares(world),
        names.measure("--model ./smaller.gguf", "smaller"),
        ("what it costs in quality the guard measures; figures cannot say it",),
    )  # fmt: skip


def _hardware(world: World, names: Names) -> Proposal:
    p50, p99 = world.after(TWICE)
    return Proposal(
        "hardware", "high", "a machine with twice the bandwidth and twice the compute", p50, p99,
        f"service x {TWICE.low:g} to {TWICE.high:g}", _shares(world),
        f"tune measure {names.study} --requests {names.requests} --out out/there",
        ("run it there; `tune compare --force` puts both side by side",),
    )  # fmt: skip


def _shares(world: World) -> dict[str, str]:
    if world.parts.how == "unknown":
        return {"share of prefill": "unknown"}
    return {"share of prefill": f"{share(world.parts.prefill_share, 1.0)} ({world.parts.how})"}
