"""Make trials from what was measured: screened once, looked at longer, or read from folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from tuner.engines import observation
from tuner.evaluate import failures
from tuner.evaluate.measured import Measured
from tuner.search import hints
from tuner.search.trial import Origin, Trial, baseline_correct, value, violations
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.trial_folder import StoredTrial


def unmeasured(number: int, candidate: Candidate, origin: Origin, planned: int) -> Trial:
    """Return the trial of a candidate that nothing was sent to yet."""
    return Trial(number, candidate, origin, "pruned", planned=planned)


def screened(
    study: Study, trial: Trial, measured: Measured, baseline_correct: float | None
) -> Trial:
    """Return a trial with what was measured: pruned where that is less than was planned.

    `baseline_correct` is the baseline's share of correct answers, None where it is unknown.
    """
    samples = measured.counted
    trial = replace(trial, samples=samples, observed=measured.observed)
    if measured.failed:
        broken = violations(study, samples, baseline_correct) if failures.refused(samples) else {}
        return replace(trial, reason=measured.failed.splitlines()[0], violations=broken)
    trial = _estimated(study, trial, measured, baseline_correct)
    if len(samples) < trial.planned:
        sent = f"after {len(samples)} of {trial.planned} requests"
        return replace(trial, reason=f"{sent}: {_broken(trial)}")
    return replace(trial, state="complete")


def continued(trial: Trial, number: int, candidate: Candidate, knobs: Mapping[str, Knob]) -> Trial:
    """Return the trial that goes on with another one, with its samples as `candidate` cuts them.

    Its number is that of the trial where the candidate stays the same.
    """
    origin: Origin = trial.origin if number == trial.number else "tightened"
    before = hints.projected(trial, candidate, knobs)
    return replace(
        trial, number=number, candidate=candidate, origin=origin, samples=before, of=trial.number
    )


def looked_at_longer(
    study: Study, trial: Trial, measured: Measured, baseline_correct: float | None
) -> Trial:
    """Return a continued trial with the samples of its second look."""
    if measured.failed:
        return replace(trial, state="pruned", reason=measured.failed.splitlines()[0])
    observed = observation.merged(trial.observed, measured.observed)
    trial = replace(trial, samples=(*trial.samples, *measured.counted), observed=observed)
    return _estimated(study, trial, measured, baseline_correct)


def _estimated(
    study: Study, trial: Trial, measured: Measured, baseline_correct: float | None
) -> Trial:
    """Return a trial with the point estimates of its samples."""
    return replace(
        trial,
        violations=violations(study, trial.samples, baseline_correct),
        value=value(study, trial.samples, measured.memory_bytes),
        memory_bytes=measured.memory_bytes,
    )


def restored(study: Study, knobs: Mapping[str, Knob], stored: Sequence[StoredTrial]) -> list[Trial]:
    """Return the trials of a run's search and shortlist as its folders tell them."""
    trials: dict[int, Trial] = {}
    for found in stored:
        place = found.place
        if place.number is None:
            continue
        if place.phase == "search":
            trials[place.number] = _restored(study, trials, found, place.number)
        elif place.phase == "shortlist" and place.of is not None:
            first = trials.get(place.of)
            alone = replace(_restored(study, trials, found, place.number), of=place.of)
            # by its second look alone where the first was moved away
            trials[place.number] = (
                alone if first is None else _restored_look(study, knobs, trials, first, found)
            )
    return list(trials.values())


def _restored(study: Study, trials: Mapping[int, Trial], found: StoredTrial, number: int) -> Trial:
    origin, planned = cast(Origin, found.place.origin), found.place.planned
    trial = unmeasured(number, found.candidate, origin, planned)
    return screened(study, trial, found.measured, baseline_correct(list(trials.values())))


def _restored_look(
    study: Study,
    knobs: Mapping[str, Knob],
    trials: Mapping[int, Trial],
    first: Trial,
    found: StoredTrial,
) -> Trial:
    """Return a trial after its second look, which a folder holds."""
    known, number = baseline_correct(list(trials.values())), found.place.number
    assert number is not None
    trial = continued(first, number, found.candidate, knobs)
    return looked_at_longer(study, trial, found.measured, known)


def _broken(trial: Trial) -> str:
    missed = [f"{name} missed" for name, v in trial.violations.items() if v > 0]
    why = failures.listed(failures.reasons(trial.samples))
    return (", ".join(missed) or "beaten by the best so far") + (f"; failed: {why}" if why else "")
