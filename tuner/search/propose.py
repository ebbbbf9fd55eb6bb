"""Propose candidates: near the best trials, as mutants of them, and by Optuna's TPE."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import optuna
from optuna.trial import TrialState

from tuner.search.database import write
from tuner.search.encoding import contains, decode, distribution, encode
from tuner.search.moves import Hints, Moves
from tuner.search.trial import WORST_VIOLATION, Origin, Trial
from tuner.spec.space import Space
from tuner.spec.values import Candidate, Setting

STUDY_NAME = "tune"
STARTUP_TRIALS = 6
"""Finished trials before TPE models anything: a run of ten minutes has some twenty."""

TURNS = "smn"
"""Whose turn it is once something is feasible: the sampler, mutants and neighbours of the best."""

ANYWHERE = 400
"""Candidates that are drawn from anywhere when the sampler only repeats itself."""

BEST = 3
"""How many of the best trials are built upon."""

_RETRIES = 20


Proposal: TypeAlias = tuple[int, Candidate, Origin]
"""(trial number, candidate, where it came from)"""


class Strategy(Protocol):
    """Chooses what is measured next. `Proposer` is the product's; benchmarks compare others.

    Numbers are unique within a run. `fixed` registers a given candidate, `batch` asks for new
    ones, `tell` hears of each of them once, when it was measured.
    """

    def fixed(self, candidate: Candidate, origin: Origin) -> Proposal:
        """Return a given candidate as a proposal."""
        ...

    def batch(self, size: int, trials: Sequence[Trial]) -> list[Proposal]:
        """Return up to `size` untried candidates, [] when there is none left."""
        ...

    def beside(self, candidate: Candidate, trials: Sequence[Trial], count: int) -> list[Proposal]:
        """Return up to `count` untried candidates that the same engine start can serve."""
        ...

    def tell(self, trial: Trial) -> None:
        """Hear how a proposal went."""
        ...

    def drop(self, knob: str) -> None:
        """Hear that a knob makes no difference: it keeps the baseline's value from now on."""
        ...


class Proposer:
    """Asks Optuna for candidates and tells it what became of them.

    Only the knobs of the space are proposed; the others keep the value of `base`. The study
    follows Optuna's own rules: a crash is PRUNED with a large finite violation, and constraints
    are set once, at the end. It lives in memory, since in SQLite each trial would cost 0.1 to
    0.3 s of the budget. It begins with the `finished` trials of the same run's earlier part.
    Changing a knob in `free` costs nothing. `siblings` says how many candidates that differ in
    those alone are worth measuring on an engine start that another candidate needs.
    """

    def __init__(
        self,
        space: Space,
        base: Candidate,
        sampler: str,
        seed: int,
        hints: Hints = lambda trial, name, dimension: (),
        finished: Sequence[Trial] = (),
        free: frozenset[str] = frozenset(),
        siblings: Callable[[], int] = lambda: 0,
    ) -> None:
        self._space, self._base = dict(space), base
        self._free, self._siblings = free, siblings
        self._local_moves = sampler == "tpe"
        # a continued run must not repeat the draws of its beginning
        (drawn,) = np.random.SeedSequence([seed, len(finished)]).generate_state(1)
        self._moves = Moves(space, base, hints, np.random.default_rng(drawn))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = optuna.storages.InMemoryStorage()
        with _quiet():
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=STUDY_NAME,
                direction="maximize",
                sampler=_sampler(sampler, int(drawn)),
            )
        self._distributions = {name: distribution(d) for name, d in space.items()}
        self._asked: dict[int, optuna.Trial] = {}
        self._tried: set[str] = set()
        self._outside: set[int] = set()
        self._numbers = itertools.count()
        for trial in finished:
            self._restore(trial)

    def _restore(self, trial: Trial) -> None:
        """Teach the sampler what an earlier part of the run measured."""
        self._register(trial.number, trial.candidate)
        self.tell(trial)
        self._numbers = itertools.count(max(trial.number + 1, next(self._numbers)))

    def save(self, file: Path) -> None:
        """Write the study as an SQLite database; raise OutputError or OSError where that fails."""
        with _quiet():
            write(self._storage, STUDY_NAME, file)

    def batch(self, size: int, trials: Sequence[Trial]) -> list[Proposal]:
        """Return up to `size` untried candidates with their trial numbers; [] when none is left.

        First they come from the sampler. Once a trial is feasible, three sources take turns: the
        sampler, neighbours of the best trials (one knob moved a step, or back to the baseline's
        value) and mutants of them (several knobs moved, hints taken). The best trial with all its
        hints comes before these. With `--sampler random` all are drawn at random.
        """
        proposals: list[Proposal] = []
        for _ in range(size):
            proposal = self._local(trials) or self._sampled()
            if proposal is None:
                break
            proposals.append(proposal)
            proposals += self.beside(proposal[1], trials, self._siblings())
        return proposals

    def beside(self, candidate: Candidate, trials: Sequence[Trial], count: int) -> list[Proposal]:
        """Return up to `count` untried candidates that differ from one in free knobs alone.

        They take the free knobs of the best trials, each with some of them moved.
        """
        best = sorted(trials, key=Trial.rank)[:BEST] if self._local_moves else []
        found = list[Proposal]()
        for mutant in self._moves.mutants(best) if best and count else ():
            freely = {n: v for n, v in mutant.items() if n in self._free}
            sibling = {**candidate, **freely}
            if len(found) < count and _key(sibling) not in self._tried:
                found.append(self.fixed(sibling, "neighbour"))
        return found

    def _local(self, trials: Sequence[Trial]) -> Proposal | None:
        best = sorted(trials, key=Trial.rank)[:BEST] if self._local_moves else []
        if not best:
            return None
        feasible = best[0].feasible
        turn = TURNS[len(self._tried) % len(TURNS)] if feasible else "s"
        near = itertools.chain(self._moves.informed(best[0]), self._turn(turn, best))
        for candidate in near:
            if _key(candidate) not in self._tried:
                return self.fixed(candidate, "neighbour")
        return None

    def _turn(self, turn: str, best: Sequence[Trial]) -> Iterator[dict[str, Setting]]:
        """Yield the candidates of the source whose turn it is; none where it is the sampler's."""
        if turn == "m":
            yield from self._moves.mutants(best)
        elif turn == "n":
            yield from self._moves.neighbours(best, self._tried)

    def _new(self, candidate: Candidate) -> bool:
        """Tell whether a candidate was not tried and lies inside the space."""
        return _key(candidate) not in self._tried and contains(self._space, candidate)

    def fixed(self, candidate: Candidate, origin: Origin) -> Proposal:
        """Return a given candidate as a proposal.

        One with a value outside the space is measured too, but teaches the sampler nothing.
        """
        number = next(self._numbers)
        self._register(number, candidate)
        return number, candidate, origin

    def _register(self, number: int, candidate: Candidate) -> None:
        inside = contains(self._space, candidate)
        params = {n: encode(d, candidate[n]) for n, d in self._space.items()} if inside else {}
        if not inside:
            self._outside.add(number)
        self._tried.add(_key(candidate))
        self._asked[number] = self._ask(params)

    def tell(self, trial: Trial) -> None:
        """Record a finished trial: constraints first, then its value or that it was pruned."""
        with _quiet():
            asked = self._asked.pop(trial.number)
            if trial.number in self._outside:
                self._study.tell(asked, state=TrialState.FAIL)
            else:
                tell(self._study, asked, trial)

    def learn(self, trial: Trial) -> None:
        """Hear of a trial of another run of the same study; it may be measured here as well."""
        if contains(self._space, trial.candidate):
            params = {n: encode(d, trial.candidate[n]) for n, d in self._space.items()}
            with _quiet():
                tell(self._study, self._ask(params), trial)

    def avoid(self, candidate: Candidate) -> None:
        """Never propose a candidate."""
        self._tried.add(_key(candidate))

    def drop(self, knob: str) -> None:
        """Search without a knob from now on; what was measured with its other values still tells.

        Optuna's samplers take each trial for what it has, so that nothing is told anew.
        """
        del self._space[knob], self._distributions[knob]
        self._moves = replace(self._moves, space=self._space)

    def _sampled(self) -> Proposal | None:
        for _ in range(_RETRIES):
            trial = self._ask({})
            params = {n: trial.params[n] for n in self._space}
            candidate = dict(self._base) | {n: decode(d, params[n]) for n, d in self._space.items()}
            if _key(candidate) not in self._tried:
                self._tried.add(_key(candidate))
                number = next(self._numbers)
                self._asked[number] = trial
                return number, candidate, "sampler"
            self._study.tell(trial, state=TrialState.FAIL)  # a repetition teaches nothing
        return self._left()

    def _left(self) -> Proposal | None:
        """Return an untried candidate from anywhere in the space.

        A sampler may avoid what it thinks poor, even where nothing else is left.
        """
        drawn = self._moves.anywhere(ANYWHERE)
        found = next((candidate for candidate in drawn if self._new(candidate)), None)
        return self.fixed(found, "sampler") if found is not None else None

    def _ask(self, params: dict[str, Any]) -> optuna.Trial:
        with _quiet():
            if params:
                self._study.enqueue_trial(params)
            return self._study.ask(fixed_distributions=self._distributions)


def tell(study: optuna.Study, asked: optuna.Trial, trial: Trial) -> None:
    """Tell Optuna constraints and value of a trial; one without a full measurement is PRUNED."""
    violations = trial.violations or {"failed": WORST_VIOLATION}
    for name, amount in violations.items():
        asked.set_constraint(name, min(amount, WORST_VIOLATION))
    if trial.state == "complete" and math.isfinite(trial.value):
        study.tell(asked, trial.value)
    else:
        study.tell(asked, state=TrialState.PRUNED)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # each knob apart from the others: a few dozen trials tell too little of how they act together
    with _quiet():
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, constant_liar=True, seed=seed
        )


def _key(candidate: Candidate) -> str:
    return json.dumps(dict(candidate), sort_keys=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's notes on what is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
