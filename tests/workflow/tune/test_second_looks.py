"""Second looks go by promise, also where the best candidate needs a start."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.workflow.tune.test_dear_starts import FLAGS, SPACE, settled
from tests.workflow.worlds import Recorder, study, world
from tuner.search.budget import plan
from tuner.search.propose import Proposer
from tuner.store.run_folder import claimed
from tuner.testing.resolving import ResolvingEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.searching.queue import Queue
from tuner.workflow.tune.searching.screening import Screening
from tuner.workflow.tune.searching.shortlist import second_looks

BATCHES = (32, 256, 64)
"""The settings of three trials: the second is the best, the server of the third one runs."""


async def looked_at(out: Path, left_s: float) -> list[int]:
    """Return which of the trials had second looks, in turn, with so many seconds for them."""
    engine = ResolvingEngine(world, knobs=FLAGS, settled=settled)
    asked, recorder = study(space=SPACE), Recorder()
    with claimed(out):
        session, base = Session(asked, engine, out, math.inf), baseline(asked, engine)
        queue = Queue(session, Proposer(asked.space, base, "random", 0))
        screening = Screening(session, queue, plan(asked), recorder, [])
        for batch in BATCHES:
            changed = {"num_batch": batch, "temperature": 0.0, "num_predict": 16}
            await screening.screen(*queue.strategy.fixed({**base, **changed}, "sampler"))
        session.budget_s = session.elapsed_s() + screening.plan.confirmation_s + left_s
        recorder.trials.clear()
        await second_looks(screening, base, len(BATCHES))
        await session.aclose()
    return [t.of for t in recorder.trials if t.of is not None]


@pytest.mark.parametrize(
    ("left_s", "looked"), [(30.0, []), (80.0, [1]), (600.0, [1, 2])]
)  # fmt: skip
def test_the_best_comes_first_though_another_ones_server_runs(
    left_s: float, looked: list[int], tmp_path: Path
) -> None:
    """A worse one that costs no start is not the only one to be proven."""
    assert virtually(looked_at(tmp_path / "out", left_s)) == looked
