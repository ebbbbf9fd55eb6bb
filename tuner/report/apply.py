"""Print what `tune apply` would change, what it did, and how the model answers in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from tuner import __version__
from tuner.engines.deployment import ServerSetup
from tuner.evaluate.measurement import Measurement
from tuner.machine.disturbance import sentences
from tuner.modelfile.diff import Change
from tuner.report.diff import show_diff
from tuner.spec.values import Slo


def apply_document(
    name: str,
    kept: str | None,
    changes: Sequence[Change] | None,
    setup: ServerSetup | None,
    measured: Measurement | None,
    *,
    edited: Sequence[str] = (),
    rolled_back: bool,
) -> dict[str, Any]:
    """Return what was done as a JSON document."""
    return {
        "schema": "tuner.apply/1",
        "tuner_version": __version__,
        "name": name,
        "kept": kept,
        "changes": None if changes is None else [c.what for c in changes],
        "edited": list(edited),
        "environment": dict(setup.environment) if setup else {},
        "service_file": str(setup.file) if setup else None,
        "in_place": None if measured is None else measured.verdict,
        "n": None if measured is None else measured.n,
        "disturbed": None if measured is None or measured.machine is None else _disturbed(measured),
        "rolled_back": rolled_back,
    }


def show_proposal(
    name: str,
    verdict: str,
    changes: Sequence[Change] | None,
    setup: ServerSetup | None,
    noun: str = "model",
    edited: Sequence[str] = (),
) -> Group:
    """Return what would change, for the person who is asked; `noun` is what is put into service."""
    parts: list[Table | str] = [f"{name}: the result is {_VERDICTS.get(verdict, verdict)}"]
    if changes is None:
        parts.append(f"no {noun} is called {name} yet; it will be created")
    else:
        parts.append(show_diff(f"{name} now", "new", changes))
    if edited:
        parts.append(
            f"edited by hand since it went into service: {', '.join(edited)}; what serves now is "
            "kept as it is, and the new files do not have these edits"
        )
    if setup:
        told = " ".join(f"{n}={v}" for n, v in setup.environment.items())
        parts.append(f"it was measured with this environment of the server: {told}")
        parts += ["which is put in force by a restart that is yours to make:"]
        parts += [f"  {step}" for step in setup.steps]
    return Group(*parts)


_VERDICTS = {"PASS": "PROVEN", "FAIL": "NOT PROVEN (it failed)", "UNDECIDED": "NOT PROVEN"}


def show_in_place(measured: Measurement) -> list[str]:
    """Return lines about the check in place: each target, a client too slow, disturbances."""
    told = [_in_place(slo, measured) for slo in measured.certificates]
    if measured.saturated:
        told.append(f"in place: that decides nothing, {measured.saturated}")
    return [*told, *(f"in place: disturbed, {said}" for said in _disturbed(measured))]


def busy_in_place(measured: Measurement | None) -> str:
    """Return the end of a roll-back's sentence that says what kept the machine busy, else ""."""
    said = [] if measured is None else _disturbed(measured)
    if not said:
        return ""
    return f"; the machine was busy ({'; '.join(said)}): apply it again when it is quiet"


def _disturbed(measured: Measurement) -> list[str]:
    return sentences({"the check in place": measured.machine} if measured.machine else {})


def _in_place(slo: Slo, measured: Measurement) -> str:
    c = measured.certificates[slo]
    value = measured.quantiles[slo.metric][0.5].value
    median = "nothing served" if value is None else f"median {value * 1000:.0f} ms"
    counted = f"{c.late} of {c.n} late for {slo} ({c.verdict})"
    return f"in place: {counted}, {median}, on the start that serves"
