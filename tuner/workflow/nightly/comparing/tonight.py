"""What the steps of a night share, and how each of its sessions begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuner.engines.base import Engine
from tuner.evaluate.duel import Outcome as Shows
from tuner.evaluate.night import Challenger
from tuner.search.trial import Trial
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.trial_folder import StoredTrial
from tuner.workflow.beside.gate import Gate
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.comparing.evidence import Shown
from tuner.workflow.nightly.incumbent import Incumbent
from tuner.workflow.nightly.ledger import Ledger, World
from tuner.workflow.tune.begin import WRAP_UP_S, begin
from tuner.workflow.tune.searching.screening import Watcher


@dataclass(frozen=True, slots=True)
class Tonight:
    """A night on its way: `base` is what serves, as a whole candidate of the engine.

    `inert` are the knobs that make no difference, and why.
    """

    study: Study
    engine: Engine
    out: Path
    serves: Incumbent
    base: Candidate
    ledger: Ledger
    world: World
    watcher: Watcher
    ends_in: Callable[[], float] = unbounded
    gate: Gate | None = None
    inert: dict[str, str] = field(default_factory=dict)

    def session(
        self, folder: Path, about: str, budget_s: float, stored: Sequence[StoredTrial] = ()
    ) -> Session:
        """Return a session of `budget_s` seconds in a folder, which goes on with what is there."""
        before_s = stored[-1].spent.elapsed_s if stored else 0.0
        return begin(
            self.study, self.engine, folder, stored, about, self.gate, self.ends_in,
            before_s + budget_s,
        )  # fmt: skip

    def left_s(self, session: Session) -> float:
        """Return the seconds of a session that another one may use after it."""
        return session.left_s() + WRAP_UP_S


@dataclass(frozen=True, slots=True)
class Searched:
    """What a night's search measured, and what it chose to compare with what serves."""

    trials: Sequence[Trial]
    chosen: Trial | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What a night measured: the search's trials, and what a comparison shows.

    `world` is that of the night. `challenger` is None where nothing looked better than what serves.
    `stopped` says what ended the comparison early.
    """

    world: str
    trials: Sequence[Trial]
    challenger: Challenger | None = None
    shows: Shows | None = None
    shown: Shown | None = None
    stopped: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many trials of the search ended in each way."""
        return Counter(trial.state for trial in self.trials)
