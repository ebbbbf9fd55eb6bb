"""A change that may help: what it would bring, by which formula, and how to test it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.advice.diagnosis.changes.effect import Reach
from tuner.advice.span import Span

Effort = Literal["quick", "medium", "high"]

WEIGHTS: Mapping[Effort, int] = {"quick": 1, "medium": 3, "high": 9}
"""What an effect is divided by, for minutes, hours and days of work. A choice: by the time alone
days would never come before a quick change that hardly helps."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change with its estimated effect.

    `p50` and `p99` are seconds after it, None where the figures do not say. `first` is the time to
    the first text, where that is what it changes. `formula` says how they come about, from
    `inputs`. `test` is the command that measures it.
    """

    change: str
    effort: Effort
    what: str
    p50: Span | None
    p99: Span | None
    formula: str
    inputs: Mapping[str, str]
    test: str
    remarks: tuple[str, ...] = ()
    first: Span | None = None
    reach: Reach | None = None
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called in the commands that test proposals: the study, and its knobs.

    `shots` is how many examples are sent, `system` which system text. The knobs are called as in
    Ollama's Modelfiles and environment, as the option --num-ctx is.
    """

    study: str = "tune.yaml"
    slots: str = "num_parallel"
    context: str = "num_ctx"
    limit: str = "num_predict"
    batch: str = "num_batch"
    shots: int | None = None
    system: str | None = None
    requests: int = 1000

    def measure(self, change: str, folder: str) -> str:
        """Return the command that measures the study with a change, into a folder of its own."""
        said = f"{change} " if change else ""
        return f"tune measure {self.study} --requests {self.requests} {said}--out out/{folder}"

    def setting(self, knob: str, value: object) -> str:
        """Return the command that measures the study with another value of a knob."""
        return self.measure(f"--set {knob}={value}", f"{knob}-{value}")


@dataclass(frozen=True, slots=True)
class Untold:
    """A change whose effect the figures do not tell, and what would."""

    change: str
    effort: Effort
    missing: str
