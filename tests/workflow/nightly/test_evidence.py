"""What pairs of blocks show: who won, what the answers say, and what is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tuner.evaluate.duel import FLOOR, HOPELESS, Evidence
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard, Message, Sample, Slo, Verdict
from tuner.stats.signs import evidence_better, wins_needed
from tuner.workflow.dueling.answers import MARGIN, margin_of
from tuner.workflow.nightly.comparing.evidence import (
    BY_AGREEMENT,
    BY_CORRECT,
    Pair,
    Shown,
    Side,
    shown,
)  # fmt: skip

SIDES: dict[Side, dict[str, int]] = {"challenger": {"n": 2}, "incumbent": {"n": 1}}
TERMS = Terms(0.01)


def study(*, judged: bool = False, **changes: Any) -> Study:
    """Return a study whose answers have something to be right, or not."""
    expect = {"a": "1"} if judged else None
    template = Template("t", (Message("user", "x"),), expect, "k")
    given_: dict[str, Any] = {"slos": (Slo("e2e", 0.9, 5.0),), "objective": "e2e_p99"}
    return Study("s", "fake", "default", Workload((template,)), file="s.yaml", **given_ | changes)


def block(
    pair: int, ms: float, n: int = 20, *, text: str = '{"a": 1}', failed: str | None = None,
    guard: Sequence[Any] = (),
) -> Measured:  # fmt: skip
    """Return a block of a pair, each of whose answers took so long."""
    answers = [
        replace(
            sample(text, last_ns=int(ms * 1e6)),
            prompt_id=f"{pair}-{i}", cluster=f"{pair}-{i}", engine_start=pair, block=pair,
            guard=guard[i] if i < len(guard) else "correct",
        )
        for i in range(n)
    ]  # fmt: skip
    return Measured(None, tuple[Sample, ...](answers), failed=failed)


def found(pairs: Sequence[Pair], used: Study | None = None, terms: Terms = TERMS) -> Shown:
    """Return what pairs show."""
    sides = SIDES | ({"anchor": {"n": 0}} if any("anchor" in p for p in pairs) else {})
    return shown(used or study(), sides, pairs, terms)


def counted(pairs: Sequence[Pair], used: Study | None = None) -> tuple[int, int]:
    """Return how many pairs were won and lost."""
    evidence = found(pairs, used).evidence
    return evidence.won, evidence.lost


def test_nothing_measured_shows_nothing() -> None:
    """Unknown is undecided, with an e-value of 1."""
    evidence = found([]).evidence

    assert evidence == Evidence(not_worse={"incumbent": "UNDECIDED"})
    assert (evidence.e, evidence.promising, evidence.outcome(0.01)) == (1.0, False, "open")


@pytest.mark.parametrize(
    ("challenger", "incumbent", "expected"),
    [
        (100.0, 200.0, (1, 0)),
        (200.0, 100.0, (0, 1)),
        (100.0, 100.0, (0, 1)),  # a tie is no win
        (100.0 * (1 - FLOOR) - 0.1, 100.0, (1, 0)),
        (100.0 * (1 - FLOOR) + 0.1, 100.0, (0, 1)),  # nor is what is within the noise floor
        (math.nan, 100.0, (0, 1)),
    ],
)
def test_a_pair_is_won_by_more_than_the_noise_floor(
    challenger: float, incumbent: float, expected: tuple[int, int]
) -> None:
    """Whatever else it is, it is lost."""
    first = block(1, 0.0 if math.isnan(challenger) else challenger)
    if math.isnan(challenger):
        first = replace(first, samples=tuple(replace(s, last_ns=None, outcome="timeout")
                                             for s in first.samples))  # fmt: skip

    assert counted([{"challenger": first, "incumbent": block(1, incumbent)}]) == expected


def test_an_objective_that_is_unknown_wins_no_pair() -> None:
    """Nobody measured any memory here."""
    pair: Pair = {"challenger": block(1, 10.0), "incumbent": block(1, 20.0)}

    assert counted([pair], study(objective="memory")) == (0, 1)


@pytest.mark.parametrize(
    "pair",
    [
        {},
        {"challenger": block(1, 10.0)},
        {"incumbent": block(1, 10.0)},
        {"challenger": block(1, 10.0), "incumbent": block(1, 20.0, failed="it died")},
        {"challenger": block(1, 10.0), "incumbent": Measured(failed="it did not start")},
    ],
)
def test_a_pair_in_which_what_serves_did_not_answer_is_no_win(pair: Pair) -> None:
    """Nor a loss: it says nothing of who is faster, nor of the answers."""
    evidence = found([pair]).evidence

    assert (evidence.won, evidence.lost) == (0, 0)
    assert evidence.not_worse == {"incumbent": "UNDECIDED"}


def test_requests_of_every_block_count_for_the_target() -> None:
    """Also of those without a partner: what is late is late."""
    pairs: list[Pair] = [{"challenger": block(n, 9000.0)} for n in range(20)]
    evidence = found(pairs, study(slos=(Slo("e2e", 0.9, 5.0),))).evidence

    assert evidence.meets == "FAIL"
    assert evidence.incumbent == "UNDECIDED"
    assert evidence.outcome(0.01) == "no better"


def alike(number: int, **changes: Any) -> list[Pair]:
    """Return pairs that the challenger wins, all of whose answers are alike."""
    return [
        {"challenger": block(n, 100.0, **changes), "incumbent": block(n, 200.0)}
        for n in range(number)
    ]


def test_agreement_is_named_as_that() -> None:
    """Where no prompt says what is right, sides that say the same pass, and no others."""
    same, other = found(alike(20)), found(alike(20, text='{"a": 2}'))
    spaced = found(alike(20, text='{"a":   1} '))

    assert {f.by for f in (same, other)} == {BY_AGREEMENT}
    assert same.evidence.not_worse == {"incumbent": "PASS"}
    assert spaced.evidence.not_worse == {"incumbent": "PASS"}
    assert other.evidence.not_worse == {"incumbent": "FAIL"}


def test_right_answers_count_where_prompts_say_what_is_right() -> None:
    """Another text may be right as well; one that is wrong more often is not."""
    judged = study(judged=True)
    other = found(alike(20, text='{"a": 2}'), judged)
    wrong = found(alike(20, guard=["wrong_fields"] * 10), judged)

    assert other.by == wrong.by == BY_CORRECT
    assert other.evidence.not_worse == {"incumbent": "PASS"}
    assert wrong.evidence.not_worse == {"incumbent": "FAIL"}


def test_answers_that_are_invalid_more_often_do_not_agree() -> None:
    """Validity counts beside the words."""
    assert found(alike(20, guard=["invalid_json"] * 10)).evidence.not_worse == {"incumbent": "FAIL"}


def test_small_drops_do_not_add_up() -> None:
    """What is no worse than what serves may be worse than what a person chose."""
    wrong = ["wrong_fields"] * 3
    pairs: list[Pair] = [
        {
            "challenger": block(n, 100.0, guard=wrong),
            "incumbent": block(n, 200.0, guard=wrong),
            "anchor": block(n, 200.0),
        }
        for n in range(20)
    ]
    evidence = found(pairs, study(judged=True)).evidence

    assert evidence.not_worse == {"incumbent": "PASS", "anchor": "FAIL"}
    assert evidence.outcome(0.01) == "no better"


def test_the_study_says_how_much_worse_answers_may_be() -> None:
    """Without a word of it it is a few points, and never nothing."""
    assert margin_of(study()) == MARGIN
    assert margin_of(study(guard=Guard(max_drop=0.2))) == 0.2
    assert margin_of(study(guard=Guard(max_drop=0.0))) == 0.0


def test_floors_are_a_part_of_what_has_to_be_met() -> None:
    """With answers that count: those that stay open are named."""
    used = study(judged=True, guard=Guard(min_correct=0.9))
    good, bad = found(alike(20), used), found(alike(20, guard=["wrong_fields"] * 10), used)

    assert (good.evidence.meets, bad.evidence.meets) == ("PASS", "FAIL")
    assert not good.answers_open
    assert found(alike(1), used).answers_open


def test_what_a_person_judges_is_not_open() -> None:
    """Answers that are shown to be worse count all the same."""
    asked = study(promote="ask")

    assert not found(alike(1), asked).answers_open
    assert found(alike(1)).answers_open
    assert found(alike(20, text='{"a": 2}'), asked).evidence.outcome(0.01) == "no better"


VERDICTS = st.sampled_from(["PASS", "FAIL", "UNDECIDED"])
ALPHAS = st.sampled_from([0.0, 0.0001, 0.0077, 0.05])


@given(st.integers(0, 60), st.integers(0, 60), VERDICTS, VERDICTS, VERDICTS, ALPHAS)
def test_better_means_that_all_of_it_is_shown(
    won: int, lost: int, meets: Verdict, answers: Verdict, incumbent: Verdict, alpha: float
) -> None:
    """At an error above 0: targets, answers, and a gain or an incumbent that is lost."""
    evidence = Evidence(won, lost, meets, {"incumbent": answers}, incumbent)
    shows = evidence.outcome(alpha)
    gain = alpha > 0 and evidence_better(won, lost) >= 1 / alpha

    if shows == "better":
        assert (meets, answers) == ("PASS", "PASS")
        assert incumbent == "FAIL" or gain
        assert alpha > 0
    if "FAIL" in (meets, answers) or alpha == 0:
        assert shows == "no better"
    if shows == "no better" and alpha > 0 and "FAIL" not in (meets, answers):
        assert evidence.e < HOPELESS and incumbent != "FAIL"


@given(st.sampled_from([0.05, 0.0077, 0.001]))
def test_wins_alone_decide_at_their_number(alpha: float) -> None:
    """Not one earlier."""
    evidence = Evidence(wins_needed(alpha / 2), 0, "PASS", {"incumbent": "PASS"})

    assert evidence.outcome(alpha) == "better"
    assert replace(evidence, won=evidence.won - 1).outcome(alpha) == "open"
