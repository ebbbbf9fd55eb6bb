"""Changes of a setting: the window, the longest answer, sampling, the batch, the slots."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tuner.advice.diagnosis.causes.hypothesis import ms, share
from tuner.advice.diagnosis.causes.usual import TIGHT
from tuner.advice.diagnosis.changes.effect import SAME, World, pace
from tuner.advice.diagnosis.changes.proposal import Names, Proposal, Untold
from tuner.advice.diagnosis.parts import LEAST_TOKEN_S
from tuner.advice.span import Span

SAMPLER_S = Span(0.0, 0.00005, 0.0003)
"""Seconds that choosing a token takes beside computing it. An assumption: it goes over a vocabulary
of 32,000 to 150,000 once or a few times."""

TIMES = (2, 4)
"""How many times as many slots are looked at."""

LARGER_BATCH = Span(0.79, 0.93, 1.0)
"""Time of prefill with batches of twice the size. llama.cpp pull request 7676, an RTX 4090: 4991,
5833 and 6280 tokens/s at 128, 256 and 512."""

BATCH = 512
"""Tokens of a prompt that are computed at once by default."""

ROOM = 2
"""A window for requests of so many times the usual length."""

LONGEST = 1.5
"""A limit of so many times the usual answer."""


def quick(world: World, names: Names) -> Iterator[Proposal | Untold]:
    """Yield the changes of a setting."""
    yield _context(world, names)
    yield _limit(world, names)
    yield _sampling(world, names)
    yield _batch(world, names)
    yield from _parallel(world, names)


def _context(world: World, names: Names) -> Proposal | Untold:
    found = world.found
    if found.context is None or found.input_tokens is None or found.output_tokens is None:
        return Untold("context", "quick", "the window and the tokens of a request")
    tokens = found.input_tokens + found.output_tokens
    window = 2 ** math.ceil(math.log2(max(256.0, ROOM * tokens)))
    if window >= found.context:
        return Untold(
            "context", "quick", f"nothing: {tokens:g} tokens need most of {found.context}"
        )
    tight = found.memory is not None and found.memory >= TIGHT
    factor = Span(0.5 if tight else 0.97, 0.9 if tight else 1.0, 1.0)
    p50, p99 = world.after(factor)
    return Proposal(
        "context", "quick", f"a window of {window} tokens in place of {found.context}", p50, p99,
        "attention goes over the tokens that are there, not over the window: service x "
        f"{factor.low:g} to {factor.high:g}",
        {"window": f"{found.context}", "tokens of a request": f"{tokens:g}"},
        names.setting(names.context, window),
        (f"frees {1 - window / found.context:.0%} of the memory for the window of each slot, which "
         "pays where memory is short",
         f"requests of more than {window} tokens are cut or refused"),
    )  # fmt: skip


def _limit(world: World, names: Names) -> Proposal | Untold:
    found = world.found
    if found.output_tokens is None:
        return Untold("output limit", "quick", "the tokens of an answer")
    limit = math.ceil(LONGEST * found.output_tokens)
    if found.limit is not None and found.limit <= limit:
        return Untold("output limit", "quick", f"nothing: answers end at {found.limit} tokens")
    shares = world.parts.decode_share
    longest = Span(*(1 + (LONGEST - 1) * s for s in (shares.low, shares.likely, shares.high)))
    p50, p99 = world.after(SAME, longest=longest)
    return Proposal(
        "output limit", "quick", f"answers end at {limit} tokens", p50, p99,
        "service times are cut off at prefill + limit x time of a token",
        {"usual answer": f"{found.output_tokens:g} tokens", "limit": f"{limit} tokens",
         "share of decode": share(shares, 1.0)},
        names.setting(names.limit, limit),
        ("longer answers come cut off: the guard counts them as truncated",),
    )  # fmt: skip


def _sampling(world: World, names: Names) -> Proposal | Untold:
    found, decode = world.found, world.parts.decode
    pace = decode.likely / (found.output_tokens or 1)
    if found.temperature is None or not found.output_tokens or pace < LEAST_TOKEN_S:
        return Untold("sampling", "quick", "the temperature and the tokens of an answer")
    if found.temperature == 0:
        return Untold("sampling", "quick", "nothing: the temperature is 0 already")
    spared = (max(0.0, 1 - s / pace) for s in (SAMPLER_S.high, SAMPLER_S.likely, SAMPLER_S.low))
    p50, p99 = world.after(world.factor(decode=Span(*spared)))
    return Proposal(
        "sampling", "quick", f"temperature 0 in place of {found.temperature:g}", p50, p99,
        f"a token takes {ms(pace)}, of which choosing it takes {ms(SAMPLER_S)}",
        {"temperature": f"{found.temperature:g}", "time of a token": ms(pace)},
        names.setting("temperature", 0),
        ("sampling hardly moves latency; how it changes answers and their lengths only a "
         "measurement tells",),
    )  # fmt: skip


def _batch(world: World, names: Names) -> Proposal | Untold:
    computed = world.found.computed_tokens
    if computed is None:
        return Untold("batch", "quick", "the tokens of the input")
    batch = world.found.batch or BATCH
    fits = computed <= batch
    factor = SAME if fits else LARGER_BATCH
    p50, p99 = world.after(world.factor(prefill=factor))
    how = f"{computed:g} tokens take {math.ceil(computed / batch)} x {batch}"
    return Proposal(
        "batch", "quick", f"batches of {2 * batch} tokens", p50, p99,
        f"{how}: prefill x {factor.low:g} to {factor.high:g}",
        {"computed tokens": f"{computed:g}", "batch": f"{batch}"
         + ("" if world.found.batch else " (usual default)")},
        names.setting(names.batch, 2 * batch),
        ("a prompt that fits into one batch gains nothing from a larger one",) if fits else (),
    )  # fmt: skip


def _parallel(world: World, names: Names) -> Iterator[Proposal | Untold]:
    if not world.every:
        yield Untold("parallel", "quick", "p50 and p99, of requests that come by themselves")
        return
    now = world.found.slots or 1
    for times in TIMES:
        slots = times * now
        p50, p99 = world.with_slots(slots)
        least = min(s.unlimited().p99 for s in world.every)
        yield Proposal(
            "parallel", "quick", f"{slots} slots in place of {now}", p50, p99,
            f"{_queue(world, slots)}; those that are served together slow each "
            f"other, {slots} of them by {_paces(slots)}",
            {"mean service": ms(_range([s.service for s in world.every])),
             "cv of service": _plain([s.cv for s in world.every]),
             "utilisation now": share(_range([s.utilisation for s in world.every]), 1.0)},
            names.setting(names.slots, slots),
            (f"no number of slots gets p99 below {ms(least)}: that is one request alone",
             f"service times are taken to vary by {min(s.cv for s in world.every):.0%} or more",
             "each slot takes memory for a window of its own"),
        )  # fmt: skip


def _queue(world: World, slots: int) -> str:
    if world.found.in_flight is None:
        return f"M/G/c with c = {slots} at the same rate"
    return f"{world.found.in_flight} in flight take turns at {slots} slots"


def _paces(slots: int) -> str:
    best, _, worst = pace(slots)
    return f"{best:.2g} to {worst:.2g}"


def _range(values: list[float]) -> Span:
    return Span(min(values), min(values), max(values))


def _plain(values: list[float]) -> str:
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"
