"""What disturbed is said with its size and its place, and nothing is said of what did not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.machine.disturbance import (
    HALTED_SHARE,
    LEAST_WINDOW_S,
    OTHERS_SHARE,
    Disturbance,
    disturbed,
    merged,
    sentences,
)

shares = st.floats(0, 1)
windows = st.builds(
    Disturbance, st.floats(0.1, 1000), shares, shares, shares, st.integers(0, 9),
    st.integers(0, 2**40),
)  # fmt: skip


def test_a_disturbed_block_is_named() -> None:
    """The sentence holds the share and the name of the block."""
    found = sentences({"finalist-1-2": Disturbance(30.0, others=0.34)})

    assert found == ["other processes took 34 % of the CPUs during finalist-1-2"]


def test_many_disturbed_blocks_are_named_worst_first_and_counted() -> None:
    """Three are named, the others counted."""
    loads = {f"{n:04d}": Disturbance(9.0, others=0.1 + n / 100) for n in range(6)}

    assert sentences(loads) == [
        "other processes took 15 % of the CPUs during 0005, 14 % during 0004, 13 % during 0003 "
        "and less during 3 more"
    ]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Disturbance(9.0, 0.0, stolen=HALTED_SHARE), "the hypervisor took 1 % of the CPUs"),
        (Disturbance(9.0, 0.0, throttled=0.25), "the CPU quota halted 25 % of the CPUs"),
        (Disturbance(9.0, 0.0, heat_events=3), "CPUs were slowed down for heat 3 times"),
        (Disturbance(9.0, 0.0, swapped_in_bytes=2**22), "4 MiB came back from swap"),
    ],
)
def test_each_kind_has_a_sentence(window: Disturbance, said: str) -> None:
    """What was found is said in its own words."""
    assert sentences({"0003": window}) == [f"{said} during 0003"]


def test_what_is_small_or_short_is_no_disturbance() -> None:
    """Below the thresholds, in less than a second and without a look nothing is said."""
    small = Disturbance(9.0, OTHERS_SHARE * 0.99, HALTED_SHARE * 0.99, 0.0, 0, 2**19)
    short = Disturbance(LEAST_WINDOW_S * 0.99, 0.9, 0.9, 0.9, 9, 2**30)

    assert sentences({"a": small, "b": short}) == []
    assert not disturbed(small)
    assert not disturbed(short)
    assert not disturbed(None)


@given(window=windows)
def test_a_window_is_disturbed_where_a_sentence_says_so(window: Disturbance) -> None:
    """The two never differ."""
    assert disturbed(window) == bool(sentences({"x": window}))


@given(first=windows, second=windows)
def test_merging_keeps_what_happened(first: Disturbance, second: Disturbance) -> None:
    """CPU time and counts add up; shares are those of the whole time."""
    both = merged(first, second)

    assert both is not None
    assert both.elapsed_s == pytest.approx(first.elapsed_s + second.elapsed_s)
    assert both.heat_events == first.heat_events + second.heat_events
    for share in ("others", "stolen", "throttled"):
        apart = [getattr(w, share) * w.elapsed_s for w in (first, second)]
        assert getattr(both, share) * both.elapsed_s == pytest.approx(sum(apart), abs=1e-9)
        assert 0 <= getattr(both, share) <= 1


@given(window=windows)
def test_merging_with_nothing_changes_nothing(window: Disturbance) -> None:
    """A block that was not observed says nothing about the others."""
    assert merged(None, window) == merged(window, None) == window
    assert merged(None, None) is None
