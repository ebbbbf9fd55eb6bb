"""What is claimed of the best beside the baseline, and when the baseline is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflow.tune.test_run import tuned
from tests.workflow.tune.test_turns import STUDY, answered
from tests.workflow.worlds import Recorder, study
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.search.error import BASELINE_ALPHA
from tuner.search.result import Result
from tuner.spec.space import Choices
from tuner.spec.values import Candidate, Guard, Sample, Slo
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.workflow.tune.proving.claimed_gains import gains


def flat(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer as well and about as fast whatever the settings are."""
    number = int(text.split()[-1])
    return Answered(0.1 * float(rng.lognormal(0, 0.3)), 0.002, json.dumps({"n": number}), 12)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Give a run in which no setting does anything, and the baseline meets the target."""
    out = tmp_path_factory.mktemp("kept") / "out"
    result, _ = tuned(
        out, SimulatedEngine(flat), objective="throughput", guard=Guard(0.9),
        space={"num_batch": Choices((16, 32, 64, 96, 192, 256, 512))}, budget_s=600.0,
    )  # fmt: skip
    return result


def test_where_nothing_is_better_the_baseline_is_kept_and_proven(kept: Result) -> None:
    """The answer is what serves already, proven at an error of its own, and the words say so."""
    assert kept.baseline is not None
    assert kept.verdict == "PASS"
    assert kept.keeps_baseline
    assert all(m.candidate != kept.baseline.candidate for m in kept.finalists)
    assert kept.best_candidate == kept.baseline.candidate
    (certificate,) = kept.baseline.certificates.values()
    assert certificate.confidence == 1 - BASELINE_ALPHA
    assert "nothing; the baseline stays" in (kept.out / "report.txt").read_text()
    assert "keep it" in " ".join((kept.out / "report.txt").read_text().split())
    assert json.loads((kept.out / "result.json").read_text())["keeps_baseline"] is True


def test_a_baseline_that_misses_the_target_is_not_kept(tmp_path: Path) -> None:
    """Who is proven beside a late baseline goes into service, however equal the rest is."""

    def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        slow = 1.0 if settings["num_batch"] == 64 else 4.0
        return replace(flat(settings, text, rng), ttft_s=slow * 0.1)

    result, _ = tuned(
        tmp_path / "o", SimulatedEngine(world), objective="throughput", guard=Guard(0.9),
        space={"num_batch": Choices((32, 64))}, budget_s=600.0,
    )  # fmt: skip

    assert result.verdict == "PASS"
    assert result.best_candidate["num_batch"] == 64


def of(samples: tuple[Sample, ...], a: int) -> Measurement:
    """Return a measurement of samples."""
    return measurement(STUDY, {"a": a}, Measured(None, tuple(samples)), Terms())


def stalling(samples: tuple[Sample, ...], every: int) -> tuple[Sample, ...]:
    """Return samples of which one in so many takes two seconds."""
    return tuple(
        replace(s, last_ns=2_000_000_000) if i % every == 0 else s for i, s in enumerate(samples)
    )


def test_where_the_tail_says_nothing_mean_and_median_still_may() -> None:
    """Four stalls in a baseline make its p99 unknowable, not the time of its other requests."""
    slow, fast = (of(stalling(answered(400, ms=ms), 101), a) for a, ms in ((0, 400.0), (1, 200.0)))
    found = gains(STUDY, fast, slow, 0.025)

    assert found.latency is None
    assert found.mean is not None and found.median is not None
    assert found.mean.ratio.value == pytest.approx(0.5, rel=0.02)
    assert found.median.ratio.value == pytest.approx(0.5)
    assert found.any


def test_a_candidate_that_fails_has_no_faster_mean() -> None:
    """What took for ever is in no mean; the median counts it as infinitely late."""
    slow, fast = answered(400, ms=400.0), answered(400, ms=200.0)
    failing = tuple(replace(s, outcome="error") if i % 50 == 0 else s for i, s in enumerate(fast))
    most = tuple(replace(s, outcome="error") if i % 2 == 0 else s for i, s in enumerate(fast))
    found = gains(STUDY, of(failing, 1), of(slow, 0), 0.025)

    assert found.mean is None
    assert found.median is not None
    assert not gains(STUDY, of(most, 1), of(slow, 0), 0.025).any
    assert gains(STUDY, of(fast, 1), of(slow[:50] + failing[50:], 0), 0.025).late is None


def test_fewer_late_requests_are_a_gain_of_their_own() -> None:
    """A third of the baseline's requests miss the target, none of the best's: said in points."""
    late = tuple(
        replace(s, last_ns=900_000_000) if i % 3 == 0 else s
        for i, s in enumerate(answered(400))
    )  # fmt: skip
    found = gains(STUDY, of(answered(400), 1), of(late, 0), 0.025)

    assert found.late is not None
    assert found.late.difference.value == pytest.approx(-1 / 3, abs=0.01)
    assert found.late.difference.high is not None and found.late.difference.high < 0


def test_one_start_a_side_shows_no_gain_in_latency() -> None:
    """However large it is: what differs between starts was not seen."""
    fast, slow = answered(400, starts=1, ms=100.0), answered(400, starts=1, ms=400.0)
    found = gains(STUDY, of(fast, 1), of(slow, 0), 0.025)

    assert found.noise_floor is None
    assert not found.any


@pytest.mark.parametrize(("ms", "claimed"), [(97.0, False), (80.0, True)])
def test_without_turns_a_gain_clears_what_two_occasions_differ_by(ms: float, claimed: bool) -> None:
    """A baseline that came after the verdict may owe three percent to the hour, not twenty."""
    fast = answered(400, ms=ms)
    later = tuple(replace(s, engine_start=s.engine_start + 4) for s in answered(400))
    late = tuple(replace(s, last_ns=900_000_000) if i % 3 == 0 else s for i, s in enumerate(later))

    assert (gains(STUDY, of(fast, 1), of(later, 0), 0.025).mean is not None) == claimed
    assert gains(STUDY, of(fast, 1), of(late, 0), 0.025).late is None


def test_equals_gain_nothing() -> None:
    """Two runs of one kind differ in nothing that is claimed, whatever the study asks for."""
    for objective in ("e2e_p99", "ttft_p99", "throughput", "memory", "correct"):
        same = replace(STUDY, objective=objective)  # type: ignore[arg-type]
        assert not gains(same, of(answered(400), 1), of(answered(400), 0), 0.025).any


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        (Guard(), "Answers nothing was asked of them (no guard); 100% of them were whole."),
        (Guard(0.9), "at least 90 % asked; "),
    ],
)
def test_the_result_says_what_was_asked_of_the_answers(
    kept: Result, guard: Guard, words: str
) -> None:
    """Without a guard nobody is told that answers were guarded."""
    from tuner.report.result import as_text, show_result

    shown = as_text(show_result(replace(kept, study=replace(kept.study, guard=guard))))

    assert words in " ".join(shown.split())


def test_the_baseline_is_asked_in_full_however_late_it_is(tmp_path: Path) -> None:
    """What its first five answers were would set the floor of `max_drop` for the whole search."""
    result, recorder = tuned(tmp_path / "o", slos=(Slo("e2e", 0.99, 0.05),), budget_s=200.0)
    baseline = next(t for t in result.trials if t.origin == "baseline")

    assert baseline.state == "complete"
    assert len(baseline.samples) == baseline.planned
    assert any(t.state == "pruned" for t in recorder.trials)


def always_right(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer right and in time whatever the settings are, a large batch somewhat faster."""
    batch = 0.8 if settings["num_batch"] == 64 else 1.0
    number = int(text.split()[-1])
    return Answered(
        0.02 * batch * float(rng.lognormal(0, 0.05)), 0.0005, json.dumps({"n": number}), 12
    )


def test_max_drop_is_proven_beside_a_baseline_that_is_always_right(tmp_path: Path) -> None:
    """Pairs go on beyond what was planned for the baseline, and the finalist rests meanwhile."""
    result, recorder = tuned(
        tmp_path / "o", SimulatedEngine(always_right), guard=Guard(0.97, 0.9, 0.02),
        slos=(Slo("e2e", 0.99, 0.028),), objective="e2e_p99", budget_s=120.0,
        workload=replace(study().workload, templates=plain(1200)),
        space={"num_batch": Choices((32, 64))},
    )  # fmt: skip
    (finalist,) = result.finalists

    assert result.verdict == "PASS", result.reasons
    assert finalist.guard.verdicts["max_drop"] == "PASS"
    assert finalist.guard.pairs > 200
    assert finalist.n < 700
    assert isinstance(recorder, Recorder)


def plain(count: int) -> tuple[Any, ...]:
    """Return prompts without slots, half of them held out."""
    templates = study().workload.templates
    return tuple(
        replace(
            templates[0], id=f"p{i}", held_out=i % 2 == 1, expect={"n": i},
            messages=(replace(templates[0].messages[0], content=f"number {i}"),),
        )
        for i in range(count)
    )  # fmt: skip
