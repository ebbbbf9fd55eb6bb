"""The course of a run: when trials ended, what came of them, and what time was spent on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from tuner.search.importance import LEAST_TRIALS, RESAMPLES, SURE, importance
from tuner.store.trial_folder import Spent, StoredTrial

PART: Mapping[str, str] = {
    "search": "search",
    "recheck": "baseline between trials",
    "shortlist": "second looks",
    "confirmation": "proof",
    "cold": "cold starts",
}
"""What each phase of a run is called for people; others keep their name."""

FLOORS = ("min_valid", "min_correct", "max_drop")


def outcome(trial: Mapping[str, Any]) -> str:
    """Return what came of a trial, as one of a few words.

    One that breaks several constraints is named by the one that it breaks most.
    """
    broken = {name: v for name, v in trial["violations"].items() if v is None or v > 0}
    if broken:
        worst = max(broken, key=lambda name: np.inf if broken[name] is None else broken[name])
        return worst if worst in FLOORS else "too slow"
    if trial["state"] == "complete":
        return "met"
    return "cut" if trial["violations"] else "failed"


def outcomes(trials: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what came of trials with how many there are of each, the most frequent first."""
    counted = Counter(map(outcome, trials))
    return [{"outcome": name, "trials": count} for name, count in counted.most_common()]


def ended_s(stored: Sequence[StoredTrial]) -> dict[str, float]:
    """Return for each trial of the search when it ended, in seconds of the run, by its number."""
    return {
        str(trial.place.number): trial.spent.elapsed_s
        for trial in stored
        if trial.place.phase in ("search", "shortlist") and trial.place.number is not None
    }


def parts_of_the_time(stored: Sequence[StoredTrial], whole_s: float) -> list[dict[str, Any]]:
    """Return what a run spent its time on, phase by phase; `rest` is what came after its trials."""
    found: dict[str, dict[str, float]] = {}
    befores = [Spent(), *(trial.spent for trial in stored)]
    for trial, (before, after) in zip(stored, pairwise(befores), strict=True):
        part = PART.get(trial.place.phase, trial.place.phase)
        sums = found.setdefault(part, {"seconds": 0.0, "requests": 0, "restarts": 0})
        sums["seconds"] += max(after.elapsed_s - before.elapsed_s, 0.0)
        sums["requests"] += max(after.requests - before.requests, 0)
        sums["restarts"] += max(after.restarts - before.restarts, 0)
    rest = whole_s - sum(part["seconds"] for part in found.values())
    ends = [{"part": "files and conclusion", "seconds": rest, "requests": 0, "restarts": 0}]
    return [{"part": part, **sums} for part, sums in found.items()] + (ends if rest > 0 else [])


def baseline_blocks(
    stored: Sequence[StoredTrial], candidate: Mapping[str, Any], *, scheduled: bool
) -> list[dict[str, Any]]:
    """Return the baseline's blocks in time order, each with its median e2e latency in seconds."""
    found = []
    for trial in stored:
        if dict(trial.candidate) != candidate:
            continue
        seconds = [s.latency_s("e2e", scheduled=scheduled) for s in trial.measured.counted]
        if seconds and np.isfinite(median := float(np.median(seconds))):
            place = {"name": trial.name, "ended_s": trial.spent.elapsed_s}
            found.append({**place, "n": len(seconds), "median_s": median})
    return found


def knobs(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return which knobs told good trials from others; see `importance`.

    Trials rank as in the search: those that meet everything by the objective, then others by how
    much they break.
    """
    judged = [t for t in trials if t["violations"] and t["value"] is not None]
    keys = [(max(0.0, _broken(t)), -t["value"]) for t in judged]
    order = sorted(set(keys))
    ranks = [float(order.index(key)) for key in keys]
    found = importance([t["candidate"] for t in judged], ranks) if len(order) > 1 else []
    return {
        "trials": len(judged),
        "least_trials": LEAST_TRIALS,
        "resamples": RESAMPLES,
        "sure": SURE,
        "found": [asdict(knob) for knob in found],
    }


def _broken(trial: Mapping[str, Any]) -> float:
    return sum(max(0.0, np.inf if v is None else v) for v in trial["violations"].values())
