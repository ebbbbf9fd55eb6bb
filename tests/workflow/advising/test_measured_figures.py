"""A measurement tells its figures, and what it lacks stays unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.measuring.test_compare import asked, kept
from tuner.spec.knobs import Knob, by_name
from tuner.workflow.advising.measured_figures import figures_of, from_result, names_of

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


def test_the_best_of_a_run_is_read_too(tmp_path: Path) -> None:
    """From its result.json."""
    best = document(tmp_path)
    (tmp_path / "measurement.json").unlink()
    (tmp_path / "result.json").write_text(json.dumps({"schema": "tuner.result/1", "best": best}))
    found, _ = from_result(tmp_path)

    assert found.p50 == pytest.approx(0.1, rel=0.05)
