"""Tell people what a night came to, and write it for Prometheus; neither ever fails a night."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tuner.evaluate.estimates import is_late
from tuner.evaluate.measurement import METRICS, Measurement
from tuner.evaluate.night import Outcome
from tuner.spec.errors import InputError, OutputError
from tuner.spec.identity import digest
from tuner.telling.event import Delivery, Event
from tuner.telling.night import Config, Night, Role, Side
from tuner.telling.tell import tell
from tuner.telling.textfile import write_textfile
from tuner.workflow.nightly.asked import Asked
from tuner.workflow.nightly.ledger import Ledger

_ROLES: Mapping[str, Role] = {"incumbent": "incumbent", "challenger": "candidate"}


def told(asked: Asked, ledger: Ledger, outcome: Outcome) -> Outcome:
    """Tell of a night, and return it with what became of the messages and the metrics."""
    notify = asked.study.notify
    if notify is None:
        return outcome
    found: tuple[Delivery, ...] = ()
    event = _event(asked.deployment.name, outcome, open_alarm=_alarm_is_open(ledger))
    if event is not None and notify.tells:
        found = tell(event, notify)
    outcome = replace(outcome, told=found)
    if notify.textfile is None:
        return outcome
    try:
        write_textfile(_night(asked, ledger, outcome), notify.textfile)
    except OutputError as unwritten:
        left = Delivery("notify.textfile", None, "failed", str(unwritten))
        outcome = replace(outcome, told=(*found, left))
    return outcome


def alarms(outcome: Outcome) -> bool:
    """Tell whether people have to look after a night."""
    return outcome.decision in ("rolled_back", "failed") or outcome.alarm or outcome.target_lost


def _event(name: str, outcome: Outcome, *, open_alarm: bool) -> Event | None:
    """Return what is told of a night, None for nothing that anybody has to know."""
    sentence = f"{name}: {outcome.why}"
    if outcome.decision == "promoted" or outcome.waits:
        return Event("promoted", name, sentence, _details(outcome))
    if outcome.decision == "rolled_back":
        return Event("rolled_back", name, sentence, _details(outcome))
    if outcome.target_lost:
        return Event("target_lost", name, sentence, _details(outcome))
    if alarms(outcome):
        return Event("failed", name, sentence)
    cleared = open_alarm and outcome.decision in ("kept", "undecided")
    return Event("all_clear", name, sentence) if cleared else None


def _details(outcome: Outcome) -> dict[str, float | None]:
    """Return the p99s of both sides in milliseconds."""
    found = {}
    for side in ("incumbent", "challenger"):
        if side in outcome.measured:
            value = outcome.measured[side].quantiles["e2e"][0.99].value
            found[f"e2e p99 of the {side} (ms)"] = None if value is None else 1000 * value
    return found


def _alarm_is_open(ledger: Ledger) -> bool:
    """Tell whether the last night that was not skipped opened an alarm."""
    for line in reversed(_nights(ledger)):
        if line["decision"] != "skipped":
            return bool(line["decision"] in ("rolled_back", "failed") or line.get("target_lost"))
    return False


def _nights(ledger: Ledger) -> list[Mapping[str, Any]]:
    """Return the earlier nights; [] where the ledger cannot be read, which the night tells."""
    try:
        return list(ledger.lines("night"))
    except InputError:
        return []


# metrics
def _night(asked: Asked, ledger: Ledger, outcome: Outcome) -> Night:
    now = time.time()
    decided = outcome.decision not in ("failed", "skipped")
    trials = Counter(outcome.trials)
    for line in _nights(ledger):
        trials.update(line.get("trials", {}))
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
