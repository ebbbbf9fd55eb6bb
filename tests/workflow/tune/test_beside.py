"""A run beside production pauses while that is busy, and ends when its window closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.result import as_text, show_result
from tuner.spec.beside import Threshold
from tuner.spec.errors import Busy
from tuner.store import trial_folder
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.beside.gate import Gate, Watched
from tuner.workflow.tune.run import run

BUSY = (100.0, 1100.0)
"""When production is busy, in seconds of virtual time."""


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


def gate(busy: Callable[[float], bool], recorder: Recorder, patience_s: float = 2000.0) -> Gate:
    """Return a gate before production that is busy at some times."""

    async def read() -> float:
        return 9.0 if busy(now()) else 0.0

    return Gate([Watched("requests", Threshold(4.0), read)], patience_s, recorder.note)


def in_between(t: float) -> bool:
    """Tell whether production is busy at a time."""
    return BUSY[0] <= t < BUSY[1]


def test_a_pause_is_no_part_of_the_budget_and_what_it_disturbed_is_kept(tmp_path: Path) -> None:
    """No request is sent while production is busy, but by the trial in which it became so."""
    recorder, out = Recorder(), tmp_path / "o"
    made = gate(in_between, recorder)
    result = virtually(run(study(budget_s=300.0), out, recorder, SimulatedEngine(world), gate=made))
    stored = trial_folder.read_all(out)
    marked = [t for t in stored if t.measured.machine and t.measured.machine.production_busy]

    assert result.spent["paused_s"] == pytest.approx(BUSY[1] - BUSY[0], rel=0.05)
    assert result.spent["seconds"] <= 300.0
    assert len(marked) == 1
    assert marked[0].measured.samples
    assert result.windows[marked[0].name].others is None
    assert "  - disturbed: production was busy during" in as_text(show_result(result))
    assert "It waited 10" in as_text(show_result(result))
    sent = [s.sent_ns / 1e9 for t in stored for s in t.measured.samples if t != marked[0]]
    assert not any(map(in_between, sent))
    assert stored[-1].spent.paused_s == result.spent["paused_s"]
    assert any(line.startswith("paused: production is busy") for line in recorder.notes)


def test_a_calm_production_changes_nothing(tmp_path: Path) -> None:
    """The result is that of a run without a gate."""
    alone = virtually(run(study(budget_s=60.0), tmp_path / "a", Recorder(), SimulatedEngine(world)))
    made = gate(lambda t: False, Recorder())
    beside = virtually(
        run(study(budget_s=60.0), tmp_path / "b", Recorder(), SimulatedEngine(world), gate=made)
    )

    assert beside.windows == alone.windows == {}
    assert [t.candidate for t in beside.trials] == [t.candidate for t in alone.trials]
    assert beside.spent == alone.spent


def test_a_busy_production_is_not_begun_beside_and_leaves_the_folder_free(tmp_path: Path) -> None:
    """No engine is started; the next night finds the folder unused."""
    out, engine = tmp_path / "o", SimulatedEngine(world)
    made = gate(lambda t: True, Recorder(), patience_s=60.0)
    with pytest.raises(Busy, match="production was busy for 60 s"):
        virtually(run(study(), out, Recorder(), engine, gate=made))

    assert not (out / "trials").exists()
    virtually(run(study(budget_s=30.0), out, Recorder(), SimulatedEngine(world)))


def test_what_was_measured_before_a_long_pause_is_kept_for_the_next_night(tmp_path: Path) -> None:
    """The run ends by itself, and --resume goes on with its trials."""
    out = tmp_path / "o"
    made = gate(lambda t: t >= BUSY[0], Recorder(), patience_s=120.0)
    with pytest.raises(Busy):
        virtually(run(study(budget_s=300.0), out, Recorder(), SimulatedEngine(world), gate=made))
    kept = [t.name for t in trial_folder.read_all(out)]
    again = virtually(
        run(study(budget_s=300.0), out, Recorder(), SimulatedEngine(world), resume=True)
    )

    assert kept
    assert {f.name for f in (out / "trials").iterdir()} > set(kept)
    assert again.spent["seconds"] > BUSY[0]


@pytest.mark.parametrize("closes_s", [40.0, 200.0, 10_000.0])
def test_a_run_ends_when_its_window_closes(tmp_path: Path, closes_s: float) -> None:
    """Before the budget is used up, with a result, and everything kept."""
    out = tmp_path / "o"

    async def work() -> float:
        await run(
            study(budget_s=600.0), out, Recorder(), SimulatedEngine(world),
            ends_in=lambda: closes_s - now(),
        )  # fmt: skip
        return now()

    assert virtually(work()) <= min(closes_s, 600.0)
    document = json.loads((out / "result.json").read_text())
    assert document["spent"]["paused_s"] == 0.0


def test_a_pause_does_not_move_the_end_of_the_window(tmp_path: Path) -> None:
    """The budget would last longer than the night does."""
    out, recorder = tmp_path / "o", Recorder()

    async def work() -> float:
        await run(
            study(budget_s=600.0), out, recorder, SimulatedEngine(world),
            gate=gate(in_between, recorder), ends_in=lambda: 1400.0 - now(),
        )  # fmt: skip
        return now()

    assert virtually(work()) <= 1400.0
