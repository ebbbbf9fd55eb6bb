"""Tell people what a night came to, and write it for Prometheus; neither ever fails a night."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tuner.evaluate.estimates import is_late
from tuner.evaluate.measurement import METRICS, Measurement
from tuner.evaluate.night import Outcome
from tuner.report.night import night_document
from tuner.spec.errors import InputError, OutputError
from tuner.spec.identity import digest
from tuner.spec.notify import EventKind
from tuner.telling.event import Delivery, Event
from tuner.telling.night import Config, Night, Role, Side
from tuner.telling.tell import tell
from tuner.telling.textfile import write_textfile
from tuner.workflow.nightly.asked import Asked
from tuner.workflow.nightly.ledger import Ledger, Line

_CLEARS = ("promoted", "kept", "undecided", "repaired")

_ROLES: Mapping[str, Role] = {"incumbent": "incumbent", "challenger": "candidate"}


def told(asked: Asked, ledger: Ledger, outcome: Outcome) -> Outcome:
    """Tell of a night, and return it with what became of the messages and the metrics."""
    notify = asked.study.notify
    if notify is None:
        return outcome
    events = _events(asked.deployment.name, outcome, _open_alarm(_nights(ledger)))
    found = [d for event in events if notify.tells for d in tell(event, notify)]
    outcome = replace(outcome, told=tuple(found))
    if notify.textfile is None:
        return outcome
    try:
        write_textfile(_night(asked, ledger, outcome), notify.textfile)
    except OutputError as unwritten:
        left = Delivery("notify.textfile", None, "failed", str(unwritten))
        outcome = replace(outcome, told=(*found, left))
    return outcome


def _events(name: str, outcome: Outcome, open_alarm: Line | None) -> Iterator[Event]:
    """Yield what is told of a night, nothing where nobody has to know anything."""
    sentence = f"{name}: {outcome.why}"
    if kind := _kind(outcome):
        yield Event(kind, name, sentence, _details(outcome))
    if open_alarm is not None and _clears(_line(outcome), open_alarm):
        yield Event("all_clear", name, sentence)


def _kind(outcome: Outcome) -> EventKind | None:
    if outcome.decision == "promoted" or outcome.waits:
        return "promoted"
    if outcome.decision == "rolled_back":
        return "rolled_back"
    if outcome.target_lost:
        return "target_lost"
    return "failed" if outcome.alarms else None


def _details(outcome: Outcome) -> dict[str, float | None]:
    """Return the p99s of both sides in milliseconds."""
    found = {}
    for side in ("incumbent", "challenger"):
        if side in outcome.measured:
            value = outcome.measured[side].quantiles["e2e"][0.99].value
            found[f"e2e p99 of the {side} (ms)"] = None if value is None else 1000 * value
    return found


def _open_alarm(nights: Sequence[Line]) -> Line | None:
    """Return the night that opened an alarm which no later one resolved, None for none."""
    found: Line | None = None
    for line in nights:
        if line["alarm"]:
            found = line
        elif found is not None and _clears(line, found):
            found = None
    return found


def _clears(night: Line, opened: Line) -> bool:
    """Tell whether a night resolves the alarm of an earlier one.

    One that did nothing says nothing, and a target that was lost is well where it was shown to be.
    """
    if night["alarm"] or night["decision"] not in _CLEARS:
        return False
    well = night["decision"] == "promoted" or (night["evidence"] or {}).get("incumbent") == "PASS"
    return well or not opened["target_lost"]


def _line(outcome: Outcome) -> Line:
    """Return what the ledger will tell of a night."""
    return night_document(outcome, "")


def _nights(ledger: Ledger) -> list[Line]:
    """Return the earlier nights; [] where the ledger cannot be read, which the night tells."""
    try:
        return ledger.lines("night")
    except InputError:
        return []


# metrics
def _night(asked: Asked, ledger: Ledger, outcome: Outcome) -> Night:
    now = time.time()
    decided = outcome.decision not in ("failed", "skipped")
    counts = {line["out"]: line["trials"] for line in _nights(ledger)}
    counts[str(asked.out.absolute())] = outcome.trials  # by day it has a line already
    trials: Counter[str] = Counter()
    for of_night in counts.values():
        trials.update(of_night)
    return Night(
        name=asked.deployment.name,
        ran_at=now,
        succeeded_at=now if decided else _succeeded_at(ledger),
        duration_s=outcome.seconds,
        decision=outcome.decision,
        trials=trials,
        sides={_ROLES[s]: _side(asked, m) for s, m in outcome.measured.items() if s in _ROLES},
        lost=_lost(asked, outcome),
        untold=sum(delivery.state == "failed" for delivery in outcome.told),
        config=_config(asked, outcome),
    )


def _succeeded_at(ledger: Ledger) -> float | None:
    for line in reversed(_nights(ledger)):
        if line["decision"] not in ("failed", "skipped"):
            return datetime.fromisoformat(line["at"]).timestamp()
    return None


def _side(asked: Asked, m: Measurement) -> Side:
    quantiles = {
        metric: {q: bound.value for q, bound in m.quantiles[metric].items()} for metric in METRICS
    }
    return Side(
        quantiles["e2e"], quantiles["ttft"], quantiles["tpot"],
        _goodput(asked, m), m.guard.valid.value,
    )  # fmt: skip


def _goodput(asked: Asked, m: Measurement) -> float | None:
    """Return the requests a second that met every target, None where that is not known."""
    rate, slos = m.throughput.get("requests_per_s"), asked.study.slos
    late = [[is_late(asked.study, slo, sample) for slo in slos] for sample in m.samples]
    if rate is None or not late or any(None in found for found in late):
        return None
    return rate * sum(not any(found) for found in late) / len(late)


def _lost(asked: Asked, outcome: Outcome) -> dict[str, bool | None]:
    """Return for each target whether what serves was shown to miss it; {} without requests."""
    serves = outcome.measured.get("challenger" if outcome.decision == "promoted" else "incumbent")
    if serves is None:
        return {}
    return {slo.metric: _is_lost(c.verdict) for slo, c in serves.certificates.items()}


def _is_lost(verdict: str) -> bool | None:
    return {"FAIL": True, "PASS": False}.get(verdict)


def _config(asked: Asked, outcome: Outcome) -> Config | None:
    """Return what serves after the night, None where it was not measured."""
    side = "challenger" if outcome.decision == "promoted" else "incumbent"
    if side not in outcome.measured:
        return None
    settings = dict(outcome.measured[side].candidate)
    return Config(asked.study.engine, asked.study.model, digest(settings))
