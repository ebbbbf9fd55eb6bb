"""Turn the pairs of blocks of all nights into evidence about a challenger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal, TypeAlias

from tuner.evaluate.duel import FLOOR, Evidence
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.guard.verdict import first_answers, is_valid, overall, paired, report
from tuner.search.trial import value
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Sample, Verdict
from tuner.stats.paired import judge_noninferior
from tuner.stats.shares import judge_share
from tuner.workflow.dueling.answers import agreement, answered, answers, margin_of
from tuner.workflow.dueling.pairs import Pair as Blocks

Side: TypeAlias = Literal["challenger", "incumbent", "anchor"]
Pair: TypeAlias = Blocks[Side]

BY_CORRECT = "right answers"
BY_AGREEMENT = "agreement with the answers of what serves, and valid answers"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pairs show: evidence, a measurement of each side, and how answers were judged."""

    evidence: Evidence
    measured: Mapping[Side, Measurement]
    by: str

    @property
    def answers_open(self) -> bool:
        """Tell whether it is open what the answers show, as far as that decides."""
        others = () if self.evidence.by_person else self.evidence.not_worse.values()
        return "UNDECIDED" in (*_floors(self.measured["challenger"]), *others)


def shown(
    study: Study, sides: Mapping[Side, Candidate], pairs: Sequence[Pair], terms: Terms
) -> Shown:
    """Return what pairs show at the error of `terms`, which no verdict exceeds."""
    measured = {side: _measured(study, sides, pairs, side, terms) for side in sides}
    others: list[Side] = [side for side in sides if side != "challenger"]
    won, lost = _won_and_lost(study, pairs)
    evidence = Evidence(
        won,
        lost,
        _meets(measured["challenger"]),
        {side: _not_worse(study, pairs, side, terms.alpha) for side in others},
        _meets(measured["incumbent"]),
        study.promote == "ask",
    )
    return Shown(evidence, measured, BY_CORRECT if study.workload.judged else BY_AGREEMENT)


def _measured(
    study: Study,
    sides: Mapping[Side, Candidate],
    pairs: Sequence[Pair],
    side: Side,
    terms: Terms,
) -> Measurement:
    """Return all blocks of a side as one measurement, beside the answers of what serves."""
    blocks = [pair[side] for pair in pairs if side in pair]
    pooled = reduce(Measured.plus, blocks, Measured())
    if side == "incumbent":
        terms = replace(terms, alpha=terms.alpha / 2)
    if side == "challenger":
        terms = replace(terms, baseline=answers(pairs, "incumbent"))
    return measurement(study, sides[side], pooled, terms)


def _meets(found: Measurement) -> Verdict:
    """Return the verdict on targets and floors alone."""
    return overall([found.latency_verdict, *_floors(found)])


def _floors(found: Measurement) -> list[Verdict]:
    return [verdict for name, verdict in found.guard.verdicts.items() if name != "max_drop"]


def _won_and_lost(study: Study, pairs: Sequence[Pair]) -> tuple[int, int]:
    """Return how many pairs the challenger won by more than the noise floor, and how many not.

    A pair counts where both sides answered.
    """
    gains = [
        _value(study, pair["challenger"]) - _value(study, pair["incumbent"])
        for pair in pairs
        if answered(pair, "challenger") and answered(pair, "incumbent")
    ]
    won = sum(gain > -math.log1p(-FLOOR) for gain in gains)
    return won, len(gains) - won


def _value(study: Study, block: Measured) -> float:
    return value(study, block.counted, block.memory_bytes)


def _not_worse(study: Study, pairs: Sequence[Pair], other: Side, alpha: float) -> Verdict:
    """Return whether the challenger's answers are shown to be not worse than another side's."""
    ours, theirs = answers(pairs, "challenger"), answers(pairs, other)
    if not ours or not theirs:
        return "UNDECIDED"
    margin = margin_of(study)
    if not study.workload.judged:
        return _agree(ours, theirs, margin, alpha)
    asked = Guard(max_drop=margin)
    visits = study.workload.visits
    found = report(ours, asked, alpha=alpha, visits=visits, baseline=theirs)
    return found.verdicts["max_drop"]


def _agree(
    ours: Sequence[Sample], theirs: Sequence[Sample], margin: float, alpha: float
) -> Verdict:
    """Return whether answers mostly say the same, and are valid as often.

    That is all that can be asked where no prompt says what is right.
    """
    same = agreement(ours, theirs)
    pairs = paired(first_answers(ours), theirs)
    valid = judge_noninferior(
        [is_valid(a) for a, _ in pairs], [is_valid(b) for _, b in pairs], margin, alpha
    )
    return overall([judge_share(same, 1 - margin, alpha), valid])
