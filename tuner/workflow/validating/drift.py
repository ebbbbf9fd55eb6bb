"""Where nothing says what is right: how often both sides say the same, and A says it twice."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tuner.evaluate.measured import Measured
from tuner.evaluate.validation import Agreement, Side
from tuner.search.budget import LEAST_LOOK
from tuner.spec.knobs import name_of
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Candidate, Prompt
from tuner.stats.shares import share_bounds
from tuner.store.trial_folder import Place, StoredTrial
from tuner.workflow.dueling.answers import agreement
from tuner.workflow.dueling.pairs import Contestant
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.validating.asked import Ready

PHASE = "agreement"
MOST_ASKED = 100
SHARE = 0.2
"""The part of the time that it may take."""

_LOOKS: Sequence[tuple[int, Side]] = ((1, "a"), (2, "b"), (3, "a"))


async def drift(
    sides: Mapping[Side, Ready],
    contestants: Mapping[Side, Contestant],
    stored: Sequence[StoredTrial],
) -> Agreement | None:
    """Ask A, B and A again the same prompts; return how often they agree.

    None where a side did not answer. What was asked before is not asked again.
    """
    known = {t.place.number: t.measured for t in stored if t.place.phase == PHASE}
    prompts, found = _prompts(sides, contestants), list[Measured]()
    for number, side in _LOOKS:
        look = known.get(number)
        found.append(look or await _look(sides[side], contestants[side], number, prompts))
    a, b, again = (measured.counted for measured in found)
    same, itself = agreement(b, a), agreement(again, a)
    if not same or not itself:
        return None
    greedy = [_greedy(ready) is not None for ready in sides.values()]
    return Agreement(
        share_bounds(same), share_bounds(itself), len(same), True if all(greedy) else None
    )


def _prompts(sides: Mapping[Side, Ready], contestants: Mapping[Side, Contestant]) -> list[Prompt]:
    """Return prompts that the comparison itself does not ask, where some are kept back for it."""
    study = sides["a"].study
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    pace = max(who.session.pace().request_s for who in contestants.values())
    left_s = min(who.session.left_s() for who in contestants.values())
    fitting = int(SHARE * left_s / (len(_LOOKS) * max(pace, 1e-6)))
    there = len(study.workload.part(held_out=False))
    n = min(there, max(min(fitting, MOST_ASKED), LEAST_LOOK))
    return list(itertools.islice(supply.prompts(study.seed), n))


async def _look(ready: Ready, who: Contestant, number: int, prompts: Sequence[Prompt]) -> Measured:
    place = Place(PHASE, number, side="a" if number != 2 else "b")
    spec = TrialSpec(f"agreement-{number}", place, iter(prompts), len(prompts), fresh=who.own)
    return await who.session.measure(_greedy(ready) or ready.candidate, spec)


def _greedy(ready: Ready) -> Candidate | None:
    """Return a side's candidate that always takes the likeliest token, None where none is known."""
    name = name_of(ready.engine.knobs, "temperature")
    if name is None or not ready.sends or (least := ready.engine.knobs[name].neutral) is None:
        return None
    return {**ready.candidate, name: least}
