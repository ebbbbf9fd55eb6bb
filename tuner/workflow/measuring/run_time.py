"""The seconds of a run: what is used up of its budget, and what it waited for production."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


def unbounded() -> float:
    """Return that a run need not end: it has no window that closes."""
    return math.inf


@dataclass(slots=True)
class RunTime:
    """How long a run has been running since `before_s`, pauses left out, and how long it may.

    `ends_in` tells in how many seconds it has to end in any case, whatever is left of `budget_s`.
    """

    budget_s: float
    before_s: float = 0.0
    ends_in: Callable[[], float] = unbounded
    paused_s: float = 0.0
    _began_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def ran_s(self) -> float:
        """Return for how many seconds the run has been running, its earlier parts included."""
        since_s = asyncio.get_running_loop().time() - self._began_s
        return self.before_s + since_s - self.paused_s

    def left_s(self) -> float:
        """Return the seconds that are left: of the budget, or until the run has to end."""
        return min(self.budget_s - self.ran_s(), self.ends_in())

    def elapsed_s(self) -> float:
        """Return how much of the budget is used up; what can no longer be used counts as used."""
        if math.isinf(self.budget_s):
            return self.ran_s()
        return max(self.ran_s(), self.budget_s - self.ends_in())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time that the block takes."""
        began_s = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.paused_s += asyncio.get_running_loop().time() - began_s
