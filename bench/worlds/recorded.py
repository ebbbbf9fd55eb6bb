"""The recorded worlds: requests are drawn from what a real engine once answered.

A table of `bench.grid` holds one row for each candidate with its samples. The output limit is
a further knob: it cuts an answer after so many tokens of its own pace.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from bench.worlds.behaviour import LIMIT, Answer, Behaviour
from bench.worlds.truth import aimed
from bench.worlds.world import Split, Starts, World
from tuner.engines.serving.usual_knobs import usual
from tuner.spec.knobs import Knob
from tuner.spec.space import Choices, Range, Space
from tuner.spec.values import Candidate, Guard

FOLDER = Path(__file__).parents[1] / "recorded"


WITH_A_SCHEMA = Guard(0.85, 0.35)
"""Floors for a table whose answers had to fit a schema."""

FREE_JSON = Guard(0.1)
"""The floor for a table that was recorded without a schema: a quarter of its answers fit one."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A table as a world: its split, and the share of the space that meets the target.

    With `start_s` every engine start takes so long; else as long as it was recorded.
    """

    file: str
    split: Split
    share: float
    budget_s: float = 600.0
    start_s: float | None = None
    guard: Guard = WITH_A_SCHEMA


TABLES: Mapping[str, Recording] = {
    "recorded": Recording("grid.json", "held-out", 0.15),
    "recorded-formats": Recording("grid-embedded-formats.json", "development", 0.08),
    "recorded-ollama-0.11": Recording("grid-ollama-0.11.json", "held-out", 0.15),
    "recorded-ollama-0.33": Recording("grid-ollama-0.33.json", "held-out", 0.10),
    "recorded-vllm": Recording("grid-vllm.json", "held-out", 0.15, 7200.0, None, FREE_JSON),
    "recorded-vllm-60": Recording("grid-vllm.json", "held-out", 0.15, 7200.0, 60.0, FREE_JSON),
}
"""World -> the table that it is drawn from."""

JITTER = 0.03
"""Spread of a drawn latency around the recorded one: twenty samples are no distribution."""

RESTART_S, RELOAD_S = 1.0, 0.5
"""What a start and a reload take where the recording does not say."""

LOST_S = 30.0
"""Latency of a request that was recorded without an answer: the time-out."""


def recorded(name: str, folder: Path = FOLDER) -> World:
    """Return a recorded world."""
    table = TABLES[name]
    document = json.loads((folder / table.file).read_text(encoding="utf-8"))
    rows, longest = document["rows"], int(document["limit"])
    space = _space(document["knobs"], rows, longest)
    baseline = {**document["baseline"], LIMIT: longest}
    told = document["environment"]
    world = World(
        name=name,
        split=table.split,
        about=f"a table recorded from {told['engine']}, {told['engine_version']}",
        knobs={n: usual(Knob(n, document["tiers"].get(n, "request"), baseline[n])) for n in space},
        space=space,
        baseline=baseline,
        target_s=1.0,
        behaves=_lookup(document["knobs"], rows),
        restart_s=_takes(rows, "restart", RESTART_S),
        reload_s=_takes(rows, "reload", RELOAD_S),
        starts=_starts(document, table.start_s),
        budget_s=table.budget_s,
        concurrency=int(document.get("concurrency", 1)),
        guard=table.guard,
        systems={"full": "Answer with JSON.", "compact": "JSON."},
        shots=max(int(row["candidate"].get("shots", 0)) for row in rows),
    )
    return aimed(world, table.share)


def _takes(rows: list[dict[str, Any]], change: str, otherwise: float) -> float:
    """Return the median seconds of a kind of change."""
    found = [row["start_s"] for row in rows if row.get("changed") == change]
    return median(found) if found else otherwise


def _starts(document: Mapping[str, Any], start_s: float | None) -> Starts | None:
    """Return what cold and warm starts take, None where the engine did not tell them apart.

    With `start_s` both take so long.
    """
    rows = [r for r in document["rows"] if r.get("changed") == "restart" and "start" in r]
    taken = {kind: [r["start_s"] for r in rows if r["start"] == kind] for kind in ("cold", "warm")}
    if not all(taken.values()):
        return None
    by_hash: dict[str, Mapping[str, Any]] = {r["compiled"]: r["candidate"] for r in rows}
    dear = [n for n in document["knobs"] if document["tiers"].get(n) == "restart"]
    compiled_by = (n for n in dear if _tells(n, rows, by_hash))
    cold_s, warm_s = (start_s or median(taken[kind]) for kind in ("cold", "warm"))
    return Starts(cold_s, warm_s, frozenset(compiled_by))


def _tells(name: str, rows: list[dict[str, Any]], by_hash: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a knob has one value for each hash: then it takes part in what is compiled."""
    return all(r["candidate"][name] == by_hash[r["compiled"]][name] for r in rows)


def _space(names: list[str], rows: list[dict[str, Any]], longest: int) -> Space:
    values = {n: dict.fromkeys(row["candidate"][n] for row in rows) for n in names}
    ordered = {n: _in_order(list(v)) for n, v in values.items()}
    choices = {n: Choices(tuple(v)) for n, v in ordered.items()}
    return {**choices, LIMIT: Range(16, longest, step=8)}


def _in_order(values: list[Any]) -> list[Any]:
    """Return numbers in their order, words as they were recorded."""
    return values if any(isinstance(v, str) for v in values) else sorted(values)


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
