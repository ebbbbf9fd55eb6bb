"""What a night came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.evaluate.duel import Evidence
from tuner.evaluate.measurement import Measurement
from tuner.spec.values import Candidate
from tuner.telling.event import Delivery
from tuner.telling.night import Decision


@dataclass(frozen=True, slots=True)
class Challenger:
    """What was compared with what serves: the number-th one of a year, which may spend `alpha`."""

    id: str
    candidate: Candidate
    number: int
    alpha: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a night came to: a decision, and why, in a sentence.

    `challenger`, `evidence` and `measured` (by side) are None or empty where nothing was compared;
    `by` says what its answers were compared by; they are `judged` where prompts say what is right.
    With `waits` a person has to agree. `result` is the folder of a run that could serve. `trials`
    counts the trials by how they ended. `repaired` says what an earlier `tune` had left half done.
    `drift` says how production has moved. With `alarm` people have to look, though nothing failed.
    It took so many `seconds`. `told` says whom a message reached.
    """

    decision: Decision
    why: str
    challenger: Challenger | None = None
    evidence: Evidence | None = None
    measured: Mapping[str, Measurement] = field(default_factory=dict)
    by: str | None = None
    judged: bool = False
    waits: bool = False
    world: str | None = None
    result: Path | None = None
    trials: Mapping[str, int] = field(default_factory=dict)
    repaired: str | None = None
    drift: str | None = None
    alarm: bool = False
    seconds: float | None = None
    told: tuple[Delivery, ...] = ()

    @property
    def target_lost(self) -> bool:
        """Tell whether what serves after the night was shown to miss a target or a floor."""
        lost = self.evidence is not None and self.evidence.incumbent == "FAIL"
        return lost and self.decision != "promoted"

    @property
    def alarms(self) -> bool:
        """Tell whether people have to look after the night."""
        failed = self.decision in ("rolled_back", "failed")
        return failed or self.alarm or self.target_lost
