"""What starting the engine took, and what it made of the settings, where it tells."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tuner.evaluate.measurement import Measurement
from tuner.search.result import Result
from tuner.search.trial import Trial
from tuner.spec.values import EngineStart

MOST_SHOWN = 5


def starting_document(result: Result) -> dict[str, Any] | None:
    """Return the starts and their share of the time, None where the engine does not tell."""
    if not result.starts:
        return None
    seconds, share = _spent(result)
    return {
        "seconds": round(seconds, 3),
        "share": round(share, 4),
        "starts": [asdict(start) for start in result.starts],
    }


def starting_in_words(result: Result) -> Iterator[str]:
    """Yield what starting took, and what was not searched or not measured twice."""
    if result.starts:
        seconds, share = _spent(result)
        kinds = ", ".join(_of_kind(result.starts))
        yield f"Starting took {seconds:.0f} s, {share:.0%} of the time: {kinds}."
    if result.inert:
        said = "; ".join(f"{name} ({why})" for name, why in result.inert.items())
        yield f"Without effect, and not searched: {said}."
    alike = [trial for trial in result.trials if trial.same_as is not None]
    if alike:
        yield f"Not measured, since they amount to other trials: {_listed(alike)}."


def settings_in_words(result: Result) -> Iterator[str]:
    """Yield what the engine made of the settings of the best candidate, where it tells."""
    best = result.best.effective if result.best else None
    if best and best.notes:
        yield (
            "What became of the settings: "
            + "; ".join(note.rstrip(".") for note in best.notes)
            + "."
        )


def limits_in_words(measured: Measurement) -> list[str]:
    """Say within which limits the engine ran, where some were asked for."""
    found = measured.effective.limits if measured.effective else None
    return [] if found is None else [f"Limits of the engine: {found}."]


def _spent(result: Result) -> tuple[float, float]:
    """Return the seconds that all starts took, and their share of the run's."""
    seconds = sum(start.seconds for start in result.starts)
    return seconds, seconds / max(result.spent["seconds"], 1e-9)


def _of_kind(starts: Sequence[EngineStart]) -> Iterator[str]:
    for kind in ("cold", "warm"):
        seconds = [start.seconds for start in starts if start.kind == kind]
        if seconds:
            yield f"{len(seconds)} {kind} (median {statistics.median(seconds):.0f} s)"


def _listed(alike: Sequence[Trial]) -> str:
    shown = ", ".join(f"{t.number} (as {t.same_as})" for t in alike[:MOST_SHOWN])
    more = len(alike) - MOST_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")
