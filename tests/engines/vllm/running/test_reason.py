"""A reason is named where one is known to hold, and none where the numbers leave it open."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.engines.vllm.running.scheduler import BLOCK, Run, Setup, run
from tests.engines.vllm.running.test_metrics import AFTER, BEFORE, page
from tuner.engines.observation import LESS, MORE, NOT_CLEAR, OTHER, Move
from tuner.engines.vllm.running.metrics import Gauges, grown
from tuner.engines.vllm.running.proposals import BUDGET, CAP, COMPUTE, IDLE, KV, Limits
from tuner.engines.vllm.running.reason import Seen, reason

LIMIT = {CAP: "cap", KV: "blocks", BUDGET: "budget"}
KNOWN = {
    "four of sixteen clients": (CAP, Setup(cap=4, clients=16)),
    "one of two": (CAP, Setup(cap=1, clients=2)),
    "arrivals faster than two can be": (CAP, Setup(cap=2, clients=None, gap_s=0.1)),
    "answers of unlike lengths": (CAP, Setup(cap=8, clients=32, answers=(8, 40, 90), count=200)),
    "long answers outgrow the blocks": (
        KV,
        Setup(blocks=60, clients=16, prompts=(64,), answers=(100,)),
    ),
    "prompts that do not fit together": (KV, Setup(blocks=60, clients=16, prompts=(200,))),
    "long prompts in small steps": (
        BUDGET,
        Setup(budget=128, clients=16, prompts=(400,), answers=(8,)),
    ),
    "a prompt a step": (BUDGET, Setup(budget=512, clients=64, prompts=(500,), count=256)),
    "all run at once": (COMPUTE, Setup(clients=4)),
    "one client": (COMPUTE, Setup(clients=1)),
    "now and then a request": (IDLE, Setup(clients=None, gap_s=2.0)),
}


@pytest.mark.parametrize("case", KNOWN)
def test_the_limit_that_binds_is_named(case: str) -> None:
    """In a server whose limits are known, the one that holds requests up is the reason."""
    name, setup = KNOWN[case]

    assert reason(run(setup).seen()).name == name


def test_a_recorded_server_that_ran_eight_at_a_time() -> None:
    """Of 24 requests sent to vLLM 0.32 with --max-num-seqs 8 sixteen waited, by its own log."""
    log = [(8, 16), (8, 14), (8, 8), (8, 8), (8, 5), (6, 0), (5, 0), (0, 0)]
    readings = [Gauges(ran, waited, 0, 0.0027 * ran) for ran, waited in log]
    totals, cache = grown(page(BEFORE), page(AFTER)).totals, page(AFTER).settings

    found = reason(Seen(80.0, totals, readings, Limits(8, 2048), cache))

    assert found.name == CAP
    assert found.because == (
        "requests waited for 50% of their time in the server while 8 of 8 ran, and at most 2% of "
        "the KV cache was used"
    )
    assert Move("max_num_seqs", 8 + 11, 8) in found.moves


sizes = st.floats(0.7, 3.2).map(lambda x: int(10**x))
lengths = st.floats(0.3, 2.2).map(lambda x: int(10**x))


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    """Draw a server and a load; its blocks hold each request."""
    prompts = tuple(draw(st.lists(sizes, min_size=1, max_size=3)))
    answers = tuple(draw(st.lists(lengths, min_size=1, max_size=3)))
    needed = math.ceil((max(prompts) + max(answers)) / BLOCK) + 1
    clients = draw(st.sampled_from([None, 1, 4, 16, 64]))
    return Setup(
        cap=int(2 ** draw(st.floats(0, 8))),
        blocks=int(needed * 10 ** draw(st.floats(0.05, 2.5))),
        budget=int(2 ** draw(st.floats(5, 13))),
        token_s=10 ** draw(st.floats(-5, -3)),
        prompts=prompts,
        answers=answers,
        count=max(40, 4 * (clients or 8)),
        clients=clients,
        gap_s=10 ** draw(st.floats(-2, 0.5)),
    )


@given(setups(), st.integers(4, 60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_named_is_what_holds_requests_up(setup: Setup, readings: int) -> None:
    """Without the limit that is named the same requests wait less, by more than without another.

    Where none is named, since the steps take the time or the server is idle, no limit matters.
    """
    whole = run(setup)
    name = reason(whole.seen(readings)).name
    event(name)
    if name != NOT_CLEAR:
        without = {limit: run(setup.without(limit)) for limit in LIMIT.values()}
        _ensure_true(name, whole, without)


def _ensure_true(name: str, whole: Run, without: dict[str, Run]) -> None:
    if name in LIMIT:
        waited = {limit: other.waited_s for limit, other in without.items()}
        assert waited[LIMIT[name]] <= 1.02 * min(waited.values())
        assert waited[LIMIT[name]] < 0.9 * whole.waited_s
    else:
        for other in without.values():
            assert other.latency_s == pytest.approx(whole.latency_s, rel=0.05)


WAITING = run(KNOWN["four of sixteen clients"][1]).seen()
AT_ONCE = run(KNOWN["all run at once"][1]).seen()
PREEMPTED = run(KNOWN["long answers outgrow the blocks"][1]).seen()


def told(of: Seen, *, totals: dict[str, float] | None = None, **changes: Any) -> tuple[str, str]:
    """Return the reason of something seen, changed: its name and why."""
    found = reason(dataclasses.replace(of, totals={**of.totals, **(totals or {})}, **changes))
    return found.name, found.because


DRAFTS = {"drafts": 100.0, "draft_tokens": 400.0, "accepted_tokens": 100.0}


@pytest.mark.parametrize(
    ("of", "changes", "because"),
    [
        (WAITING, {"engines": 2}, "2 engines answer together"),
        (WAITING, {"totals": {"requests": 0}}, "no request ended"),
        (WAITING, {"totals": {"preemptions": 1}}, "1 preemptions are too few to tell"),
        (WAITING, {"readings": ()}, "requests waited, but were seen waiting 0 times only"),
        (WAITING, {"limits": Limits(None, 2048)}, "nobody tells how many may run"),
        (WAITING, {"limits": Limits(4, None)}, "nobody tells how many tokens a step may have"),
        (WAITING, {"settings": {}}, "no limit alone"),
        (WAITING, {"readings": [Gauges(4, 12, 0, 0.93)] * 9}, "no limit alone"),
        (WAITING, {"readings": [Gauges(3, 12, 0, 0.1)] * 9}, "no limit alone"),
        (WAITING, {"readings": [Gauges(0, 12, 0, 0.0)] * 9}, "no limit alone"),
        (WAITING, {"readings": [Gauges(4, 1, 9, 0.1)] * 9}, "a grammar, an adapter"),
        (WAITING, {"totals": {"queue_s": 0.5}}, "neither much nor nothing"),
        (AT_ONCE, {"readings": ()}, "nothing waited, with 4.00 requests"),
        (AT_ONCE, {"limits": Limits(64, None)}, "nobody tells how many tokens"),
        (AT_ONCE, {"limits": Limits(64, 120)}, "steps of 120 tokens may cut prompts"),
        (AT_ONCE, {"totals": DRAFTS, "limits": Limits(64, 600)}, "steps of 120 tokens may cut"),
        (PREEMPTED, {"limits": Limits(64, 16)}, "no limit alone"),
    ],
)
def test_in_doubt_there_is_no_reason(of: Seen, changes: dict[str, Any], because: str) -> None:
    """What is missing, thin, between two limits or no matter of capacity is not clear, and why."""
    name, why = told(of, **changes)

    assert name == NOT_CLEAR
    assert because in why


def test_with_speculation_a_request_takes_fewer_steps_than_tokens() -> None:
    """Where each step gives two tokens more have left when gauges are read: 6.5 of 8 is the cap."""
    tokens = {"generation_tokens": 16 * WAITING.totals["requests"]}
    after = [Gauges(8, 9, 0, 0.1), *[Gauges(6.5, 9, 0, 0.1)] * 8]
    limits = Limits(8, 6000)

    assert told(WAITING, totals=tokens, readings=after, limits=limits)[0] == NOT_CLEAR
    assert told(WAITING, totals=tokens | DRAFTS, readings=after, limits=limits)[0] == CAP


@pytest.mark.parametrize("name", sorted(AT_ONCE.totals))
def test_what_a_page_does_not_tell_is_not_guessed(name: str) -> None:
    """Without a counter the reason either does not need it or is not clear."""
    fewer = {n: v for n, v in AT_ONCE.totals.items() if n != name}
    found = reason(dataclasses.replace(AT_ONCE, totals=fewer))

    assert found.name in (COMPUTE, NOT_CLEAR)
    assert reason(dataclasses.replace(AT_ONCE, totals={})).name == NOT_CLEAR


def proposed(of: Seen, **changes: Any) -> dict[str, object]:
    """Return what a reason proposes, by knob."""
    return {m.knob: m.to for m in reason(dataclasses.replace(of, **changes)).moves}


def test_each_reason_proposes_what_may_help() -> None:
    """More room or fewer requests, as many as came, larger steps, less to compute, or nothing."""
    kv, budget, idle = (
        run(KNOWN[case][1]).seen()
        for case in (
            "prompts that do not fit together",
            "a prompt a step",
            "now and then a request",
        )
    )

    assert proposed(WAITING)["max_num_seqs"] == 4 + 12
    assert proposed(kv) == {
        "kv_cache_memory_bytes": MORE,
        "gpu_memory_utilization": MORE,
        "kv_cache_dtype": OTHER,
        "max_num_seqs": 4,
        "max_num_active_seqs": 4,
    }
    assert "kv_cache_dtype" not in proposed(kv, settings={**kv.settings, "cache_dtype": "fp8_e4m3"})
    assert proposed(budget) == {"max_num_batched_tokens": MORE, "max_num_scheduled_tokens": MORE}
    assert set(proposed(AT_ONCE).values()) == {OTHER}
    assert proposed(idle) == {}
    assert LESS not in proposed(WAITING).values()


def test_proposals_say_what_is_in_force() -> None:
    """A candidate may leave a knob to the server, which tells what that came to."""
    kv = run(KNOWN["prompts that do not fit together"][1]).seen()
    told = {**kv.settings, "kv_cache_memory_bytes": 2**30}
    moves = {m.knob: m.at for m in reason(dataclasses.replace(kv, settings=told)).moves}

    assert (moves["kv_cache_memory_bytes"], moves["gpu_memory_utilization"]) == (2**30, None)
    assert (moves["max_num_seqs"], moves["kv_cache_dtype"]) == (64, None)
