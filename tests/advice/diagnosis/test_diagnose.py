"""What is said follows from the figures: another figure, another answer."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.advice.diagnosis.worked import CASE, cause, change
from tuner.advice.diagnosis.changes.proposal import Names
from tuner.advice.diagnosis.diagnose import Diagnosis, diagnose
from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.parts import parts_of
from tuner.cli.measure import command as measure
from tuner.report.diagnosis import diagnosis_document, show_diagnosis
from tuner.report.result import as_text
from tuner.spec.errors import InputError

SOME = settings(max_examples=6, deadline=None)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values, or nothing."""
    return st.none() | values


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    """Draw figures most of which can be true together."""

    def part(most: float, of: float) -> float | None:
        return draw(maybe(st.floats(0, most).map(lambda share: share * of)))

    p50 = draw(st.floats(0.001, 100))
    p99 = draw(maybe(st.floats(1, 60).map(lambda times: times * p50)))
    read, written = draw(st.integers(1, 3000)), draw(st.integers(1, 1000))
    return Figures(
        p50=p50,
        p99=p99,
        ttft_p50=part(0.9, p50),
        target_p99=draw(maybe(st.floats(0.001, 100))),
        input_tokens=draw(maybe(st.just(read))),
        cached_tokens=draw(maybe(st.integers(0, read))),
        output_tokens=draw(maybe(st.just(written))),
        output_p99=draw(maybe(st.integers(written, 3000))),
        gpu_util=draw(maybe(st.floats(0, 1))),
        memory=draw(maybe(st.floats(0, 1))),
        context=draw(maybe(st.sampled_from([4096, 32768]))),
        slots=draw(maybe(st.sampled_from([1, 1, 1, 2]))),
        limit=draw(maybe(st.integers(1000, 4096))),
        temperature=draw(maybe(st.floats(0, 2))),
        rate=draw(maybe(st.floats(0.0001, 1000))),
        in_flight=draw(maybe(st.integers(1, 64))),
        prefill=part(0.9, p50),
        decode=part(0.9, p50),
        prefill_p99=part(0.2, p99 or p50),
        queue=part(0.3, p50),
        queue_p99=part(0.9, p99 or p50),
        network=part(0.3, p50),
        reloads=draw(maybe(st.floats(0, 1))),
        load_s=draw(maybe(st.floats(0, 10))),
        disturbed=draw(maybe(st.floats(0, 1))),
    )


@settings(max_examples=15, deadline=None)
@given(figures())
def test_any_figures_are_refused_or_answered_in_order(given_figures: Figures) -> None:
    """Ranges contain what is likely, nothing is negative or not a number, and it can be shown."""
    try:
        found = diagnose(given_figures)
    except InputError:
        return
    for proposal in found.proposals:
        for span in filter(None, (proposal.p50, proposal.p99, proposal.first)):
            assert 0 <= span.low <= span.likely <= span.high
    assert all(h.accounts is None or h.accounts.low >= 0 for h in found.hypotheses)
    shown = as_text(show_diagnosis(found))
    assert not re.search(r"\bnan\b", shown + str(diagnosis_document(found)))


@SOME
@given(one=st.integers(1, 3000), more=st.integers(1, 1000))
def test_more_input_tokens_raise_the_share_of_prefill(one: int, more: int) -> None:
    """At the same p50 and the same answers."""
    few, many = (parts_of(replace(CASE, input_tokens=n)).prefill_share for n in (one, one + more))

    assert few.low < many.low
    assert few.likely < many.likely
    assert few.high < many.high


@SOME
@given(one=st.floats(0.02, 0.33), less=st.floats(0.1, 0.9))
def test_a_lower_utilisation_lowers_the_part_of_the_queue(one: float, less: float) -> None:
    """Of a usual request and of the slowest."""
    low, high = (diagnose(replace(CASE, gpu_util=u)) for u in (one * less, one))

    for where in ("usual request", "slowest 1 %"):
        a, b = (cause(d, "queue", where).accounts for d in (low, high))  # type: ignore[arg-type]
        assert a is not None
        assert b is not None
        assert a.likely <= b.likely
        assert a.high <= b.high


def test_a_utilisation_of_nothing_excludes_the_queue() -> None:
    """Who comes to a free slot does not wait, so something else is it."""
    found = diagnose(replace(CASE, gpu_util=0.002))

    assert cause(found, "queue").standing == "excluded"
    assert found.bottleneck is not None
    assert found.bottleneck.cause != "queue"


@SOME
@given(st.floats(0.1, 10))
def test_estimates_grow_with_the_latencies(times: float) -> None:
    """A service that takes so many times as long has proposals that take so many times as long."""
    other = replace(CASE, p50=0.45 * times, p99=1.2 * times, target_p99=0.5 * times)
    usual, scaled = (_ranges(diagnose(f)) for f in (CASE, other))

    assert scaled.keys() == usual.keys()
    for what, (low, likely, high) in usual.items():
        assert scaled[what] == pytest.approx((low * times, likely * times, high * times), rel=0.02)


def _ranges(found: Diagnosis) -> dict[str, tuple[float, float, float]]:
    """Return the ranges of p99, but of sampling, which takes the same time for each token."""
    return {
        p.what: (p.p99.low, p.p99.likely, p.p99.high)
        for p in found.proposals
        if p.p99 and p.change != "sampling"
    }


@SOME
@given(one=st.integers(10, 100), more=st.integers(50, 400))
def test_longer_answers_make_shorter_ones_worth_more(one: int, more: int) -> None:
    """The more of a request is decode, the less is left of it with a quarter fewer tokens."""
    few, many = (diagnose(replace(CASE, output_tokens=n)) for n in (one, one + more))

    assert change(many, "answers")[0].p50.likely <= change(few, "answers")[0].p50.likely  # type: ignore[union-attr]


def test_a_closed_loop_within_the_slots_excludes_a_queue() -> None:
    """Nobody is there to wait for, however long the slowest take."""
    found = diagnose(replace(CASE, gpu_util=None, in_flight=1))

    assert cause(found, "queue").standing == "excluded"
    assert cause(found, "reload").standing == "unlikely"


def test_a_closed_loop_beyond_the_slots_waits_in_usual_requests() -> None:
    """Four in flight at one slot: three quarters of the time; four slots take that away."""
    found = diagnose(Figures(p50=0.4, p99=0.42, in_flight=4, slots=1, target_p99=0.2))
    queue = cause(found, "queue", "usual request")

    assert found.bottleneck is queue
    assert queue.accounts is not None
    assert queue.accounts.likely == pytest.approx(0.3)
    [four] = [p for p in change(found, "parallel") if p.what.startswith("4")]
    assert four.p50 is not None
    assert four.p50.low == pytest.approx(0.1)


def test_a_rate_tells_the_load() -> None:
    """Few requests exclude a queue that many make likely."""
    known = replace(CASE, gpu_util=None)
    few, many = (diagnose(replace(known, rate=r)) for r in (0.01, 0.6))

    assert cause(few, "queue").standing == "excluded"
    assert cause(many, "queue").standing == "likely"
    assert cause(few, "reload").standing == "possible"
    assert cause(many, "reload").standing == "unlikely"


def test_a_tail_that_no_queue_gives_is_not_said_to_be_one() -> None:
    """Requests that come by themselves never get to a p99 of 40 times p50."""
    found = diagnose(Figures(p50=0.1, p99=4.0, gpu_util=0.3))

    assert cause(found, "queue").standing == "unlikely"
    assert "of the 3900 ms, though bursts may go further" in cause(found, "queue").against[1]


def test_loads_that_were_measured_decide() -> None:
    """None exclude them, some of 1 s in 2 % of the requests are likely it."""
    none, some = (diagnose(replace(CASE, reloads=r, load_s=1.0)) for r in (0.0, 0.02))

    assert cause(none, "reload").standing == "excluded"
    assert cause(some, "reload").standing == "likely"


@SOME
@given(st.floats(0, 140))
def test_cache_misses_that_were_measured_add_what_was_missed(least: float) -> None:
    """The fewer cached tokens the worst find, the more it adds, and all of it is known."""
    found = diagnose(replace(CASE, cached_tokens=140, cached_p1=least, prefill=0.01, decode=0.4))
    accounts = cause(found, "cache misses").accounts

    assert accounts is not None
    assert accounts.likely == pytest.approx((140 - least) * 0.001)


def test_long_prefills_that_were_measured_are_named() -> None:
    """600 of 750 ms: likely. Without a measurement there is no such hypothesis."""
    found = diagnose(replace(CASE, prefill=0.05, decode=0.38, prefill_p99=0.65))

    assert cause(found, "prefill").standing == "likely"
    assert not [h for h in diagnose(CASE).hypotheses if (h.cause, h.where) == (
        "prefill", "slowest 1 %")]  # fmt: skip


def test_what_is_unknown_stays_to_be_decided() -> None:
    """A cause that is only possible is not the answer while nothing is known of others."""
    found = diagnose(Figures(p50=0.001, p99=100.0, gpu_util=0.5))

    assert found.bottleneck is not None
    assert (found.bottleneck.cause, found.bottleneck.standing) == ("reload", "possible")
    assert found.decides is not None
    assert "the tokens of each answer" in found.decides


def test_a_measured_p99_is_held_against_by_its_interval() -> None:
    """What a queue gives may lie beside the p99 that was measured, and within its interval."""
    case = replace(CASE, p99=0.9)
    typed, measured = (cause(diagnose(c), "queue") for c in (
        case, replace(case, p99_low=0.7, p99_high=math.inf)))  # fmt: skip

    assert (typed.standing, measured.standing) == ("possible", "likely")
    assert "within their interval" in measured.for_it[1]


def test_remarks_come_first_among_the_notes() -> None:
    """They say where figures come from."""
    assert diagnose(CASE, remarks=("measured on n = 3",)).notes[0] == "measured on n = 3"


def test_a_memory_that_is_full_is_a_possible_cause() -> None:
    """A smaller window is then worth more than nothing."""
    full, free = (diagnose(replace(CASE, memory=m)) for m in (0.99, 0.5))

    assert cause(full, "memory", "usual request").standing == "possible"
    assert cause(free, "memory", "usual request").standing == "excluded"
    assert change(full, "context")[0].gain > change(free, "context")[0].gain


def test_without_p99_the_slowest_are_unknown_and_stay_so() -> None:
    """No p99 is made up for a change either."""
    found = diagnose(replace(CASE, p99=None))

    assert {h.standing for h in found.hypotheses if h.where == "slowest 1 %"} == {"unknown"}
    assert all(p.p99 is None for p in found.proposals)
    assert any(p.p50 is not None for p in found.proposals)
    assert "parallel" in {u.change for u in found.untold}


def test_what_takes_figures_that_are_missing_is_named() -> None:
    """With p50 and p99 alone: the tokens, the window, the temperature."""
    found = diagnose(Figures(p50=0.45, p99=1.2))

    assert {u.change for u in found.untold} >= {"context", "output limit", "sampling", "batch"}
    assert all(u.missing for u in found.untold)


def test_proposals_come_in_order_of_effect_per_effort() -> None:
    """What is saved over the weight of the effort, the most first."""
    weights = {"quick": 1, "medium": 3, "high": 9}
    scores = [p.gain / weights[p.effort] for p in diagnose(CASE).proposals]

    assert scores == sorted(scores, reverse=True)
    assert {p.effort for p in diagnose(CASE).proposals} == set(weights)


@pytest.mark.parametrize("names", [Names(), Names(study="my.yaml", slots="max_num_seqs", shots=3)])
def test_each_proposal_has_a_command_that_exists(names: Names) -> None:
    """`tune measure` takes its options as they stand there; knobs are called as asked for."""
    found = diagnose(CASE, names)
    commands = [p.test for p in found.proposals] + [found.decides_by]

    for line in commands:
        program, name, *words = shlex.split(line)
        assert (program, name) == ("tune", "measure")
        assert measure.make_context("measure", list(words)).params["requests"] == 1000
    assert any(f"--set {names.slots}=2 " in line for line in commands)
    assert all(names.study in line for line in commands)


def test_what_never_ends_is_null_in_a_document() -> None:
    """A slot that is nearly full has no room for slower prefill: `inf` on the screen alone."""
    found = diagnose(Figures(p50=0.45, p99=2.25, rate=5, input_tokens=2000, output_tokens=100))
    [quantised] = change(found, "quantisation")
    document = json.loads(json.dumps(diagnosis_document(found), allow_nan=False))
    told = next(p for p in document["proposals"] if p["change"] == "quantisation")

    assert quantised.p99 is not None
    assert math.isinf(quantised.p99.high)
    assert told["p99_s"]["high"] is None
    assert ", inf]" in as_text(show_diagnosis(found))
