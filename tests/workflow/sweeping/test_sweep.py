"""A sweep in a simulated world: what it finds, what it leaves to noise, and how it goes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflow.worlds import study, trial_folders
from tuner.evaluate.sweep import Figure, Sweep, SweptValue
from tuner.report.result import as_text
from tuner.report.sweep import show_sweep
from tuner.spec.errors import EngineDied, InputError, NotComparable
from tuner.spec.values import Candidate
from tuner.store.trial_folder import read_all
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run
from tuner.workflow.sweeping.asked import Asked, asked
from tuner.workflow.sweeping.schedule import sweep_plan
from tuner.workflow.sweeping.sweep import sweep

STUDY = study(baseline={"num_ctx": 4096, "temperature": 0.0, "num_predict": 64}, budget_s=1e6)
CTX = asked(["num_ctx=2048,1024"])


def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Half the context halves the time to first token; hot answers are wrong."""
    ttft = 0.1 * float(settings["num_ctx"]) / 4096 * float(rng.lognormal(0.0, 0.05))
    number = int(text.split()[-1])
    wrong = rng.random() < float(settings["temperature"])
    return Answered(ttft, 0.001, json.dumps({"n": number + 1 if wrong else number}), 12)


def memory(settings: Candidate) -> int:
    """Return what the engine takes: 16 KiB for each token of context."""
    return 2**27 + 2**14 * int(settings["num_ctx"])


@dataclass
class Swept:
    """A sweep that was run, and what it told."""

    out: Path
    notes: list[str] = field(default_factory=list)

    def of(self, wanted: Asked, **given: Any) -> Sweep:
        engine = given.pop("engine", None) or SimulatedEngine(world, memory=memory)
        told = given.pop("study", STUDY)
        work = sweep(told, self.out, wanted, engine=engine, progress=self.notes.append, **given)
        return run(work)[0]


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    """Return a sweep whose folder is not there yet."""
    return Swept(tmp_path / "out")


def claims(value: SweptValue) -> dict[Figure, str | None]:
    """Return what is claimed of each figure."""
    return {change.figure: change.claim for change in value.changes}


def test_what_a_knob_does_is_claimed(swept: Swept) -> None:
    """Half the context is half the time to first token, and less memory; both are claimed."""
    found = swept.of(CTX)
    half, quarter = found.values

    assert found.base == {"num_ctx": 4096}
    assert (half.value, quarter.value) == (2048, 1024)
    for value, ratio in ((half, 0.5), (quarter, 0.25)):
        change = value.change("ttft p50")
        assert change is not None
        assert change.ratio.value == pytest.approx(ratio, rel=0.05)
        assert claims(value)["ttft p50"] == claims(value)["memory"] == "lower"
        assert value.side.measured is not None
        assert value.side.measured.n == 60
    assert found.complete


def test_a_knob_that_does_nothing_is_within_the_noise(swept: Swept) -> None:
    """A longer limit changes no answer here: nothing is claimed, and the text says why not."""
    found = swept.of(asked(["num_predict=100,128"]))
    text = as_text(show_sweep(found, STUDY))

    assert {claim for value in found.values for claim in claims(value).values()} == {None}
    assert "within noise (3.0%)" in text
    assert " % (" not in text.replace("5 % (", "")


def test_like_values_are_seldom_told_apart(tmp_path: Path) -> None:
    """All claims of a sweep together err in at most 5 % of cases, so claims in vain are few."""
    found = [
        claim
        for seed in range(4)
        for value in Swept(tmp_path / str(seed)).of(
            asked(["num_predict=100"]), engine=SimulatedEngine(world, seed=seed)
        ).values
        for claim in claims(value).values()
    ]  # fmt: skip

    assert len(found) == 20
    assert sum(claim is not None for claim in found) <= 1


def test_worse_answers_show(swept: Swept) -> None:
    """Classes, the share of correct ones, and its difference on the same prompts."""
    [hot] = swept.of(asked(["temperature=0.9"])).values

    assert hot.side.measured is not None
    assert hot.side.measured.guard.counts["wrong_fields"] > 30
    assert hot.correct is not None
    assert hot.correct.high is not None
    assert hot.correct.high < 0
    assert hot.pairs == 60


def test_each_knob_is_swept_alone_with_the_baseline_between(swept: Swept) -> None:
    """Every other block is the baseline, and a value differs from it in one knob."""
    swept.of(asked(["num_ctx=2048", "num_predict=32,128"], rounds=2, requests=10))
    trials = sorted(read_all(swept.out), key=lambda t: t.place.number or 0)
    base = trials[0].candidate

    assert [t.place.side == "baseline" for t in trials] == [True, False] * 6
    for trial in trials[1::2]:
        changed = {k for k, v in trial.candidate.items() if base[k] != v}
        assert len(changed) == 1
    for half in (trials[1:6:2], trials[7::2]):
        assert {t.place.side for t in half} == {"num_ctx=2048", "num_predict=32", "num_predict=128"}


def test_the_sides_of_a_round_answer_the_same_prompts(swept: Swept) -> None:
    """Another round has other ones, so that none is asked twice of one start."""
    swept.of(asked(["num_ctx=2048"], rounds=2, requests=10))
    trials = sorted(read_all(swept.out), key=lambda t: t.place.number or 0)
    asked_of = [[s.prompt_id for s in t.measured.counted] for t in trials]

    assert asked_of[0] == asked_of[1]
    assert asked_of[2] == asked_of[3]
    assert not {*asked_of[0]} & {*asked_of[2]}


def test_a_sweep_that_was_cut_goes_on(swept: Swept, tmp_path: Path) -> None:
    """What was measured is kept, and the rest gives what an uncut sweep gives."""
    with pytest.raises(asyncio.CancelledError):
        swept.of(CTX, engine=Cut(world, memory=memory))
    kept = [folder.name for folder in trial_folders(swept.out)]
    found = swept.of(CTX, resume=True)
    whole = Swept(tmp_path / "whole").of(CTX)

    assert 0 < len(kept) < 12
    assert len(trial_folders(swept.out)) == 12
    assert found.complete
    assert [v.side.measured and v.side.measured.n for v in found.values] == [60, 60]
    assert [claims(v) for v in found.values] == [claims(v) for v in whole.values]


class Cut(SimulatedEngine):
    """An engine at whose fifth start the user interrupts."""

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Any:
        if self._starts == 4:
            raise asyncio.CancelledError
        return await super().apply(candidate, fresh=fresh)


def test_another_sweep_is_not_continued(swept: Swept) -> None:
    """Neither with other values nor with other blocks."""
    swept.of(asked(["num_ctx=2048"], rounds=2, requests=10))

    for other in (asked(["num_ctx=1024"], 2, 10), asked(["num_ctx=2048"], 2, 20)):
        with pytest.raises(NotComparable):
            swept.of(other, resume=True)
    with pytest.raises(InputError, match="already holds a run"):
        swept.of(asked(["num_ctx=2048"], rounds=2, requests=10))


def test_the_budget_ends_it_and_a_larger_one_goes_on(swept: Swept) -> None:
    """Nothing is claimed of a value with one block, and what is missing is said."""
    short = study(baseline=STUDY.baseline, budget_s=25.0)
    found = swept.of(CTX, study=short)
    text = as_text(show_sweep(found, short))

    assert not found.complete
    assert "--resume" in text
    assert any("the budget is used up" in note for note in swept.notes)
    for value in found.values:
        if value.side.blocks < 2:
            assert {claims(value).get(f) for f in ("ttft p50", "e2e p50", "e2e p99")} == {None}
    assert swept.of(CTX, resume=True).complete


def test_a_value_that_does_not_start_is_told_and_the_others_go_on(swept: Swept) -> None:
    """Once is enough: it is not started again."""
    engine = SimulatedEngine(world, crashes=lambda c: c["num_ctx"] == 2048)
    found = swept.of(CTX, engine=engine)
    bad, good = found.values
    text = as_text(show_sweep(found, STUDY))

    assert bad.side.measured is None
    assert good.change("ttft p50") is not None
    assert "num_ctx 2048 failed: " in text
    assert found.complete
    assert sum(t.measured.failed is not None for t in read_all(swept.out)) == 1


def test_a_baseline_that_does_not_serve_ends_it(swept: Swept) -> None:
    """There is nothing to compare with; when it serves again, `resume` goes on as if never cut."""
    with pytest.raises(EngineDied):
        swept.of(CTX, engine=SimulatedEngine(world, crashes=lambda c: c["num_ctx"] == 4096))
    found = swept.of(CTX, resume=True)

    assert found.complete
    assert found.baseline.failed is None
    assert found.baseline.blocks == 6


def test_a_value_that_is_the_baselines_own_is_left_out(swept: Swept) -> None:
    """And that is told."""
    found = swept.of(asked(["num_ctx=4096,2048"], rounds=2, requests=8))

    assert [value.value for value in found.values] == [2048]
    assert "num_ctx 4096 is the baseline's own value" in swept.notes[0]


def test_a_start_that_the_budget_cuts_is_no_failure(swept: Swept) -> None:
    """Neither of the baseline nor of a value: what was measured before is told all the same."""
    for budget_s in (4.0, 6.5, 9.0):
        out = Swept(swept.out / str(budget_s))
        slow = SimulatedEngine(world, restart_s=60.0 if budget_s < 5 else 12.0)
        found = out.of(CTX, engine=slow, study=study(baseline=STUDY.baseline, budget_s=budget_s))

        assert not found.complete
        assert [side.failed for side in (found.baseline, *(v.side for v in found.values))] == [
            None
        ] * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["num_cxt=1,2"], "sweep: unknown knob 'num_cxt'.*did you mean num_ctx"),
        (["num_ctx=few"], "sweep: num_ctx: expected a whole number|a number"),
        (["num_ctx=4096"], "every value is the baseline's own"),
    ],
)
def test_what_cannot_be_swept_is_said(swept: Swept, words: list[str], said: str) -> None:
    """Before anything is started."""
    with pytest.raises(InputError, match=said):
        swept.of(asked(words))
    assert not list(swept.out.glob("trials/*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to sweep"),
        (["num_ctx=1,,2"], "expected values with commas"),
        (["num_ctx="], "expected values with commas"),
        (["num_ctx=1,2,1"], "1 stands twice"),
        (["a=1", "a=2"], "a is to be swept twice"),
    ],
)
def test_what_is_asked_badly_is_said(words: list[str], said: str) -> None:
    """In one sentence."""
    with pytest.raises(InputError, match=said):
        asked(words)


def test_the_document_holds_what_is_shown(swept: Swept) -> None:
    """sweep.json is what --json prints: each value with its measurement and its changes."""
    found = swept.of(CTX)
    document = json.loads((swept.out / "sweep.json").read_text())
    [half, _] = document["values"]

    assert document["schema"] == "tuner.sweep/1"
    assert (half["knob"], half["value"], half["blocks"]) == ("num_ctx", 2048, 3)
    assert half["measurement"]["n"] == 60
    assert half["changes"]["ttft p50"]["claim"] == "lower"
    assert half["changes"]["prefill p50"]["ratio"]["value"] is None  # the engine does not say
    assert document["baseline"]["measurement"]["n"] == 120
    assert 0.95 < document["confidence"] == found.confidence


def test_progress_tells_the_time_left(swept: Swept) -> None:
    """From the first block on, by the pace that was measured."""
    swept.of(CTX)

    assert len(swept.notes) == 12
    assert all("min left" in note for note in swept.notes)
    assert swept.notes[-1].endswith("about 0.0 min left")


def test_the_plan_counts_what_is_measured(swept: Swept) -> None:
    """As many blocks, requests and starts as there are then."""
    plan = sweep_plan(STUDY, CTX)
    found = swept.of(CTX)
    trials = read_all(swept.out)

    assert plan.blocks == plan.starts == len(trials)
    assert plan.requests == sum(len(t.measured.counted) for t in trials)
    assert plan.seconds > found.elapsed_s  # it assumes that an answer takes most of the target
