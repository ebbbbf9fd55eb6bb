"""Why an iteration ends: the target is proven, another round does not pay, or none can be had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.search.error import MAX_ROUNDS
from tuner.spec.study import Study
from tuner.stats.noise import LEAST_CHANGE
from tuner.workflow.tune.iterating.rounds import Round, least_s, left_s, next_study

Reason = Literal["proven", "no gain", "no error", "no time"]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why no further round is held, in a word and in a sentence with the numbers."""

    reason: Reason
    said: str


def ending(study: Study, rounds: Sequence[Round]) -> Ending | None:
    """Return why rounds are over, None where another one is worth its time."""
    if not rounds:
        return None
    proven = next((r for r in rounds if r.verdict == "PASS"), None)
    if proven is not None:
        return Ending("proven", _proven(study, proven))
    last = rounds[-1]
    hope = last.prospect.gain
    if not last.lacks_requests and hope is not None and hope < noise_floor(last):
        return Ending("no gain", _no_gain(last))
    if len(rounds) >= MAX_ROUNDS:
        return Ending("no error", _no_error(study))
    if next_study(study, rounds) is None:
        return Ending("no time", _no_time(study, rounds))
    return None


def noise_floor(one: Round) -> float:
    """Return the |log ratio| below which a gain is none; at least that of any claim."""
    return max(one.noise_floor or 0.0, LEAST_CHANGE)


def _proven(study: Study, one: Round) -> str:
    return (
        f"proven in round {one.number}, which had {percent(one.error)} of the error of "
        f"{percent(study.error)} that all rounds share"
    )


def _no_gain(last: Round) -> str:
    hope, gain = last.prospect, last.prospect.gain or 0.0
    if not hope.count:
        return "not proven, and the space has no candidate left that was not tried"
    return (
        f"not proven, and another round is not expected to help: {hope.count} more trials would "
        f"bring {_share(gain)}, as {hope.trials} trials let expect, which is below the noise floor "
        f"of {_share(noise_floor(last))}"
    )


def _no_error(study: Study) -> str:
    return (
        f"not proven, and {MAX_ROUNDS} rounds have spent the error of {percent(study.error)} that "
        "they share: name another --out for a new iteration"
    )


def _no_time(study: Study, rounds: Sequence[Round]) -> str:
    left, needed = max(left_s(study, rounds), 0.0), least_s(study, rounds)[0]
    return (
        f"not proven, and {left:.0f} s of the budget are left, of which a round with a proof takes "
        f"{needed:.0f} s: go on with --iterate --resume and a --budget of "
        f"{math.ceil((study.budget_s - left + needed) / 60)}m or more"
    )


def _share(log_ratio: float) -> str:
    """Return a |log ratio| as the share by which a latency becomes smaller."""
    return f"{-100 * math.expm1(-log_ratio):.1f} %"


def percent(share: float) -> str:
    """Return a share in percent, to three digits."""
    return f"{100 * share:.3g} %"
