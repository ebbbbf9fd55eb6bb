"""Worlds that only judge a search: nobody tunes the tuner by them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench.worlds.behaviour import Behaviour
from bench.worlds.building import BATCHES, CONTEXTS, TOP_K, Described, answering, bowl, made
from bench.worlds.world import World
from tuner.spec.space import Choices, Range
from tuner.spec.values import Candidate, Guard


def wide() -> World:
    """Return the world of seven knobs that act alone, some more than others."""
    parts = {
        "num_thread": (0.9, 0.75), "num_batch": (0.7, 0.25), "num_gpu": (0.5, 1.0),
        "num_ctx": (0.35, 0.5), "num_keep": (0.25, 0.0), "repeat_last_n": (0.15, 0.5),
    }  # fmt: skip

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        factor = bowl(at, parts) * math.exp(0.06 * at["top_k"])
        return answering(0.12 * factor, 0.010 * factor)

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 4, Choices((1, 2, 4, 8, 16))),
        "num_batch": ("restart", 512, Choices((32, 64, 128, 256, 512))),
        "num_gpu": ("restart", 16, Choices((0, 8, 16, 24, 32))),
        "num_ctx": ("reload", 8192, CONTEXTS),
        "num_keep": ("request", 64, Choices((0, 8, 16, 32, 64))),
        "repeat_last_n": ("request", 256, Choices((0, 32, 64, 128, 256))),
        "top_k": ("request", 40, Choices((1, 10, 20, 40, 80))),
    }
    return made("wide", "seven knobs that act alone", 0.46, knobs, behaves)


def ridge() -> World:
    """Return the world in which two knobs help only when they are moved together."""

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        x, y = at["num_batch"], at["num_ctx"]
        factor = math.exp(7 * (x - y) ** 2 - 1.1 * (x + y) / 2)
        factor *= bowl(at, {"num_thread": (0.3, 0.67)}) * math.exp(0.05 * at["top_k"])
        return answering(0.25 * factor, 0.014 * factor)

    knobs: dict[str, Described] = {
        "num_batch": ("restart", 64, Range(32, 320, step=32)),
        "num_ctx": ("reload", 1024, Range(512, 5120, step=512)),
        "num_thread": ("restart", 2, Choices((1, 2, 4, 8))),
        "top_k": ("request", 40, Choices((1, 20, 40, 80))),
    }
    return made("ridge", "two knobs that help only together", 0.31, knobs, behaves)


def cliff() -> World:
    """Return the world whose fastest candidates stand beside those that run out of memory."""
    gib = 2**30

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        batch, context = float(candidate["num_batch"]), float(candidate["num_ctx"])
        taken = 1.0 + 0.1 * float(candidate["num_gpu"]) + 0.15 * context / 1024 + batch / 512
        ttft = 0.12 * (1 + 2.5 * math.exp(-batch / 250))
        tpot = 0.008 * (1 + 1.5 * (1 - at["num_gpu"])) * bowl(at, {"num_thread": (0.2, 0.67)})
        return answering(
            ttft, tpot, valid=0.97 if context >= 2048 else 0.5, memory_bytes=int(taken * gib),
            starts=taken <= 5.0, death=0.01 if taken > 4.85 else 0.0,
        )  # fmt: skip

    knobs: dict[str, Described] = {
        "num_batch": ("restart", 128, Range(32, 1024, step=32)),
        "num_ctx": ("reload", 4096, CONTEXTS),
        "num_gpu": ("restart", 16, Range(0, 32, step=4)),
        "num_thread": ("restart", 4, Choices((2, 4, 6, 8))),
    }
    return made(
        "cliff", "memory runs out beside the optimum, at the start or within the trial",
        0.515, knobs, behaves, guard=Guard(0.85, 0.5),
    )  # fmt: skip


def hot() -> World:
    """Return the world in which heat breaks answers, and one style is fast and always wrong."""
    styles = {"full": (26, 0.97), "compact": (20, 0.88), "constant": (8, 0.10)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        style = str(candidate["style"])
        n, known = styles[style]
        heat = float(candidate["temperature"]) * (0.5 + 0.5 * at["top_k"])
        lengths = ((n - 4, 0.3), (n, 0.5), (n + 6, 0.2 + heat))
        return answering(
            0.1 * bowl(at, {"num_batch": (1.0, 0.8)}), 0.010, lengths,
            valid=1 - 0.25 * heat, correct=known * (1 - 0.5 * heat), constant=style == "constant",
        )  # fmt: skip

    knobs: dict[str, Described] = {
        "temperature": ("request", 0.8, Choices(tuple(i / 10 for i in range(11)))),
        "style": ("request", "full", Choices(tuple(styles))),
        "top_k": ("request", 80, Choices((1, 5, 10, 20, 40, 80))),
        "num_batch": ("restart", 64, Choices((16, 32, 64, 128, 256, 512))),
    }
    return made(
        "hot", "heat breaks answers; one style is fast because it answers always the same",
        0.40, knobs, behaves, guard=Guard(0.85, 0.6),
    )  # fmt: skip


def nothing() -> World:
    """Return the world whose target no candidate meets."""
    parts = {"num_thread": (1.0, 0.5), "num_batch": (0.8, 0.6)}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        factor = bowl(at, parts) * math.exp(0.1 * at["top_k"])
        return answering(0.12 * factor, 0.010 * factor)

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 2, Range(1, 12, step=1)),
        "num_batch": ("restart", 64, BATCHES),
        "top_k": ("request", 40, TOP_K),
    }
    return made("nothing", "no candidate meets the target", 0.37, knobs, behaves)


def tail() -> World:
    """Return the world whose fast medians hide rare stalls."""
    shares = {1: 0.06, 2: 0.03, 5: 0.012, 10: 0.004, 30: 0.001, 60: 0.0}

    def behaves(candidate: Candidate, at: Mapping[str, float]) -> Behaviour:
        crowded = 0.03 if int(candidate["num_thread"]) > 12 else 0.0
        share = shares[int(candidate["flush_s"])] + crowded
        ttft = 0.10 * (1 + 0.15 * at["flush_s"]) * bowl(at, {"num_batch": (0.8, 0.4)})
        tpot = 0.008 * (1 + 1.2 * (1 - at["num_thread"]) ** 2)
        return answering(ttft, tpot, stall=(share, 0.6))

    knobs: dict[str, Described] = {
        "num_thread": ("restart", 8, Range(1, 16, step=1)),
        "flush_s": ("reload", 1, Choices(tuple(shares))),
        "num_batch": ("restart", 256, Choices((16, 32, 64, 128, 256, 512))),
        "top_k": ("request", 40, Choices((1, 20, 40, 80))),
    }
    return made("tail", "the median is fine, rare stalls decide the p99", 0.36, knobs, behaves)


HELD_OUT = (wide, ridge, cliff, hot, nothing, tail)
