"""Drawings hold what is known, and nothing where nothing is."""

from __future__ import annotations

from typing import Any

from tuner.report.page.charts import LEFT, RIGHT, against, course, loads, pace, stacked, steps


def curve(points: list[list[float]], n: int) -> dict[str, Any]:
    """Return latencies as a report has them."""
    return {"points": points, "n": n, "never": n - len(points), "unknown": 0}


def test_an_interval_without_an_upper_end_reaches_the_edge() -> None:
    """It is not drawn as if its upper end were known."""
    told = {"best": curve([[1, 0.1], [2, 0.2]], 2)}
    drawn = steps(told, {"best": {"low": 0.1, "high": None}}, 0.9, 0.15)

    assert drawn is not None
    assert drawn.curves[0].open_ended and drawn.curves[0].whisker is not None
    assert drawn.curves[0].whisker[1] == RIGHT
    assert drawn.target is not None and LEFT < drawn.target < RIGHT


def test_nothing_measured_has_no_drawing() -> None:
    """Neither curves, nor trials, nor blocks, nor loads, nor bars."""
    failed = {"number": 0, "state": "pruned", "e2e_p99_s": None, "estimates_s": {}, "correct": 0.0}

    assert steps({"best": curve([], 3)}, {}, None, None) is None
    assert course([failed], {"0": 1.0}, {"0": "failed"}, None, None) is None
    assert against([failed], [], "correct") is None
    assert pace([{"ended_s": 1.0, "median_s": 0.1}], None) is None
    assert loads([], []) is None
    assert stacked({"after": [("prefill", -0.1)]}, ["prefill"]) is None


def test_what_is_below_zero_has_no_room() -> None:
    """The other parts of a bar keep their size."""
    drawn = stacked({"a": [("network", -1.0), ("decode", 3.0)]}, ["network", "decode"])

    assert drawn is not None
    assert [piece.label for piece in drawn.rows[0][1]] == ["decode"]


def test_trials_without_an_estimate_are_counted() -> None:
    """A page can say that they are only in its table."""
    trials = [
        {"number": 0, "estimates_s": {"t": 0.2}, "e2e_p99_s": 0.2},
        {"number": 1, "estimates_s": {"t": None}, "e2e_p99_s": None},
    ]
    drawn = course(trials, {"0": 5.0, "1": 9.0}, {"0": "met", "1": "failed"}, "t", 0.3)

    assert drawn is not None
    assert (len(drawn.marks), drawn.left_out) == (1, 1)
