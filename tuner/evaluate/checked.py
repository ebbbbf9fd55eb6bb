"""What a check found, in one word and one line."""

from __future__ import annotations

from tuner.evaluate.measurement import Measurement
from tuner.evaluate.watched import State
from tuner.spec.study import Study
from tuner.spec.values import Slo, Verdict
from tuner.stats.planning import requests_to_pass

STATES: dict[Verdict, State] = {"PASS": "met", "FAIL": "lost", "UNDECIDED": "undecided"}


def state_of(m: Measurement) -> State:
    """Return the state that a measurement shows."""
    return STATES[m.verdict]


def why(m: Measurement, study: Study) -> str:
    """Say in one line what a measurement shows, and by what."""
    state = state_of(m)
    if m.saturated:
        return f"{state}: {m.saturated}"
    if state == "lost":
        return f"{state}: {'; '.join(_with(m, study, 'FAIL'))}"
    if state == "undecided":
        return f"{state}: {'; '.join(_open(m, study))}"
    return f"{state}: {'; '.join(_with(m, study, 'PASS'))}"


def _with(m: Measurement, study: Study, verdict: Verdict) -> list[str]:
    """Say what has a verdict, with the counts that it rests on."""
    targets = [_late(m, slo) for slo, c in m.certificates.items() if c.verdict == verdict]
    floors = [_floor(m, study, name) for name, v in m.guard.verdicts.items() if v == verdict]
    return targets + floors


def _late(m: Measurement, slo: Slo) -> str:
    c = m.certificates[slo]
    return f"{slo}, {c.late} of {c.n} requests late"


def _floor(m: Measurement, study: Study, name: str) -> str:
    """Return a floor with the share of good answers."""
    share = m.guard.valid if name == "min_valid" else m.guard.correct
    found = "none" if share.value is None else f"{share.value:.1%}"
    return f"{name} {getattr(study.guard, name):g}, {found} of {m.n} answers good"


def _open(m: Measurement, study: Study) -> list[str]:
    """Say what is open, and what would decide it."""
    open_targets = [slo for slo, c in m.certificates.items() if c.verdict == "UNDECIDED"]
    lines = [f"{_late(m, slo)}{_more(m, slo)}" for slo in open_targets]
    for name in (n for n, v in m.guard.verdicts.items() if v == "UNDECIDED"):
        told = "each counts once, and more of them would be needed"
        lines.append(f"{_floor(m, study, name)}, of {m.guard.templates} templates: {told}")
    return lines or ["nothing was judged"]


def _more(m: Measurement, slo: Slo) -> str:
    """Say how much longer a check would have to be."""
    c = m.certificates[slo]
    if c.late > (1 - slo.quantile) * c.n:
        return ""
    more = requests_to_pass(c.late, c.n, slo.quantile, 1 - c.confidence)
    if more == 0:
        return ", and some whose latency is unknown or that hang together"
    return f", about {more} more without a late one would show it: a longer --budget"
