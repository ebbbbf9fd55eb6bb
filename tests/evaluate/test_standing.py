"""The state of a watched server changes when evidence carries it, and not at the border."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tuner.evaluate.standing import Standing
from tuner.evaluate.watched import Figures, State
from tuner.stats.counts import certify_counts

WINDOW_S, QUANTILE = 100.0, 0.9


@dataclass
class Counting:
    """A record of one request a second, of which it is known whether each was late."""

    late: list[bool] = field(default_factory=list)
    _sums: list[int] = field(default_factory=lambda: [0])

    def seen(self, since_s: float) -> int:
        """Return how many requests came since then."""
        return max(0, len(self.late) - max(0, int(since_s)))

    def _verdict(self, since_s: float, alpha: float) -> str:
        n = self.seen(since_s)
        while len(self._sums) <= len(self.late):
            self._sums.append(self._sums[-1] + self.late[len(self._sums) - 1])
        late = self._sums[-1] - self._sums[len(self.late) - n]
        return certify_counts((late, late), n, QUANTILE, alpha).verdict

    def lost(self, since_s: float, alpha: float) -> tuple[str, ...]:
        """Return the one target where it is shown to be missed."""
        return ("the target",) if self._verdict(since_s, alpha) == "FAIL" else ()

    def met(self, since_s: float, alpha: float) -> bool:
        """Tell whether the one target is shown to hold."""
        return self._verdict(since_s, alpha) == "PASS"

    def figures(self, since_s: float) -> Figures:
        """Return nothing: these tests look at states."""
        return Figures(self.seen(since_s), {}, {}, {})

    def unjudged(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


def states(rates: list[float], rng: np.random.Generator, every: int = 5) -> list[State]:
    """Return the state after each look at requests that are late at these rates."""
    record, standing, found = Counting(), Standing(0.0, WINDOW_S), []
    for second, rate in enumerate(rates):
        record.late.append(bool(rng.random() < rate))
        if second % every == 0:
            found.append(standing.look(float(second + 1), record))
    return found


def changes(found: list[State]) -> list[State]:
    """Return the states without repetitions."""
    return [s for i, s in enumerate(found) if i == 0 or s != found[i - 1]]


def test_good_service_is_met_bad_is_lost_and_good_again_is_met() -> None:
    """Each change is seen, once, in the order in which it came."""
    rates = [0.01] * 300 + [0.6] * 100 + [0.01] * 400
    found = changes(states(rates, np.random.default_rng(1)))

    assert found == ["undecided", "met", "lost", "met"]


def test_a_loss_is_seen_soon_however_long_all_was_well() -> None:
    """The good times before do not outweigh what comes after them."""
    rng, took = np.random.default_rng(2), []
    for _ in range(8):
        found = states([0.01] * 1000 + [0.5] * 200, rng, every=1)
        took.append(found.index("lost") - 1000)

    assert 0 < np.median(took) < WINDOW_S


def test_at_exactly_the_allowed_rate_it_hardly_ever_leaves_undecided() -> None:
    """Over a whole watch: lost in at most 5 % of runs, met likewise; and it does not flap."""
    rng, runs = np.random.default_rng(3), 60
    seen = [changes(states([1 - QUANTILE] * 1200, rng, every=10)) for _ in range(runs)]
    border = 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5

    assert sum("lost" in found for found in seen) / runs <= border
    assert sum("met" in found for found in seen) / runs <= border
    assert max(map(len, seen)) <= 3


def test_no_request_is_never_well() -> None:
    """What was met is undecided after a window without requests; what was lost stays lost."""
    record, standing = Counting([False] * 200), Standing(0.0, WINDOW_S)

    assert standing.look(200.0, record) == "met"
    assert standing.look(299.0, record) == "met"
    assert standing.look(301.0, record) == "undecided"

    record, standing = Counting([True] * 50), Standing(0.0, WINDOW_S)

    assert standing.look(50.0, record) == "lost"
    assert standing.missed == ("the target",)
    assert standing.look(500.0, record) == "lost"


def test_what_came_before_a_loss_does_not_clear_it() -> None:
    """An all-clear needs requests of its own."""
    record, standing = Counting([False] * 200 + [True] * 30), Standing(0.0, WINDOW_S)

    assert standing.look(230.0, record) == "lost"
    record.late += [False] * 10
    assert standing.look(240.0, record) == "lost"
    record.late += [False] * 150
    assert standing.look(390.0, record) == "met"
    assert standing.missed == ()


def test_a_machine_that_slept_spends_no_error_meanwhile() -> None:
    """After a day of sleep one test begins, and what comes then is judged as before."""
    record, standing = Counting([False] * 5), Standing(0.0, WINDOW_S)
    standing.look(5.0, record)
    record.late += [True] * 86_400
    standing.look(86_405.0, record)

    assert standing.state == "lost"
