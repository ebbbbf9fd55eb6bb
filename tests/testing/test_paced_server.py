"""The paced server: it departs when it says, and misbehaves as it is told."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.paced import held
from tuner.spec.values import Load
from tuner.testing.paced_plan import Options, finished_s, script, ttfts_s

ANSWER = " grün 東京 ok naïve"


@given(st.builds(Options, tokens=st.integers(1, 9), per_chunk=st.integers(1, 4),
                 burst=st.integers(1, 4), role_only=st.booleans(), empty_chunk=st.booleans(),
                 comments=st.booleans(), split=st.booleans(), no_usage=st.booleans(),
                 no_done=st.booleans(), slow_head=st.booleans()))  # fmt: skip
def test_a_script_is_one_response_however_it_is_cut(options: Options) -> None:
    """Whatever is asked for, the bytes are one chunked HTTP response with all chunks of text."""
    pieces = script(options).pieces
    head, _, body = b"".join(p.data for p in pieces).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body.endswith(b"\r\n0\r\n\r\n")
    assert sum(p.token for p in pieces) == -(-options.tokens // options.per_chunk)


@given(st.floats(0, 100), st.floats(0, 20), st.floats(0.5, 10), st.floats(0.1, 0.9))
def test_a_stall_only_delays(begun_s: float, work_s: float, every_s: float, share: float) -> None:
    """Work takes no less on a server that stalls, and no longer than by the stalls it can meet."""
    options = Options(stall_every_s=every_s, stall_s=share * every_s)
    took_s = finished_s(options, begun_s, work_s) - begun_s
    awake_s = every_s * (1 - share)

    assert took_s >= work_s - 1e-6
    assert took_s <= work_s + (work_s / awake_s + 2) * options.stall_s + 1e-6


def test_times_to_the_first_token_are_lognormal() -> None:
    """Their median and spread are those that were asked for."""
    drawn = list(itertools.islice(ttfts_s(Options(ttft_ms=40, ttft_sigma=0.25)), 4000))

    assert np.median(drawn) == pytest.approx(0.04, rel=0.03)
    assert np.std(np.log(drawn)) == pytest.approx(0.25, rel=0.05)


def test_stamps_are_what_a_client_can_hold_itself_against() -> None:
    """No token leaves before it is due, and a client sees none before it left."""
    found = held(Load(concurrency=4), 40)

    for sample, stamps in zip(found.driven.samples, found.stamps, strict=True):
        assert stamps.first_due_ns <= stamps.first_ns + 1000  # type: ignore[operator]
        assert stamps.last_due_ns <= stamps.last_ns + 1000  # type: ignore[operator]
        assert sample.sent_ns <= stamps.arrival_ns
        assert stamps.first_ns <= sample.first_ns  # type: ignore[operator]
        assert stamps.last_ns <= sample.last_ns  # type: ignore[operator]


@pytest.mark.parametrize(
    "options",
    [
        (), ("--role-only",), ("--empty-chunk",), ("--comments",), ("--split",), ("--slow-head",),
        ("--per-chunk", "2"), ("--burst", "2"), ("--no-usage",), ("--no-done",),
        ("--role-only", "--empty-chunk", "--comments", "--split", "--slow-head"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_unusual_streams_are_read_as_what_they_are(options: tuple[str, ...]) -> None:
    """Role-only, empty, split and commented streams give the answer, and TTFT that of its text."""
    found = held(Load(concurrency=2), 6, *options)

    for sample, stamps in zip(found.driven.samples, found.stamps, strict=True):
        assert (sample.outcome, sample.answer) == ("ok", ANSWER)
        counted, at_once = "--no-usage" in options, sample.first_ns == sample.last_ns
        assert sample.output_tokens == (None if counted and at_once else 4)
        assert stamps.first_ns <= sample.first_ns <= sample.last_ns  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "outcome", "told"),
    [
        (("--cut-every", "1"), "incomplete", "closed"),
        (("--error-every", "1"), "error", "made to fail"),
    ],
)
def test_broken_streams_are_typed_failures(
    options: tuple[str, ...], outcome: str, told: str
) -> None:
    """What breaks off or carries an error has no latency, and says why."""
    samples = held(Load(concurrency=2), 6, *options).driven.samples

    assert {s.outcome for s in samples} == {outcome}
    assert all(told in str(s.error) for s in samples)
    assert {s.latency_s("e2e") for s in samples} == {float("inf")}


def test_a_busy_server_is_a_failure_with_its_status() -> None:
    """503 under load is an error of that request alone."""
    samples = held(Load(concurrency=8), 40, "--busy-above", "2").driven.samples

    assert {s.outcome for s in samples} == {"ok", "error"}
    assert all("503" in str(s.error) for s in samples if s.outcome == "error")


def test_open_loop_shows_the_stall_that_closed_loop_hides() -> None:
    """A server that stalls for a second: who came meanwhile waited, and open loop says so."""
    stalling = ("--stall-every-s", "2", "--stall-s", "1")
    closed = held(Load(concurrency=1), 100, *stalling).driven.samples
    opened = held(Load(rate=60.0, arrivals="constant"), 200, *stalling).driven.samples

    assert np.quantile([s.latency_s("e2e") for s in closed], 0.9) < 0.5
    assert np.quantile([s.latency_s("e2e", scheduled=True) for s in opened], 0.9) > 0.5
