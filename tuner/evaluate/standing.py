"""Where a server stands while it is watched: a state that changes only when evidence carries it.

A share of late requests that hovers about its budget says nothing at little traffic: one late of
100 is a whole budget of 1 %. So a test begins with each window and goes on from there, since one
that began in good times would take long to see that they are over. Test number k has a part
1 / (k (k + 1)) of the error; all parts together make one. So the chance of ever calling lost what
is not is at most alpha over the whole watch, however long it lasts and however often one looks,
and so is that of calling met what is not, as far as `Record` keeps what it promises. Source: a
union bound over e-processes with staggered beginnings, as in Shin, Ramdas and Rinaldo, E-detectors
(2022), with the error spent as in Balsubramani (2014) so that no end has to be known.

After a change what came before counts no more, in either direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tuner.evaluate.watched import Record, State

ALPHA = 0.05
MOST_TESTS = 24
"""Older tests are given up, which can only delay a change."""


@dataclass(frozen=True, slots=True)
class _Test:
    """A test that began at a time, with its part of the error."""

    since_s: float
    alpha: float


@dataclass(slots=True)
class Standing:
    """The state of a server watched since `began_s`; `missed` is what was shown to be missed."""

    began_s: float
    window_s: float
    alpha: float = ALPHA
    state: State = "undecided"
    missed: tuple[str, ...] = ()
    _tests: list[_Test] = field(default_factory=list)
    _begun: int = 0

    def look(self, now_s: float, record: Record) -> State:
        """Return the state, changed where the record carries it; call it as often as you like.

        Without a request in the last window nothing is met; what is lost stays so.
        """
        self._begin(now_s)
        if self.state != "lost" and (missed := self._shown_lost(record)):
            self._change("lost", missed, now_s)
        elif self.state == "met" and not record.seen(now_s - self.window_s):
            self._change("undecided", (), now_s)
        elif self.state != "met" and any(record.met(t.since_s, t.alpha) for t in self._tests):
            self._change("met", (), now_s)
        return self.state

    def _shown_lost(self, record: Record) -> tuple[str, ...]:
        found = (record.lost(t.since_s, t.alpha) for t in self._tests)
        return next((missed for missed in found if missed), ())

    def _begin(self, now_s: float) -> None:
        """Begin the test that is due, at the time at which it was, or a window ago."""
        due_s = self._tests[-1].since_s + self.window_s if self._tests else self.began_s
        if now_s >= due_s:
            self._begun += 1
            part = self.alpha / (self._begun * (self._begun + 1))
            begins = _Test(max(due_s, now_s - self.window_s), part)
            self._tests = [*self._tests, begins][-MOST_TESTS:]

    def _change(self, state: State, missed: tuple[str, ...], now_s: float) -> None:
        self.state, self.missed = state, missed
        self.began_s, self._tests = now_s, []
        self._begin(now_s)
