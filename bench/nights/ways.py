"""Ways to decide a night: with the product's evidence and error, and as others do it.

A night's search looks at some configurations, and the one that looks best, noise included, is the
challenger. It meets what serves in pairs of blocks. `kept` goes on with evidence from night to
night, and so do looks. The product's own functions judge (`evaluate.duel`, `stats.spending`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np

from bench.nights.worlds import ALLOWED, AT_FLOOR, KNOWN, MARGIN, QUANTILE, Floats, Rng, World
from tuner.evaluate.duel import Evidence
from tuner.spec.values import Verdict
from tuner.stats.eprocess import fail_bets, pass_bets, wealth
from tuner.stats.paired import judge_noninferior
from tuner.stats.spending import MOST, YEAR, error_of

PAIRS, REQUESTS = 20, 100
"""Pairs of blocks in a night, and requests of a block."""

TEMPLATES, DISCORDANT = 1200, 0.02
"""Held-out templates, all answered in a first night; how often equal sides differ in one."""

BLOCK_SD, LOOK_SD = 0.05, 0.04
"""Spreads of the log ratio of a pair of blocks, and of a look in the search."""

LOOKED_AT = 30
"""Configurations that a night's search measures."""

PATIENCE = 3
"""Nights in a row for one challenger: then others have their turn, and its evidence is kept. One
that is late about as often as the target is hardly ever decided, and would keep all others out."""


@dataclass(slots=True)
class Known:
    """What is known of a challenger: its number in the year, and what its nights showed.

    `answers` counts the templates that it alone, or the other alone, answered right, by whose.
    """

    number: int
    nights: int = 0
    won: int = 0
    late: int = 0
    theirs_late: int = 0
    ratio: float = 0.0
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Return how many requests each side has had."""
        return self.nights * PAIRS * REQUESTS

    @property
    def e(self) -> float:
        """Return the evidence for its being better beyond the noise floor."""
        return _e(self.won, self.nights * PAIRS - self.won)

    def meet(self, world: World, one: int, rng: Rng) -> None:
        """Add a night beside what serves."""
        centre = world.gain(one) + world.night_sd * rng.standard_normal()
        found = centre + math.hypot(BLOCK_SD, world.pair_sd) * rng.standard_normal(PAIRS)
        self.won += int(np.count_nonzero(found < AT_FLOOR))
        self.ratio += (float(found.mean()) - self.ratio) / (self.nights + 1)
        self.late += int(rng.binomial(PAIRS * REQUESTS, world.late[one]))
        self.theirs_late += int(rng.binomial(PAIRS * REQUESTS, world.late[world.serves]))
        self.answers = self.answers or answered(world, one, rng)
        self.nights += 1

    def evidence(self, alpha: float) -> Evidence:
        """Return it as the product judges it."""
        judged = {whose: not_worse(*seen, alpha) for whose, seen in self.answers.items()}
        meets = on_time(self.late, self.requests, alpha)
        theirs = on_time(self.theirs_late, self.requests, alpha / 2)
        return Evidence(self.won, self.nights * PAIRS - self.won, meets, judged, theirs)


def answered(world: World, one: int, rng: Rng) -> dict[str, tuple[int, int]]:
    """Return how many templates one alone, or the other alone, answers right, by whose."""
    found = {}
    for whose, more in world.losses(one).items():
        chances = (DISCORDANT / 2 + max(more, 0.0), DISCORDANT / 2 + max(-more, 0.0))
        ours, theirs, _ = rng.multinomial(TEMPLATES, (*chances, 1 - sum(chances))).tolist()
        found[whose] = (ours, theirs)
    return found


@cache
def not_worse(ours: int, theirs: int, alpha: float) -> Verdict:
    """Return the product's verdict on answers; only counts matter, since equal values commute."""
    right = np.repeat([1.0, 0.0, 0.0], [ours, theirs, TEMPLATES - ours - theirs])
    other = np.repeat([0.0, 1.0, 0.0], [ours, theirs, TEMPLATES - ours - theirs])
    return judge_noninferior(right, other, MARGIN, alpha)


@cache
def _e(won: int, lost: int) -> float:
    return Evidence(won, lost).e


def on_time(late: int, requests: int, alpha: float) -> Verdict:
    """Return the verdict of `eprocess.certify` on requests that do not hang together."""
    e_pass, e_fail = _evidence(late, requests)
    if max(e_pass, e_fail) < 1 / alpha:
        return "UNDECIDED"
    return "FAIL" if e_fail > e_pass else "PASS"


@cache
def _evidence(late: int, requests: int) -> tuple[float, float]:
    bets = pass_bets(QUANTILE), fail_bets(QUANTILE)
    e_pass, e_fail = (float(wealth(late, requests, b)) for b in bets)
    return e_pass, e_fail


@dataclass(slots=True)
class Ledger:
    """What is kept of a world: challengers that are open or done with, how many, and looks.

    `looks` holds how often each was looked at, and sums: of its log ratio, of its share of late
    requests, and of right answers that it has fewer.
    """

    open: dict[int, Known] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    met: int = 0
    looks: Floats = field(default_factory=lambda: np.zeros((4, KNOWN + 2)))

    def known(self, one: int) -> Known:
        """Return what is known of a challenger, nothing at first."""
        if one not in self.open:
            self.met += 1
            self.open[one] = Known(self.met)
        return self.open[one]

    def close(self, one: int) -> None:
        """Be done with a challenger while the same one serves."""
        del self.open[one]
        self.closed.add(one)

    def promoted(self) -> None:
        """Forget what was shown beside what served; the error that was spent stays spent."""
        self.open.clear()
        self.closed.clear()


def search(
    world: World, ledger: Ledger, rng: Rng, always: int | None = None, resting: Iterable[int] = ()
) -> int | None:
    """Look at some; return what is best by all looks and seems to keep what is asked, if any.

    Who rests is not returned, nor what does not look better than what serves by FLOOR.
    """
    out = [world.serves, *ledger.closed, *resting]
    look(world, ledger, rng, out, always)
    counts, *sums = ledger.looks[:, : world.ratios.size]
    ratios, late, fewer = sums / np.maximum(counts, 1)
    seems = (counts > 0) & (late <= ALLOWED) & (fewer < MARGIN)
    seems[out] = False
    best = int(np.where(seems, ratios, math.inf).argmin())
    better = ratios[best] - world.ratios[world.serves] < AT_FLOOR
    return best if seems[best] and better else None


def look(world: World, ledger: Ledger, rng: Rng, out: list[int], always: int | None) -> None:
    """Measure a block of LOOKED_AT, those without a look first, and none that are `out`."""
    turn = np.minimum(ledger.looks[0, : world.ratios.size], 1) + rng.random(world.ratios.size)
    turn[out] = math.inf
    if always is not None and always not in out:
        turn[always] = -1
    chosen = np.argpartition(turn, LOOKED_AT)[:LOOKED_AT]
    chosen = chosen[np.isfinite(turn[chosen])]
    ratios = world.ratios[chosen] + LOOK_SD * rng.standard_normal(chosen.size)
    late, answers = world.late[chosen], world.answers[chosen]
    won, lost = DISCORDANT / 2 + np.maximum([answers, -answers], 0)
    fewer = rng.binomial(REQUESTS, lost) - rng.binomial(REQUESTS, won)
    seen = [np.ones(chosen.size), ratios, rng.binomial(REQUESTS, late) / REQUESTS, fewer / REQUESTS]
    ledger.looks[:, chosen] += seen


Tonight = Callable[[World, Ledger, Rng, int | None], int | None]
"""A way: (world, ledger, draws, whom the search looks at anyway) -> who is promoted, or None."""


def proven(
    world: World,
    ledger: Ledger,
    rng: Rng,
    always: int | None,
    *,
    error: Callable[[int], float] = error_of,
    patience: float = PATIENCE,
) -> int | None:
    """Let the challenger whose turn it is meet what serves, and say who is shown to be better."""
    one = whose_turn(world, ledger, rng, always, patience)
    if one is None:
        return None
    known = ledger.known(one)
    known.meet(world, one, rng)
    alpha = error(known.number)
    outcome = known.evidence(alpha).outcome(alpha) if alpha else "no better"
    if outcome == "no better":
        ledger.close(one)
    return one if outcome == "better" else None


def whose_turn(
    world: World, ledger: Ledger, rng: Rng, always: int | None, patience: float
) -> int | None:
    """Return the challenger with the fewest turns of so many nights, then the most evidence.

    Among them is what looks best in the search, which has no evidence.
    """
    going = {o: k for o, k in ledger.open.items() if k.e > 1}
    turns = {o: (k.nights // patience, -k.e) for o, k in going.items()}
    best = search(world, ledger, rng, always, [o for o, (turn, _) in turns.items() if turn])
    if best is not None:
        turns.setdefault(best, (0, 0.0))
    return min(turns, key=turns.__getitem__, default=None)


def evenly(number: int) -> float:
    """Return the error of a night where each gets the same."""
    return YEAR / MOST


def from_nothing(world: World, ledger: Ledger, rng: Rng, always: int | None) -> int | None:
    """Search and prove in one night, with nothing kept of others but that there are so many."""
    return proven(world, Ledger(), rng, always, error=evenly)


def point_estimates(world: World, ledger: Ledger, rng: Rng, always: int | None) -> int | None:
    """Promote what was better in its night, late in fewer than 1 %, and right often enough."""
    one = search(world, Ledger(), rng, always)
    if one is None:
        return None
    known = Known(1)
    known.meet(world, one, rng)
    late = known.late >= ALLOWED * known.requests
    worse = any(theirs - ours >= MARGIN * TEMPLATES for ours, theirs in known.answers.values())
    return None if late or worse or known.ratio >= AT_FLOOR else one


def best_trial(world: World, ledger: Ledger, rng: Rng, always: int | None) -> int | None:
    """Promote what looked best in the search, by as many requests as a block has."""
    return search(world, Ledger(), rng, always)


WAYS: dict[str, Tonight] = {
    "kept": proven,
    "error evenly over nights": partial(proven, error=evenly),
    "without turns": partial(proven, patience=math.inf),
    "from nothing": from_nothing,
    "point estimates": point_estimates,
    "best trial": best_trial,
}


@dataclass(frozen=True, slots=True)
class Night:
    """Who was promoted, None for nobody, and whether that was wrong, or even harmful."""

    promoted: int | None = None
    wrong: bool = False
    harmful: bool = False


def nights(
    world: World, way: Tonight, ledger: Ledger, rng: Rng, always: int | None = None
) -> Iterator[Night]:
    """Yield what each night comes to, for ever; what is promoted serves from then on."""
    while True:
        one = way(world, ledger, rng, always)
        if one is None:
            yield Night()
            continue
        night = Night(one, world.wrong(one), world.harmful(one))
        world.serves = one
        ledger.promoted()
        yield night
