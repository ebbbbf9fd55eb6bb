"""What is seen of a server that is watched: figures of a window, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from tuner.spec.values import Metric
from tuner.stats.quantiles import Bound

State: TypeAlias = Literal["met", "lost", "undecided"]
"""All targets and floors shown to hold, one of them shown to be missed, or neither."""


@dataclass(frozen=True, slots=True)
class Late:
    """How many of `n` requests missed a target: at least, and at most where some are unknown."""

    least: int
    most: int
    n: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the `n` requests of a window.

    `late` is by target. An unknown rate in `throughput` is None; `guard` is empty where answers
    are not seen. `waiting` requests were sent and have no answer yet.
    """

    n: int
    quantiles: Mapping[Metric, Mapping[float, Bound]]
    late: Mapping[str, Late]
    throughput: Mapping[str, float | None]
    guard: Mapping[str, Bound] = field(default_factory=dict)
    failures: int = 0
    waiting: int = 0


class Record(Protocol):
    """What came in so far; times are those of one clock, in seconds."""

    def seen(self, since_s: float) -> int:
        """Return how many requests since then are known from their beginning to their end."""
        ...

    def lost(self, since_s: float, alpha: float) -> tuple[str, ...]:
        """Return the targets and floors that the requests since then show to be missed.

        While all of them hold, one is returned in at most `alpha` of cases, whenever one looks.
        """
        ...

    def met(self, since_s: float, alpha: float) -> bool:
        """Tell whether the requests since then show that all targets and floors hold.

        While one does not hold, it is True in at most `alpha` of cases, whenever one looks.
        """
        ...

    def figures(self, since_s: float) -> Figures:
        """Return what is known of the requests since then."""
        ...

    def unjudged(self) -> tuple[str, ...]:
        """Say what cannot be judged by what comes in."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Say what happened since this was last asked."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """One look at a server: its state `at_s` seconds after the watch began, and why.

    `figures` are those of the last `window_s` seconds. `before` is the state at the look before,
    so that a change is an event. `missed` names what was shown to be missed while it is lost.
    """

    at_s: float
    window_s: float
    state: State
    before: State
    figures: Figures
    missed: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Tell whether the state is another one than before."""
        return self.state != self.before
