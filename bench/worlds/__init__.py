"""The family of simulated worlds in which searches are compared.

Each is a shape that real engines have: knobs that act alone, knobs that must be moved
together, knobs that do nothing, a crash beside the optimum, answers that need room, answers
that get bad, dear restarts, a machine that drifts, rare stalls, no structure at all, templates
and starts that are not alike, requests that stall together, a fast server, and some recorded
from real engines. Optima stand anywhere, baselines are ordinary settings that miss the target.
Where `num_predict` is no knob of a world, answers are never cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from bench.worlds.dependent import DEPENDENT
from bench.worlds.development import DEVELOPMENT
from bench.worlds.held_out import HELD_OUT
from bench.worlds.recorded import TABLES, recorded
from bench.worlds.world import World


@cache
def worlds() -> Mapping[str, World]:
    """Return the worlds by name."""
    found = [build() for build in DEVELOPMENT]
    found += [replace(build(), split="held-out") for build in (*HELD_OUT, *DEPENDENT)]
    return {w.name: w for w in (*found, *map(recorded, TABLES))}
