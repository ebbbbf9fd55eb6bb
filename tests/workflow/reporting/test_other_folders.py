"""The same page serves a measurement, a capacity, a night, and a run that came to nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.report.page.parsed import Page, ensure_recomputed, unplaced
from tests.workflow.worlds import study, world
from tuner.report.page.page import page
from tuner.spec.errors import InputError
from tuner.spec.values import Candidate
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.capacity import capacity
from tuner.workflow.measuring.measure import measure
from tuner.workflow.reporting.report import data, in_markdown, write_report


def steady(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer in about 0.1 s."""
    return Answered(0.1 * float(rng.lognormal(0, 0.02)), 0.0, '{"n": 1}', output_tokens=1)


def checked(folder: Path) -> Page:
    """Return the page of a folder, each of whose numbers was recomputed."""
    found = Page(write_report(folder).read_text(encoding="utf-8"))
    ensure_recomputed(found)
    assert unplaced(found) == []
    return found


def test_a_measurement(tmp_path: Path) -> None:
    """One side, with its distribution and its parts; nothing about a search."""
    virtually(measure(study(), tmp_path / "o", requests=60, engine=SimulatedEngine(world)))
    found = checked(tmp_path / "o")

    assert "Report of tune measure" in found.html and "The target is missed." in found.html
    assert found.data["latencies"]["e2e"]["measured"]["n"] == 60
    assert "The trials" not in found.html and "<pre" not in found.html
    assert "**Missed**" in in_markdown(tmp_path / "o")


def test_a_capacity(tmp_path: Path) -> None:
    """Each load with its verdict on the targets alone, whatever the answers are like."""
    engine = SimulatedEngine(steady, parallel=2)
    named = study(budget_s=1e6, baseline={})
    virtually(capacity(named, tmp_path / "o", engine=engine, highest=3))
    found = checked(tmp_path / "o")
    highest = found.data["document"]["highest"]

    assert "Report of tune capacity" in found.html and highest >= 2
    assert f"Proven up to {highest}" in in_markdown(tmp_path / "o")
    assert found.html.count('<span class="tag pass">PASS</span>') == sum(
        level["verdicts"][0]["verdict"] == "PASS" for level in found.data["document"]["levels"]
    )


def test_a_night(folder: Path, tmp_path: Path) -> None:
    """What the night came to stands above the rest."""
    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    night = {"schema": "tuner.night/1", "decision": "rolled_back", "why": "it lost 3 of 5 pairs"}
    (out / "night.json").write_text(json.dumps(night))
    found = checked(out)

    assert "Report of tune retune" in found.html
    assert "rolled back" in found.html and "it lost 3 of 5 pairs" in found.html


def test_a_night_without_a_comparison_has_no_page(tmp_path: Path) -> None:
    """What it came to is told in its place."""
    night = {"schema": "tuner.night/1", "decision": "kept", "why": "none looked better"}
    (tmp_path / "night.json").write_text(json.dumps(night))

    with pytest.raises(InputError, match="nothing to compare: kept, none looked better"):
        write_report(tmp_path)


@pytest.mark.parametrize("none", [True, False])
def test_a_run_that_proved_nothing(none: bool, folder: Path) -> None:
    """Without a candidate, or with one that was sent nothing, no figure of it is shown."""
    island = data(folder)
    best = None if none else island["document"]["best"] | {"n": 0}
    document = island["document"] | {"best": best, "baseline": None, "verdict": "UNDECIDED"}
    found = Page(page(island | {"document": document, "latencies": {"e2e": {}}, "blocks": []}))

    assert "no request was answered that could prove anything" in found.html
    assert "The trials" in found.html and "Before and after" not in found.html


def test_what_serves_stays(folder: Path) -> None:
    """Where nothing is better, there is nothing to put into service."""
    island = data(folder)
    baseline = island["document"]["baseline"]
    document = island["document"] | {"keeps_baseline": True, "best": baseline, "changed": {}}
    found = Page(page(island | {"document": document}))

    assert "Keep what serves." in found.html and "<pre" not in found.html


def test_a_comparison_has_no_folder(tmp_path: Path) -> None:
    """`tune compare` prints; a folder without any of our documents is refused."""
    with pytest.raises(InputError, match=r"result\.json, capacity\.json, measurement\.json"):
        write_report(tmp_path)
