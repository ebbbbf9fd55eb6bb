"""Histograms on a page of metrics are read as far as they are whole."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.serving.histograms import Names, read_latencies
from tuner.engines.serving.known_histograms import read_known

NAMES = Names({"e2e": "srv:e2e_seconds", "ttft": "srv:ttft_seconds"}, ("srv:running", "srv:queue"))


def bucket(edge: str, count: object, name: str = "srv:e2e_seconds", part: str = "0") -> str:
    """Return the line of one bucket."""
    return f'{name}_bucket{{engine="{part}",le="{edge}"}} {count}\n'


WHOLE = bucket("0.5", 3) + bucket("+Inf", 4.0) + "srv:running 2\nsrv:queue 1.0\n"


def test_a_page_tells_its_histograms_and_what_is_in_flight() -> None:
    """What is not one of the names is left alone."""
    found = read_latencies(
        f"# HELP x y\nother_total 5\n{WHOLE}process_start_time_seconds 9\n", NAMES
    )

    assert found is not None
    assert dict(found.steps) == {"e2e": {0.5: 3.0, math.inf: 4.0}}
    assert (found.in_flight, found.started) == (3.0, 9.0)


def test_parts_of_a_server_are_added_up() -> None:
    """Two engines behind one page count together."""
    found = read_latencies(
        WHOLE + bucket("0.5", 10, part="1") + bucket("+Inf", 10, part="1"), NAMES
    )

    assert found is not None
    assert found.steps["e2e"] == {0.5: 13.0, math.inf: 14.0}


@pytest.mark.parametrize(
    "page",
    [
        "",
        "nothing here\n",
        bucket("0.5", 3),
        bucket("0.5", 5) + bucket("+Inf", 4),
        bucket("0.5", "NaN") + bucket("+Inf", 4),
        bucket("0.5", -1) + bucket("+Inf", 4),
        bucket("half", 1) + bucket("+Inf", 4),
        WHOLE + bucket("+Inf", 7, part="1"),
        bucket("0.5", 3) + bucket("+Inf", 4).rstrip("\n"),
    ],
)
def test_what_is_not_whole_is_unknown(page: str) -> None:
    """No number is made up for it."""
    assert read_latencies(page, NAMES) is None


def test_a_gauge_that_is_missing_is_not_zero() -> None:
    """How many are in flight is then unknown."""
    found = read_latencies(WHOLE.replace("srv:queue 1.0\n", ""), NAMES)

    assert found is not None
    assert found.in_flight is None


@given(st.text(st.sampled_from('srv:e2_conds{}le=",.+Inf0123456789 \n'), max_size=300))
def test_no_page_is_too_odd(text: str) -> None:
    """Nothing that a server sends raises."""
    read_latencies(WHOLE + text, NAMES)
    read_latencies(text, NAMES)


@pytest.mark.parametrize(
    ("server", "gauges"),
    [
        ("vllm", ("num_requests_running", "num_requests_waiting")),
        ("sglang", ("num_running_reqs", "num_queue_reqs")),
    ],
)
def test_servers_are_known_by_their_names(server: str, gauges: tuple[str, str]) -> None:
    """Whatever kind of engine asks them."""
    name = f"{server}:e2e_request_latency_seconds"
    lines = [f"{server}:{gauge} 1\n" for gauge in gauges]
    found = read_known(bucket("0.5", 3, name) + bucket("+Inf", 4, name) + "".join(lines))

    assert found is not None
    assert (found.steps["e2e"][0.5], found.in_flight) == (3.0, 2.0)
    assert read_known(WHOLE) is None
