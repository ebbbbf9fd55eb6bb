"""Worlds that may be looked at while a search is being built."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from bench.worlds.behaviour import Behaviour, Pace
from bench.worlds.building import BATCHES, CONTEXTS, TOP_K, Described, answering, bowl, made
from bench.worlds.world import World
from tuner.spec.space import Choices, Range
from tuner.spec.values import Candidate, Guard


def separable() -> World:
    """Return the easy world: each knob acts alone."""
    first = {"num_thread": (1.8, 0.6), "num_batch": (1.2, 0.75), "num_ctx": (0.3, 0.0)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        ttft = 0.10 * bowl(at, first) * math.exp(0.1 * at["top_k"])
        return answering(ttft, 0.010 * bowl(at, {"num_thread": (1.5, 0.6)}))

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 2, Range(1, 12, step=1)),
        "num_batch": ("restart", 64, BATCHES),
        "num_ctx": ("reload", 4096, CONTEXTS),
        "top_k": ("request", 40, TOP_K),
    }
    return made("separable", "knobs that act alone", 0.385, knobs, behaves)


def useless() -> World:
    """Return the world in which one knob of five matters."""

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        return answering(0.15 * math.exp(4 * abs(at["num_batch"] - 0.62)), 0.008)

    knobs: dict[str, Described] = {
        "num_batch": ("restart", 32, Range(8, 192, step=8)),
        "num_thread": ("restart", 4, Choices((1, 2, 4, 6, 8, 12))),
        "num_ctx": ("reload", 4096, Choices((512, 1024, 2048, 4096, 8192, 16384))),
        "top_k": ("request", 40, Choices((1, 10, 20, 40, 60, 80))),
        "min_p": ("request", 0.05, Choices((0.0, 0.01, 0.02, 0.05, 0.1, 0.2))),
    }
    return made("useless", "one useful knob and four that do nothing", 0.39, knobs, behaves)


def tokens() -> World:
    """Return the world in which answers need room, and a few ramble on."""

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        heat = float(candidate["temperature"])
        lengths = ((20, 0.45), (28, 0.40), (40, 0.12), (100, 0.02 + 0.08 * heat))
        ttft = 0.08 * bowl(at, {"num_batch": (0.8, 0.7)})
        tpot = 0.009 * bowl(at, {"num_thread": (1.2, 0.7)})
        return answering(ttft, tpot, lengths, correct=0.92 - 0.2 * heat)

    knobs: dict[str, Described] = {
        "num_predict": ("request", 128, Range(8, 128, step=4)),
        "num_thread": ("restart", 4, Range(1, 8, step=1)),
        "num_batch": ("restart", 128, Choices((32, 64, 128, 256, 512, 1024))),
        "temperature": ("request", 0.8, Choices((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))),
    }
    return made(
        "tokens", "answers need tokens: a short limit cuts them, a long one lets some ramble",
        0.56, knobs, behaves, guard=Guard(0.85, 0.5),
    )  # fmt: skip


def _served(name: str, about: str, **more: Any) -> World:
    """Return the world of `dear` and `cheap`: four restart knobs and three request knobs."""
    caches = {"f16": (1.0, 1.0), "q8_0": (0.93, 0.99), "q4_0": (0.90, 0.80)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        cache_, kept = caches[str(candidate["kv_cache_type"])]
        heat, layers = float(candidate["temperature"]), at["num_gpu"]
        ttft = 0.09 * bowl(at, {"num_batch": (0.9, 0.6), "num_thread": (0.4, 0.5)})
        tpot = 0.011 * cache_ * (1 + 0.8 * (1 - layers)) * math.exp(0.05 * at["top_k"])
        tpot *= bowl(at, {"num_thread": (0.7, 0.25)})
        lengths = ((18, 0.5), (26, 0.4), (34, 0.07), (70, 0.01 + 0.04 * heat))
        return answering(ttft, tpot, lengths, correct=kept * (0.93 - 0.25 * heat))

    knobs: dict[str, Described] = {
        "num_gpu": ("restart", 8, Choices((8, 16, 24, 32))),
        "kv_cache_type": ("restart", "f16", Choices(("f16", "q8_0", "q4_0"))),
        "num_batch": ("restart", 64, Choices((64, 128, 256, 512, 1024))),
        "num_thread": ("restart", 8, Choices((2, 4, 6, 8, 12))),
        "num_predict": ("request", 96, Range(16, 96, step=8)),
        "temperature": ("request", 0.8, Choices((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))),
        "top_k": ("request", 40, Choices((1, 10, 20, 40, 80))),
    }
    return made(name, about, 0.62, knobs, behaves, guard=Guard(0.85, 0.5), **more)


def dear() -> World:
    """Return the world whose restarts cost as much as two hundred requests."""
    about = "a restart takes 100 s; restart knobs and request knobs both matter"
    return _served("dear", about, restart_s=100.0, budget_s=4 * 3600.0)


def cheap() -> World:
    """Return the world of `dear` with restarts that cost next to nothing."""
    return _served("cheap", "the surface of `dear`, a restart takes 0.5 s", restart_s=0.5)


def drift() -> World:
    """Return the world whose machine changes its pace by 10 % within minutes."""
    parts = {"num_thread": (1.6, 0.3), "num_batch": (0.7, 0.4), "num_ctx": (0.2, 0.25)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        flash = 0.88 if candidate["flash_attention"] == "on" else 1.0
        return answering(0.11 * bowl(at, parts) * flash, 0.009 * bowl(at, parts) * flash)

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 12, Range(1, 16, step=1)),
        "num_batch": ("restart", 512, Choices((16, 32, 64, 128, 256, 512))),
        "flash_attention": ("restart", "off", Choices(("off", "on"))),
        "num_ctx": ("reload", 4096, CONTEXTS),
        "top_k": ("request", 40, TOP_K),
    }
    return made(
        "drift", "the machine's pace drifts by 10 % within minutes", 0.40, knobs, behaves,
        pace=Pace(0.10, 60.0),
    )  # fmt: skip


def unstructured() -> World:
    """Return the world in which no candidate tells anything about another."""

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        factor = math.exp(0.4 * _scattered(candidate))
        return answering(0.15 * factor, 0.012 * factor)

    eight = Choices(tuple(range(1, 9)))
    knobs: dict[str, Described] = {
        "num_batch": ("restart", 128, Choices((8, 16, 32, 64, 128, 256, 512, 1024))),
        "num_thread": ("restart", 4, eight),
        "top_k": ("request", 7, eight),
        "num_ctx": ("reload", 2048, Choices((512, 1024, 2048, 4096))),
    }
    return made("unstructured", "a surface without structure", 0.215, knobs, behaves)


def _scattered(candidate: Candidate) -> float:
    """Return a standard normal number that is a hash of the settings."""
    names = ("num_batch", "num_thread", "top_k", "num_ctx")
    digest = hashlib.sha256(",".join(str(candidate[n]) for n in names).encode()).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6]) + 0.5) / 2**48)


def fast_dear() -> World:
    """Return the world of a fast server whose start takes as long as seven hundred requests."""
    parts = {"num_thread": (0.7, 0.35), "num_batch": (0.5, 0.5)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        heat = float(candidate["temperature"])
        factor = bowl(at, parts) * math.exp(0.12 * at["top_k"])
        lengths = ((12, 0.5), (16, 0.4), (20, 0.1), (32, 0.02 * heat))
        return answering(
            0.0095 * factor, 0.0011 * factor, lengths, valid=0.997, correct=0.985 - 0.06 * heat
        )

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 16, Choices((1, 2, 4, 8, 12, 16, 24))),
        "num_batch": ("restart", 64, BATCHES),
        "num_ctx": ("reload", 4096, CONTEXTS),
        "temperature": ("request", 0.4, Choices((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))),
        "top_k": ("request", 40, TOP_K),
    }
    return made(
        "fast-dear", "28 ms a request at four in flight, a start takes 5 s", 0.036, knobs, behaves,
        guard=Guard(0.97, 0.9, 0.02), budget_s=180.0, restart_s=5.0, reload_s=1.0, concurrency=4,
        templates=1900, slots=False,
    )  # fmt: skip


DEVELOPMENT = (separable, useless, tokens, dear, cheap, drift, unstructured, fast_dear)
