"""A validation in a simulated world: each verdict, what it rests on, and how it ends early."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.nightly.simulated_night import study
from tests.workflow.validating.worlds import (
    changed,
    document,
    of_b,
    taking,
    unjudged,
    validated,
)
from tuner.spec.errors import EngineDied, InputError, NotComparable
from tuner.spec.values import Candidate
from tuner.store.trial_folder import read_all
from tuner.testing.simulated import Answered, World
from tuner.workflow.validating.contest import MOST_FAILURES


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.8, "better"), (1.0, "not worse"), (1.25, "worse")]
)
def test_each_verdict_by_latency(tmp_path: Path, share: float, outcome: str) -> None:
    """The interval holds what is true, and the file says the same."""
    found = validated(tmp_path / "o", taking(share))
    ratio = found.latency.ratio

    assert found.outcome == outcome
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= share <= ratio.high
    assert document(tmp_path / "o")["verdict"] == outcome


def test_wrong_answers_are_worse_however_fast(tmp_path: Path) -> None:
    """They end it as soon as they show."""
    wrong = changed(lambda found, text: dataclasses.replace(found, text='{"n": -1}'))
    found = validated(tmp_path / "o", wrong)

    assert found.outcome == found.answers.outcome == "worse"
    assert found.latency.pairs == 1


def test_rare_slow_requests_lose_a_target(tmp_path: Path) -> None:
    """The typical latency does not show them."""

    def stalls(found: Answered, text: str) -> Answered:
        stalled = int(text.split()[1]) % 4 == 1
        return dataclasses.replace(found, ttft_s=1.0) if stalled else found

    found = validated(tmp_path / "o", changed(stalls))

    assert (found.targets.a, found.targets.b) == ("PASS", "FAIL")
    assert found.outcome == "worse"
    assert found.latency.outcome != "worse"


def test_too_little_time_is_undecided(tmp_path: Path) -> None:
    """With the pairs that there were."""
    found = validated(tmp_path / "o", taking(0.8), of=study(slo_ms=300.0, budget_s=30.0))

    assert found.outcome == "undecided"
    assert 0 < found.latency.pairs < 9
    assert found.latency.ratio.high is None


def test_the_plan_comes_first(tmp_path: Path) -> None:
    """With what B may lose, and whether answers can be shown to be as good at all."""
    told: list[str] = []
    of = study(slo_ms=300.0, held_out=20, budget_s=20.0)
    validated(tmp_path / "o", of=dataclasses.replace(of, slos=()), told=told)

    assert told[0].startswith("plan: pairs of blocks of ")
    assert "slower by 3.0% (the noise floor)" in told[1]
    assert "answers can be shown to be worse, and not that they are not" in told[2]
    assert "rare slow requests are not judged" in told[3]


def test_blocks_have_the_same_prompts_in_random_order(tmp_path: Path) -> None:
    """Each block has an engine start of its own, and no template is asked twice."""
    validated(tmp_path / "o", taking(0.9))
    pairs: dict[int | None, list[list[str]]] = {}
    first: Counter[str | None] = Counter()
    starts, stored = set(), read_all(tmp_path / "o")
    for block in stored:
        asked = [s.prompt_id for s in block.measured.counted]
        first[block.place.side] += block.place.number not in pairs
        pairs.setdefault(block.place.number, []).append(asked)
        starts |= {s.engine_start for s in block.measured.counted}
    prompts = [p for asked in pairs.values() for p in asked[0]]

    assert all(a == b for a, b in pairs.values())
    assert min(first["a"], first["b"]) > 0
    assert len(prompts) == len(set(prompts))
    assert len(starts) == len(stored)


def test_an_interrupted_validation_goes_on_with_what_it_has(tmp_path: Path) -> None:
    """Its blocks stay as they were, and the verdict rests on those too."""
    out = tmp_path / "o"
    with pytest.raises(TimeoutError):
        validated(out, taking(0.8), within_s=25.0)
    before = {b.name: b.measured.samples for b in read_all(out)}
    found = validated(out, taking(0.8), resume=True)
    after = {b.name: b.measured.samples for b in read_all(out)}

    assert len(before) > 2
    assert before.items() <= after.items()
    assert found.outcome == "better"
    assert found.measured["b"].n > sum(len(s) for n, s in before.items() if n.endswith("b")) - 99


def test_another_validation_does_not_go_on_in_its_folder(tmp_path: Path) -> None:
    """With another margin, or another B, samples are not pooled."""
    out, short = tmp_path / "o", study(slo_ms=300.0, budget_s=15.0)
    validated(out, of=short)

    with pytest.raises(InputError, match="--resume"):
        validated(out, of=short)
    with pytest.raises(NotComparable, match="another margin"):
        validated(out, of=short, margin=0.1, resume=True)
    with pytest.raises(NotComparable, match="another candidate"):
        validated(out, b="num_batch=128", of=short, resume=True)


def test_a_b_that_dies_under_load_is_worse(tmp_path: Path) -> None:
    """After it served once; an A that dies decides nothing."""

    def dying(of: bool) -> World:
        served = Counter[bool]()

        def made(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
            served[of_b(settings)] += 1
            late = served[of_b(settings)] > 60
            found = taking(1.0)(settings, text, rng)
            return dataclasses.replace(found, dies=late and of_b(settings) is of)

        return made

    worse = validated(tmp_path / "b", dying(True))
    open_ = validated(tmp_path / "a", dying(False))

    assert (worse.outcome, open_.outcome) == ("worse", "undecided")
    assert f"B did not serve {MOST_FAILURES} times" in str(worse.stopped)
    assert f"A did not serve {MOST_FAILURES} times" in str(open_.stopped)


def test_a_side_that_never_serves_is_an_error(tmp_path: Path) -> None:
    """Nothing was compared."""
    dead = changed(lambda found, text: dataclasses.replace(found, dies=True))

    with pytest.raises(EngineDied, match=r"num_batch=256: B did not serve 2 times"):
        validated(tmp_path / "o", dead)


def test_without_expected_answers_agreement_is_told_as_drift(tmp_path: Path) -> None:
    """It decides nothing: B says other things on half of the prompts, and is not worse."""
    other = changed(
        lambda found, text: (
            dataclasses.replace(found, text='{"n": -1}') if int(text.split()[1]) % 4 else found
        )
    )
    found = validated(tmp_path / "o", other, of=unjudged())
    told = document(tmp_path / "o")["agreement"]

    assert found.outcome == "not worse"
    assert found.agreement is not None
    assert found.agreement.itself.value == 1.0
    assert 0.3 < (found.agreement.share.value or 0.0) < 0.7
    assert (told["greedy"], told["measures"]) == (True, "drift without labels, not quality")


def test_agreement_is_asked_greedily(tmp_path: Path) -> None:
    """At temperature 0, apart from the requests of the comparison; never again when it goes on."""
    out, of = tmp_path / "o", unjudged(study(slo_ms=300.0, budget_s=40.0))
    validated(out, of=of)
    validated(out, of=of, resume=True)
    looks = [b for b in read_all(out) if b.place.phase == "agreement"]
    others = [b for b in read_all(out) if b.place.phase != "agreement"]

    assert [(b.place.side, b.candidate["temperature"]) for b in looks] == [
        ("a", 0.0), ("b", 0.0), ("a", 0.0),
    ]  # fmt: skip
    assert {b.candidate["temperature"] for b in others} == {0.8}


def test_with_expected_answers_nothing_more_is_asked(tmp_path: Path) -> None:
    """What is right is known."""
    assert validated(tmp_path / "o", of=study(slo_ms=300.0, budget_s=15.0)).agreement is None


def test_templates_that_say_no_more_end_it(tmp_path: Path) -> None:
    """Where every one was asked, latencies are known and answers stay open."""
    found = validated(tmp_path / "o", taking(0.8), of=study(slo_ms=300.0, held_out=40))

    assert found.outcome == "undecided"
    assert found.answers.exhausted
    assert found.latency.outcome == "better"


def test_the_document_can_be_computed_from_the_folder(tmp_path: Path) -> None:
    """The ratio is that of the stored samples."""
    validated(tmp_path / "o", taking(0.8))
    told = document(tmp_path / "o")
    gains = []
    for number in range(1, told["latency"]["pairs"] + 1):
        e2e = {}
        for side in ("a", "b"):
            lines = tmp_path / "o" / "trials" / f"pair-{number:04d}-{side}" / "samples.jsonl"
            rows = [json.loads(line) for line in lines.read_text().splitlines()]
            e2e[side] = [r["last_ns"] - r["sent_ns"] for r in rows if not r["warmup"]]
        gains.append(np.median(np.log(np.array(e2e["b"]) / np.array(e2e["a"]))))

    assert told["latency"]["ratio_b_to_a"]["value"] == pytest.approx(np.exp(np.median(gains)))
    assert told["schema"] == "tuner.validation/1"
    assert {told["a"]["measurement"]["n"], told["b"]["measurement"]["n"]} == {
        sum(len(b.measured.counted) for b in read_all(tmp_path / "o")) // 2
    }


def test_same_settings_are_told_to_be_noise(tmp_path: Path) -> None:
    """A user may want to see how far like things differ."""
    found = validated(tmp_path / "o", b="baseline", of=study(slo_ms=300.0, budget_s=15.0))

    assert "what differs between them is noise" in found.notes[-1]
