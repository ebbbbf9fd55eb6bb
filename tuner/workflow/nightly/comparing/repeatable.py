"""Whether what serves says the same twice; else agreement with its answers shows nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tuner.evaluate.measured import Measured
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Prompt
from tuner.store.trial_folder import Place
from tuner.workflow.dueling.answers import agreement
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.comparing.tonight import Tonight

ASKED = 10
DIFFERENT = 2
"""With so many different answers of ASKED, a share of 95 % is out of reach."""


async def ensure_repeatable(tonight: Tonight, session: Session) -> None:
    """Raise NotTonight where what serves answers some prompts in another way the second time.

    It matters where no prompt says what is right, and nobody is asked before a promotion.
    """
    if tonight.study.workload.judged or tonight.study.promote == "ask":
        return
    supply = Supply(tonight.study.workload, held_out=False, seed=tonight.study.seed)
    prompts = list(itertools.islice(supply.prompts(30_000), ASKED))
    first = await _asked(tonight, session, prompts, 1)
    again = await _asked(tonight, session, prompts, 2)
    same = agreement(first.counted, again.counted)
    if len(same) - sum(same) >= DIFFERENT:
        raise NotTonight(
            f"{len(same) - sum(same):.0f} of {len(same)} prompts were answered in another way when "
            "they were asked again, so that agreement with what serves shows nothing; say what is "
            "right (expect), let answers repeat (temperature: 0), or say promote: ask in the study"
        )


async def _asked(
    tonight: Tonight, session: Session, prompts: Sequence[Prompt], number: int
) -> Measured:
    place = Place("repeat", number)
    spec = TrialSpec(f"repeat-{number}", place, iter(prompts), len(prompts), as_model=True)
    return await session.measure(tonight.base, spec)
