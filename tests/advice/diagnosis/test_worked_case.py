"""The worked case: a queue at one slot gives its p99, and slots alone never reach the target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.advice.diagnosis.worked import CASE, cause, change
from tuner.advice.diagnosis.diagnose import Diagnosis, diagnose


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    """Return the diagnosis of the worked case."""
    return diagnose(CASE)


def test_a_queue_at_one_slot_alone_gives_this_p99(found: Diagnosis) -> None:
    """The p99 that is seen lies among those that one slot gives at this utilisation."""
    queue = cause(found, "queue")

    assert found.bottleneck is queue
    assert queue.standing == "likely"
    assert any("a queue alone explains them" in said for said in queue.for_it)
    assert any("one slot" in said and "M/G/c" in said for said in queue.for_it)


def test_no_number_of_slots_reaches_the_target(found: Diagnosis) -> None:
    """Even without any queue p99 lies above it, and no proposal of slots says otherwise."""
    assert found.needed is not None
    assert found.needed.unlimited.low > 0.5
    assert [p.reach for p in change(found, "parallel")] == ["does not reach"] * 2


@pytest.mark.parametrize(("place", "unchanged", "slower"), [("2", 0.83, 1.10), ("4", 0.80, 1.04)])
def test_slots_give_what_was_simulated_elsewhere(
    found: Diagnosis, place: str, unchanged: float, slower: float
) -> None:
    """Both figures of the research lie in the range, unchanged services and slower ones."""
    [proposal] = [p for p in change(found, "parallel") if p.what.startswith(place)]

    assert proposal.p99 is not None
    assert proposal.p99.low < unchanged < slower < proposal.p99.high


def test_the_target_takes_a_shorter_service_and_no_queue(found: Diagnosis) -> None:
    """About 350 ms where nobody waits, far less with one slot, and it is above 400 ms now."""
    assert found.needed is not None
    assert found.needed.alone.low < 0.35 < found.needed.alone.high
    assert found.needed.queued.high < 0.3
    assert found.needed.now.low > 0.4


def test_rivals_are_lengths_reloads_and_cache_misses(found: Diagnosis) -> None:
    """The length is told: 107 tokens or more; so is what decides between all of them."""
    assert {h.cause for h in found.rivals} == {"output length", "reload", "cache misses"}
    assert "a p99 of 108 to" in cause(found, "output length").for_it[0]
    assert found.decides is not None
    for recorded in ("in flight when each was sent, and its time in the queue", "tokens of each"):
        assert recorded in found.decides


def test_input_tokens_cannot_be_the_tail(found: Diagnosis) -> None:
    """All of them once more are a fraction of the 750 ms; decode takes at most 11.2 ms a token."""
    prefill, decode = (cause(found, c, "usual request") for c in ("prefill", "decode"))

    assert prefill.standing == "unlikely"
    assert "of the 750 ms between p50 and p99" in prefill.against[1]
    assert "11.2 ms" in decode.for_it[1]


def test_gpu_utilisation_is_said_to_be_neither_load_nor_bandwidth(found: Diagnosis) -> None:
    """It is the share of time in which some kernel ran."""
    assert any("neither how much of the bandwidth is used nor the load" in n for n in found.notes)


@pytest.mark.parametrize("name", ["sampling", "context", "batch"])
def test_what_hardly_moves_latency_is_said_to_contain_no_effect(
    found: Diagnosis, name: str
) -> None:
    """Sampling, a smaller window and a larger batch are cheap, and promise nothing."""
    [proposal] = change(found, name)

    assert "no effect" in proposal.remarks[0]
    assert proposal.gain < 0.02


def test_what_nothing_speaks_of_is_unknown(found: Diagnosis) -> None:
    """The network, the memory and the machine."""
    unknown = [cause(found, "network", "usual request"), cause(found, "memory", "usual request"),
               cause(found, "tail noise")]  # fmt: skip

    assert [h.standing for h in unknown] == ["unknown"] * 3
    assert [h.accounts for h in unknown] == [None] * 3


def test_a_longest_answer_that_is_known_excludes_a_rival() -> None:
    """With a limit of 64 tokens no answer can be long enough."""
    found = diagnose(replace(CASE, limit=64))

    assert cause(found, "output length").standing == "excluded"
    assert "output length" not in {h.cause for h in found.rivals}


def test_a_queue_that_was_measured_decides() -> None:
    """No wait excludes it, a wait of 700 ms makes it likely whatever the GPU does."""
    short, long = (diagnose(replace(CASE, queue=0.0, queue_p99=s)) for s in (0.01, 0.7))

    assert cause(short, "queue").standing == "excluded"
    assert short.bottleneck is not None
    assert short.bottleneck.cause != "queue"
    assert cause(long, "queue").standing == "likely"
