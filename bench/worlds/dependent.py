"""Worlds whose requests are not alike: templates, engine starts and requests in flight differ.

They only judge a search, as those of `held_out`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench.worlds.behaviour import Behaviour
from bench.worlds.building import BATCHES, CONTEXTS, TOP_K, Described, answering, bowl, made
from bench.worlds.world import World
from tuner.spec.space import Choices, Range
from tuner.spec.values import Candidate, Guard


def templates() -> World:
    """Return the world in which a few templates ask for long answers, and the others never do."""
    lengths = ((14, 0.45), (22, 0.38), (30, 0.12), (56, 0.03), (100, 0.02))

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        ttft = 0.09 * bowl(at, {"num_batch": (0.9, 0.3)})
        tpot = 0.010 * bowl(at, {"num_thread": (1.1, 0.4)}) * (1 + 0.1 * at["top_k"])
        return answering(ttft, tpot, lengths, valid=0.98)

    knobs: dict[str, Described] = {
        "num_predict": ("request", 128, Range(8, 128, step=4)),
        "num_thread": ("restart", 12, Range(2, 12, step=1)),
        "num_batch": ("restart", 512, BATCHES),
        "top_k": ("request", 40, TOP_K),
    }
    return made(
        "templates", "a few templates always get long answers: cut them, or be fast enough",
        0.66, knobs, behaves, guard=Guard(0.85, 0.5), templates=400, own_kind=0.9,
    )  # fmt: skip


def starts() -> World:
    """Return the world whose engine starts differ in pace by four percent."""
    parts = {"num_thread": (1.3, 0.7), "num_batch": (0.8, 0.6), "num_ctx": (0.25, 0.0)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        pages = 0.9 if candidate["huge_pages"] == "on" else 1.0
        factor = bowl(at, parts) * pages * math.exp(0.05 * at["top_k"])
        return answering(0.13 * factor, 0.009 * factor, sigma=0.03)

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 3, Range(1, 12, step=1)),
        "num_batch": ("restart", 32, BATCHES),
        "huge_pages": ("restart", "auto", Choices(("auto", "on"))),
        "num_ctx": ("reload", 4096, CONTEXTS),
        "top_k": ("request", 40, TOP_K),
    }
    return made(
        "starts", "engine starts differ in pace by 4 %", 0.40, knobs, behaves, start_sd=0.04
    )


def together() -> World:
    """Return the world with four requests in flight, which stall together."""
    shares = {1: 0.05, 2: 0.02, 5: 0.008, 10: 0.003, 30: 0.0008, 60: 0.0}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        ttft = 0.11 * (1 + 0.2 * at["flush_s"]) * bowl(at, {"num_batch": (0.7, 0.7)})
        tpot = 0.009 * bowl(at, {"num_thread": (1.0, 0.5)})
        return answering(ttft, tpot, stall=(shares[int(candidate["flush_s"])], 0.5))

    knobs: dict[str, Described] = {
        "flush_s": ("reload", 1, Choices(tuple(shares))),
        "num_thread": ("restart", 2, Range(1, 12, step=1)),
        "num_batch": ("restart", 32, BATCHES),
        "top_k": ("request", 40, Choices((1, 20, 40, 80))),
    }
    return made(
        "together", "four requests in flight, which stall together", 0.40, knobs, behaves,
        concurrency=4,
    )  # fmt: skip


def fast() -> World:
    """Return the world of a fast server with little time: 1,900 prompts, 75 s."""
    parts = {"num_batch": (0.8, 0.8), "num_gpu": (0.6, 1.0)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        cached = 0.85 if candidate["cache"] == "on" else 1.0
        factor = bowl(at, parts) * (1 + 0.15 * at["num_thread"] ** 2)
        heat = float(candidate["temperature"])
        return answering(
            0.011 * factor * cached, 0.0010 * factor, ((10, 0.4), (14, 0.5), (18, 0.1)),
            valid=0.999, correct=0.996 - 0.04 * heat,
        )  # fmt: skip

    knobs: dict[str, Described] = {
        "num_batch": ("restart", 128, BATCHES),
        "num_gpu": ("restart", 16, Choices((0, 8, 16, 24, 32))),
        "num_thread": ("restart", 8, Choices((1, 2, 4, 8, 12))),
        "cache": ("request", "off", Choices(("off", "on"))),
        "temperature": ("request", 0.2, Choices((0.0, 0.2, 0.4, 0.6))),
    }
    return made(
        "fast", "28 ms a request at four in flight, a start takes 0.35 s, 75 s in all", 0.031,
        knobs, behaves, guard=Guard(0.97, 0.9, 0.02), budget_s=75.0, restart_s=0.35,
        reload_s=0.2, concurrency=4, templates=1900, slots=False,
    )  # fmt: skip


DEPENDENT = (templates, starts, together, fast)
