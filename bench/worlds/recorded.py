"""The recorded world: requests are drawn from what a real engine once answered.

`bench/recorded/grid.json` holds one row for each candidate with its samples. The output
limit is a further knob: it cuts an answer after so many tokens of its own pace.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from bench.worlds.truth import aimed
from bench.worlds.world import LIMIT, Answer, Behaviour, World
from tuner.spec.space import Choices, Range, Space
from tuner.spec.values import Candidate, Guard, Knob, Setting, Tier

FILE = Path(__file__).parents[1] / "recorded" / "grid.json"
MISSING = f"world recorded: skipped, {FILE.name} is not there"

JITTER = 0.03
"""Spread of a drawn latency around the recorded one: twenty samples are no distribution."""

FEASIBLE = 0.15
"""Share of the space that meets the target."""

RESTART_S = 1.0
"""What a start takes where the recording does not say."""

LOST_S = 30.0
"""Latency of a request that was recorded without an answer: the time-out."""

BASELINE: Mapping[str, Setting] = {
    "system": "full", "shots": 3, "temperature": 0.7, "num_batch": 256,
}  # fmt: skip
_TIERS: Mapping[str, Tier] = {"num_batch": "restart"}


def recorded(file: Path = FILE) -> World | None:
    """Return the recorded world, None where its file is missing."""
    if not file.exists():
        return None
    document = json.loads(file.read_text(encoding="utf-8"))
    rows = document["rows"]
    longest = int(document.get("limit", 128))
    space = _space(document["knobs"], rows, longest)
    baseline = {**BASELINE, LIMIT: longest}
    world = World(
        name="recorded",
        split="held-out",
        about="a table recorded from a real engine",
        knobs={n: Knob(n, _TIERS.get(n, "request"), baseline[n]) for n in space},
        space=space,
        baseline=baseline,
        target_s=1.0,
        behaves=_lookup(document["knobs"], rows),
        restart_s=median(row.get("restart_s", RESTART_S) for row in rows),
        guard=Guard(0.85, 0.35),
        systems={"full": "Answer with JSON."},
        shots=max(int(row["candidate"].get("shots", 0)) for row in rows),
    )
    return aimed(world, FEASIBLE)


def _space(names: list[str], rows: list[dict[str, Any]], longest: int) -> Space:
    values = {n: dict.fromkeys(row["candidate"][n] for row in rows) for n in names}
    ordered = {n: sorted(v) if n != "system" else list(v) for n, v in values.items()}
    choices = {n: Choices(tuple(v)) for n, v in ordered.items()}
    return {**choices, LIMIT: Range(16, longest, step=8)}


def _lookup(names: list[str], rows: list[dict[str, Any]]) -> Any:
    table = {tuple(str(row["candidate"][n]) for n in names): row for row in rows}

    @cache
    def behaviour(key: tuple[str, ...]) -> Behaviour:
        row = table[key]
        answers = tuple(_answer(s, 1 / len(row["samples"])) for s in row["samples"])
        return Behaviour(answers, JITTER, memory_bytes=int(row["memory_bytes"] or 2**27))

    def behaves(candidate: Candidate) -> Behaviour:
        return behaviour(tuple(str(candidate[n]) for n in names))

    return behaves


def _answer(sample: Mapping[str, Any], share: float) -> Answer:
    """Return a recorded sample as a kind of answer."""
    first, all_, n = sample["ttft_s"], sample["e2e_s"], int(sample["tokens"] or 1)
    if not all(isinstance(v, float | int) and math.isfinite(v) for v in (first, all_)):
        return Answer(share, LOST_S, 0.0, 1, 0.0)
    valid = float(sample["guard"] in ("correct", "wrong_fields"))
    return Answer(
        share, first, (all_ - first) / max(n - 1, 1), n, valid, float(sample["guard"] == "correct")
    )
