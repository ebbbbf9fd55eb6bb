"""A measurement tells its figures, and what it lacks stays unknown."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.measuring.test_compare import asked, kept
from tuner.advice.diagnosis.diagnose import diagnose
from tuner.spec.knobs import Knob, by_name
from tuner.workflow.advising.measured_figures import (
    figures_of,
    from_result,
    names_of,
    told_by,
)

KNOBS = by_name(
    Knob("seats", "restart", 1, "command", "slots"),
    Knob("room", "reload", 4096, role="context"),
    Knob("most", "request", 0, role="limit"),
)


def document(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return what `tune measure` writes, with other facts."""
    kept(folder, 100.0, starts=1)
    return {**json.loads((folder / "measurement.json").read_text()), **changes}


def test_settings_are_found_by_their_roles(tmp_path: Path) -> None:
    """Whatever an engine calls them; a limit of 0 is none."""
    told = document(tmp_path, candidate={"seats": 2, "room": 512, "most": 0}, effective=None)
    found, names = figures_of(told, (), KNOBS), names_of(told, KNOBS)

    assert (found.slots, found.context, found.limit, found.batch) == (2, 512, None, None)
    assert (names.slots, names.context, names.batch) == ("seats", "room", "num_batch")


@pytest.mark.parametrize(
    ("load", "rate", "in_flight"),
    [
        ("closed loop, concurrency 4", None, 4),
        ("open loop, 2.5 requests/s (poisson)", 2.5, None),
        ("open loop, 2.5 requests/s (gamma 0.5)", None, None),
        ("open loop, 2.5 requests/s (trace)", None, None),
    ],
)
def test_how_requests_came_is_read(
    tmp_path: Path, load: str, rate: float | None, in_flight: int | None
) -> None:
    """Only where they came by themselves does their rate tell the queue."""
    found = figures_of(document(tmp_path, load=load), (), {})

    assert (found.rate, found.in_flight) == (rate, in_flight)


def test_lengths_and_the_cache_come_from_the_samples(tmp_path: Path) -> None:
    """Usual ones are medians; what the engine computed is told apart from what it kept."""
    server = {"prompt_n": 30, "prompt_ms": 5.0, "predicted_ms": 40.0}
    samples = [replace(asked(1, n, 100.0), prompt_tokens=130, output_tokens=10 + (n == 0) * 90,
                       server=server) for n in range(100)]  # fmt: skip
    found = figures_of(document(tmp_path), samples, {})

    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (130, 100, 10)
    assert found.output_p99 is not None
    assert found.output_p99 > 10
    assert figures_of(document(tmp_path / "few"), samples[:50], {}).output_p99 is None


def test_gpus_and_disturbances_are_read(tmp_path: Path) -> None:
    """The busiest GPU; other programs count from 5 % on, as everywhere."""
    gpus = {"gpus": [{"name": "a", "busy": 0.2}, {"name": "b", "busy": 0.6},
                     {"name": "c", "busy": None}]}  # fmt: skip
    calm = {"others": 0.04, "stolen": 0.001, "throttled": 0.0}
    found = figures_of(document(tmp_path, resources=gpus, machine=calm), (), {})
    busy = figures_of(document(tmp_path / "b", machine={**calm, "others": 0.4}), (), {})

    assert (found.gpu_util, found.disturbed) == (0.6, 0.001)
    assert busy.disturbed == 0.4


def test_loads_that_requests_waited_for_are_counted(tmp_path: Path) -> None:
    """Ollama tells them of each answer; a model that is there takes a few ms and is no load."""
    samples = [replace(asked(1, n, 100.0), server={"load_duration": (3e9 if n < 2 else 2e7)})
               for n in range(100)]  # fmt: skip
    found = figures_of(document(tmp_path), samples, {})

    assert (found.reloads, found.load_s) == (0.02, 3.0)
    assert figures_of(document(tmp_path / "b"), [asked(1, 0, 100.0)], {}).reloads is None


def test_what_a_server_says_beyond_what_a_client_saw_is_cut(tmp_path: Path) -> None:
    """Its figures would contradict each other, and a measurement is never refused for that."""
    parts = {"parts": [{"part": p, "quantiles": {"0.5": {"value": 9.0}, "0.99": {"value": 9.0}}}
                       for p in ("prefill", "decode", "queue", "network")]}  # fmt: skip
    told = document(tmp_path, candidate={"room": 5, "most": 5}, effective=None, breakdown=parts)
    samples = [replace(asked(1, n, 100.0), prompt_tokens=130, output_tokens=10) for n in range(100)]
    found = figures_of(told, samples, KNOBS)

    assert found.prefill == found.queue == found.p50
    assert found.queue_p99 == found.p99
    assert (found.context, found.limit) == (None, None)
    assert diagnose(found).hypotheses


def test_the_interval_of_p99_goes_along(tmp_path: Path) -> None:
    """100 requests show no upper end; 500 do."""
    few, many = (figures_of(_kept(tmp_path / str(n), n), (), {}) for n in (1, 5))

    assert few.p99_low is not None
    assert few.p99 is not None
    assert few.p99_low <= few.p99 < (few.p99_high or 0)
    assert few.p99_high == math.inf
    assert many.p99_high is not None
    assert many.p99_high < math.inf


def _kept(folder: Path, starts: int) -> dict[str, Any]:
    kept(folder, 100.0, starts=starts)
    found: dict[str, Any] = json.loads((folder / "measurement.json").read_text())
    return found


def test_how_sure_it_is_stands_beside_the_figures(tmp_path: Path) -> None:
    """The number of requests, intervals, and what the server says of itself."""
    seen = {"elapsed_s": 1.0, "totals": {}, "levels": {}, "restarted": False,
            "reason": {"name": "full", "because": "9 of 10 waited", "moves": []}}  # fmt: skip
    told = told_by(document(tmp_path, observed=seen), (), {})

    assert told.remarks[0].startswith("measured on n = 100 requests, e2e with their intervals: p50")
    assert told.remarks[1] == "the server says of itself: full, since 9 of 10 waited"


def test_the_best_of_a_run_is_read_too(tmp_path: Path) -> None:
    """From its result.json."""
    best = document(tmp_path)
    (tmp_path / "measurement.json").unlink()
    (tmp_path / "result.json").write_text(json.dumps({"schema": "tuner.result/1", "best": best}))
    found = from_result(tmp_path).figures

    assert found.p50 == pytest.approx(0.1, rel=0.05)
