"""Values worth trying that follow from the workload or from what a trial measured.

An output limit bounds the latency of the longest answers: with the time to first token and
the time per output token measured, the limit that keeps a target can be computed. Where
answers are right or wrong, plain sampling is worth a look: chance only adds errors, and a
penalty on what was said before spoils names and digits that an answer has to repeat. A server that
tells what it did proposes what might help against what held it up (`engines.observation`).
Hints are proposals like any other: they are measured, and win or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from tuner.engines.observation import LESS, MORE, OTHER, Move
from tuner.search.trial import Trial
from tuner.spec.knobs import Knob, name_of, value_of
from tuner.spec.space import Choices, Dimension, Range, Space
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Sample, Setting

_HEADROOM = 0.97
DRIFT = 1.2
"""How much slower a machine may become between search and proof."""

_STEP = 1.01
"""Moved by so much at least, a knob takes its next value."""

_ENOUGH = (0.95, 1.0)
"""Shares of the answers seen that a limit should leave whole."""


def values(
    study: Study, knobs: Mapping[str, Knob], trial: Trial, name: str, dimension: Dimension
) -> tuple[Setting, ...]:
    """Return the values of a knob that a trial suggests; none for most knobs.

    What the server's own numbers propose comes before what samples suggest.
    """
    knob = knobs.get(name)
    if proposed := _proposed(trial, name, dimension):
        return proposed
    if knob is None or not _counts(dimension):
        return ()
    if isinstance(knob.neutral, int | float) and study.workload.expects:
        return _others((_at_most(dimension, knob.neutral),), trial, name)
    served = _served(trial)
    if knob.role != "limit" or len(served) < 5:
        return ()
    wanted = [_fast_enough(study, served), *_long_enough(served)]
    found = (_at_most(dimension, limit) for limit in wanted if limit is not None)
    return _others(found, trial, name)


def _proposed(trial: Trial, name: str, dimension: Dimension) -> tuple[Setting, ...]:
    """Return the values that the reason for the server's pace proposes, the boldest first."""
    moves = [move for move in trial.moves if move.knob == name]
    return _others((v for move in moves for v in _ends(dimension, move, trial)), trial, name)


def _ends(dimension: Dimension, move: Move, trial: Trial) -> Iterator[Setting]:
    """Yield the values of a dimension to which a move leads from the number that is in force."""
    if move.to == OTHER and isinstance(dimension, Choices):
        yield from dimension.values
    told = trial.candidate.get(move.knob)
    now = told if _is_number(told) else move.at
    if now is None or not _counts(dimension):
        return
    ends = {MORE: (2 * now, _STEP * now), LESS: (now / 2, now / _STEP)}
    for end in (move.to,) if _is_number(move.to) else ends.get(str(move.to), ()):
        found = _at_least(dimension, end) if end > now else _at_most(dimension, end)
        if (float(found) > now) == (end > now):  # not back, where the space ends before
            yield found


def _is_number(value: Setting | None) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _others(found: Iterable[Setting], trial: Trial, name: str) -> tuple[Setting, ...]:
    return tuple(v for v in dict.fromkeys(found) if v != trial.candidate.get(name))


def tightened(study: Study, trial: Trial, space: Space, knobs: Mapping[str, Knob]) -> Candidate:
    """Return a trial's candidate with a lower output limit, where that keeps the target cheaply.

    The limit may cut a quarter of the answers that the guard lets be invalid, so that the floor
    can still be shown. Without a floor on valid answers it may cut none.
    """
    limit = name_of(knobs, "limit") or ""
    served, now = _served(trial), trial.candidate.get(limit)
    known = limit in space and _counts(space[limit]) and isinstance(now, int | float)
    fast = _fast_enough(study, served, DRIFT) if served and known else None
    if fast is None or not isinstance(now, int | float):
        return trial.candidate
    allowed = (1 - study.guard.min_valid) / 4 if study.guard.min_valid else 0.0
    longest_first = sorted((s.output_tokens or 0 for s in served), reverse=True)
    whole = longest_first[int(allowed * len(served) + 1e-9)]
    value = max(_at_most(space[limit], fast), _at_least(space[limit], whole), key=float)
    if 0 < now <= float(value):
        return trial.candidate
    return {**trial.candidate, limit: value}


def projected(trial: Trial, candidate: Candidate, knobs: Mapping[str, Knob]) -> tuple[Sample, ...]:
    """Return a trial's samples as a tighter output limit would have cut them.

    The tokens before the limit are the same ones, so the cut answer is known, and so is
    when its last token came, at the sample's own pace. An estimate for choosing finalists.
    """
    limit = value_of(knobs, "limit", candidate)
    if candidate == trial.candidate or not isinstance(limit, int | float) or limit <= 0:
        return trial.samples
    return tuple(
        _cut(s, int(limit)) if s.output_tokens is not None and s.output_tokens > limit else s
        for s in trial.samples
    )


def _cut(sample: Sample, limit: int) -> Sample:
    if sample.first_ns is None:
        return sample
    last_ns = sample.first_ns + int(sample.latency_s("tpot") * 1e9 * (limit - 1))
    return replace(sample, last_ns=last_ns, output_tokens=limit, finish="length", guard="truncated")


def _served(trial: Trial) -> list[Sample]:
    """Return the samples that were served and whose number of tokens is known."""
    return [s for s in trial.samples if s.outcome == "ok" and s.output_tokens]


def _fast_enough(study: Study, served: Sequence[Sample], slower: float = 1.0) -> float | None:
    """Return the output limit at which a p99 request would just keep the e2e target.

    `slower` allows for a machine whose pace drifts.
    """
    targets = [s.max_s for s in study.slos if s.metric == "e2e"]
    per_token = slower * float(np.quantile([s.latency_s("tpot") for s in served], 0.98))
    if not targets or per_token <= 0:
        return None
    first = float(np.quantile([s.latency_s("ttft") for s in served], 0.98))
    return max(1.0, math.floor((_HEADROOM * min(targets) - first) / per_token) + 1)


def _long_enough(served: Sequence[Sample]) -> list[float]:
    """Return output limits that would have left most and all of the answers whole."""
    tokens = [s.output_tokens or 0 for s in served]
    return [float(math.ceil(np.quantile(tokens, share))) + 1 for share in _ENOUGH]


def _at_most(dimension: Dimension, value: float) -> Setting:
    """Return the largest value of the dimension that is not above `value`, or its smallest."""
    if isinstance(dimension, Range):
        steps = math.floor((value - dimension.low) / dimension.grain)
        return dimension.nearest(dimension.low + steps * dimension.grain)
    numbers = _numbers(dimension)
    return max((v for v in numbers if v <= value), default=min(numbers))


def _at_least(dimension: Dimension, value: float) -> Setting:
    """Return the smallest value of the dimension that is not below `value`, or its largest."""
    if isinstance(dimension, Range):
        steps = math.ceil((value - dimension.low) / dimension.grain)
        return dimension.nearest(dimension.low + steps * dimension.grain)
    numbers = _numbers(dimension)
    return min((v for v in numbers if v >= value), default=max(numbers))


def _counts(dimension: Dimension) -> bool:
    """Tell whether a dimension has numbers: a server of one's own may have words instead."""
    return isinstance(dimension, Range) or bool(_numbers(dimension))


def _numbers(dimension: Choices) -> list[float]:
    numbers = (v for v in dimension.values if isinstance(v, int | float))
    return [v for v in numbers if not isinstance(v, bool)]
