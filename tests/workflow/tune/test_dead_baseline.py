"""A baseline whose server dies in the proof: what it did not answer shows nothing of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.guard.test_classify import sample
from tests.workflow.worlds import Recorder, study, world
from tuner.evaluate.measured import Measured
from tuner.search.result import Result
from tuner.spec.space import Choices
from tuner.spec.values import Candidate, Guard, Message, Prompt
from tuner.store.trial_folder import StoredTrial, read_all
from tuner.testing.simulated import Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.proving.proof import TRIES, Side
from tuner.workflow.tune.run import run

BASE = {"num_batch": 32, "temperature": 0.1, "num_predict": 64}
WORSE = {"num_batch": Choices((128,)), "temperature": Choices((0.3,))}
BETTER = {"num_batch": Choices((128,)), "temperature": Choices((0.0,))}


def dying(times: int, after: int = 0) -> World:
    """Return a world in which the baseline's server dies so often at a prompt that is held out.

    Each time it answers so many of them before.
    """
    left, answered = times, 0

    def made(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        nonlocal left, answered
        found = world(settings, text, rng)
        held_out = text.startswith("template") and int(text.split()[1]) % 2 == 1
        if not held_out or settings["num_batch"] != 32 or left == 0:
            return found
        answered += 1
        if answered <= after:
            return found
        left, answered = left - 1, 0
        return replace(found, dies=True)

    return made


def tuned(out: Path, served: World, *, resume: bool = False, **changes: object) -> Result:
    """Return a run that compares answers with a baseline that is slow, and mostly right."""
    given: dict[str, object] = {
        "baseline": BASE, "space": BETTER, "guard": Guard(0.9, 0.5, 0.05), "budget_s": 1800.0,
    }  # fmt: skip
    asked = study(**given | changes)
    return virtually(run(asked, out, Recorder(), SimulatedEngine(served), resume=resume))


def baseline_blocks(out: Path) -> list[StoredTrial]:
    """Return the baseline's blocks in the proof."""
    return [t for t in read_all(out) if t.place.side == "baseline"]


@pytest.mark.parametrize("after", [0, 5, 30])
def test_no_drop_is_denied_beside_a_baseline_that_always_dies(tmp_path: Path, after: int) -> None:
    """A worse candidate does not pass since the baseline answered nothing; the reason is told."""
    result = tuned(tmp_path / "o", dying(10**6, after), space=WORSE)
    failed = [b.measured.failed for b in baseline_blocks(tmp_path / "o")]

    assert result.verdict == "UNDECIDED"
    assert result.best is not None
    assert result.best.guard.verdicts["max_drop"] == "UNDECIDED"
    assert (result.best.guard.pairs, result.best.guard.difference.value) == (0, None)
    assert len(failed) == TRIES
    assert all(failed)
    (reason,) = result.reasons
    assert "no answers of the baseline to compare, since it failed" in reason


@pytest.mark.parametrize(("times", "after"), [(1, 0), (1, 20), (TRIES - 1, 5), (2, 60)])
def test_a_block_that_died_is_measured_again(tmp_path: Path, times: int, after: int) -> None:
    """Its answers are no pairs, and the proof has all its blocks in the end."""
    result = tuned(tmp_path / "o", dying(times, after))
    blocks = baseline_blocks(tmp_path / "o")
    served = [b for b in blocks if not b.measured.failed]

    assert result.verdict == "PASS", result.reasons
    assert result.best is not None
    assert len(blocks) > len(served) >= 4
    assert result.best.guard.pairs <= sum(len(b.measured.counted) for b in served)
    asked = [s.prompt_id for b in served for s in b.measured.counted]
    assert len(asked) == len(set(asked))


def test_the_prompts_of_a_failed_block_come_again() -> None:
    """Who did not answer is asked the same once more; answered prompts never come twice."""
    prompts = [Prompt(str(i), str(i), "k", (Message("user", "hello"),)) for i in range(9)]
    side = Side(BASE, "baseline", lambda: iter(prompts))
    two = tuple(replace(sample("x"), prompt_id=p.id) for p in prompts[:2])
    side.add(Measured(samples=two, failed="the engine died"))

    assert [p.id for p in side.fresh()][:2] == ["0", "1"]
    assert (side.sent.requests, side.sent.blocks, side.blocks) == (0, 0, 1)
    side.add(Measured(samples=two))
    assert next(side.fresh()).id == "2"
    assert (side.sent.requests, side.sent.blocks, side.blocks) == (2, 1, 2)


def test_a_worse_candidate_fails_once_the_baseline_answers(tmp_path: Path) -> None:
    """After two deaths the drop is seen as it is."""
    result = tuned(tmp_path / "o", dying(2), space=WORSE)

    assert result.verdict != "PASS"
    assert result.best is not None
    assert result.best.guard.pairs > 0
    assert result.best.guard.difference.value is not None
    assert result.best.guard.difference.value < 0


def test_a_continued_run_tries_the_baseline_again(tmp_path: Path) -> None:
    """Where the cause was found meanwhile, what was open is decided."""
    first = tuned(tmp_path / "o", dying(10**6))
    again = tuned(tmp_path / "o", world, resume=True, budget_s=3600.0)

    assert (first.verdict, again.verdict) == ("UNDECIDED", "PASS")
    assert not again.reasons


def test_a_baseline_that_starts_no_more_leaves_the_comparison_open(tmp_path: Path) -> None:
    """Without any answer of it there is no verdict, and none is left out."""
    engine = SimulatedEngine(world)
    starts = 0

    def crashes(candidate: Candidate) -> bool:
        nonlocal starts
        starts += candidate["num_batch"] == 32
        return bool(candidate["num_batch"] == 32 and starts > 1)

    engine.crashes = crashes
    asked = study(baseline=BASE, space=BETTER, guard=Guard(0.9, 0.5, 0.05), budget_s=1800.0)
    result = virtually(run(asked, tmp_path / "o", Recorder(), engine))

    assert result.best is not None
    assert result.best.guard.verdicts["max_drop"] == "UNDECIDED"
    assert result.verdict == "UNDECIDED"
