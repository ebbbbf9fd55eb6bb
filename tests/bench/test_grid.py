"""Recording a table: every configuration once, in short rows that a world can be made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.grid import LIMIT, TABLES, Table, as_text, candidates, record
from bench.worlds import worlds
from tuner.engines.registry import kind_of
from tuner.spec.shipped import studies
from tuner.spec.study import load
from tuner.testing.virtual_time import run as virtually


def test_every_configuration_is_recorded_with_what_its_start_took(tmp_path: Path) -> None:
    """Rows come in the order of the table; a start is told where there was one."""
    world = worlds()["cheap"]
    knobs = {"num_batch": (64, 256), "temperature": (0.0, 0.4)}
    table = Table("", "", knobs, {"num_batch": 64, "temperature": 0.4}, {"top_k": 10})
    document = virtually(
        record(table, world.study(0, stop_when_met=False), world.engine(0), tmp_path / "grid")
    )
    rows = json.loads(as_text(document))["rows"]

    assert [tuple(row["candidate"].values()) for row in rows] == [
        (64, 0.0), (64, 0.4), (256, 0.0), (256, 0.4),
    ]  # fmt: skip
    assert [row["changed"] for row in rows] == ["restart", "nothing", "restart", "nothing"]
    assert [row["start_s"] for row in rows] == [world.restart_s, 0.0, world.restart_s, 0.0]
    assert all(len(row["samples"]) == 20 for row in rows)
    assert document["tiers"] == {"num_batch": "restart", "temperature": "request"}
    assert document["environment"]["engine_version"] == "simulated"


def test_what_is_fixed_holds_in_all_rows() -> None:
    """Knobs outside the table keep the study's baseline, fixed ones what the table says."""
    table = Table("", "", {"num_ctx": (512, 1024)}, {}, {"temperature": 0.0})
    found = list(candidates(table, {"num_ctx": 4096, "temperature": 0.7, "top_k": 40}))

    assert found == [
        {"num_ctx": n, "temperature": 0.0, "top_k": 40, "num_predict": LIMIT} for n in (512, 1024)
    ]


@pytest.mark.parametrize("name", TABLES)
def test_a_search_can_begin_at_a_tables_baseline(name: str) -> None:
    """The baseline is one of the rows, and what is fixed is a knob."""
    table = TABLES[name]
    study = load(studies() / table.study)

    assert table.baseline.keys() == table.knobs.keys()
    assert all(table.baseline[n] in values for n, values in table.knobs.items())
    known = study.baseline.keys() | study.space.keys() | kind_of(study).knobs().keys()
    assert table.fixed.keys() <= known
