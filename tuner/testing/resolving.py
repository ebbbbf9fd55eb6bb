"""ResolvingEngine: a simulated engine that tells what it makes of settings before it starts.

As vLLM does it: some settings come to the same, some are refused, and a start is short where an
earlier one compiled what it needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tuner.engines.base import Resolution
from tuner.spec.errors import StartFailed
from tuner.spec.values import Candidate, Effective, EngineStart, Setting
from tuner.testing.simulated import SimulatedEngine


def _as_it_is(candidate: Candidate) -> Candidate:
    return candidate


def _taken(candidate: Candidate) -> str | None:
    return None


@dataclass(slots=True)
class ResolvingEngine(SimulatedEngine):
    """The `Engine` over a world whose starts are `cold_s` or `warm_s` long.

    `settled` returns a candidate with the values that its settings come to, `refuses` why it
    cannot be; starts compile by the knobs in `compiled_by`.
    """

    cold_s: float = 90.0
    warm_s: float = 60.0
    compiled_by: frozenset[str] = frozenset()
    settled: Callable[[Candidate], Candidate] = _as_it_is
    refuses: Callable[[Candidate], str | None] = _taken
    started: list[EngineStart] = field(default_factory=list)
    _identity: str | None = None

    async def resolve(self, candidate: Candidate) -> Resolution:
        """Return what becomes of a candidate."""
        if (why := self.refuses(candidate)) is not None:
            return Resolution(refused=why)
        settled = self.settled(candidate)
        dear = {n: settled[n] for n, k in self.knobs.items() if k.tier == "restart"}
        differing = [n for n in self.knobs if settled[n] != candidate[n]]
        return Resolution(
            identity=_key(dear),
            settings=dear,
            compiled=_key({n: v for n, v in dear.items() if n in self.compiled_by}),
            notes=tuple(f"{n}: asked for {candidate[n]}, made {settled[n]}" for n in differing),
        )

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach the candidate's server; see `Engine.apply`."""
        resolved = await self.resolve(candidate)
        if resolved.identity is None:
            raise StartFailed("bad_flag", f"not started: {resolved.refused}")
        settled = self.settled(candidate)
        known = {start.compiled for start in self.started}
        kind = "warm" if resolved.compiled in known else "cold"
        self.restart_s = self.warm_s if kind == "warm" else self.cold_s
        found = await SimulatedEngine.apply(self, settled, fresh=fresh)
        if found.changed == "restart":
            start = EngineStart(self.restart_s, kind, str(resolved.compiled))  # type: ignore[arg-type]
            self.started.append(start)
        return replace(found, notes=resolved.notes, start=self.started[-1])


def _key(settings: dict[str, Setting]) -> str:
    return json.dumps(settings, sort_keys=True)
