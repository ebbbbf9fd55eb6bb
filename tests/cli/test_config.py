"""Each value of a study with its origin, as `tune config show` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tuner.cli.main import cli

STUDY = """\
version: 1
name: mine
engine: {kind: fake}
workload:
  prompts: p.jsonl
  load: {concurrency: 2}
slo:
- {metric: ttft, quantile: 0.5, max_ms: 80}
- metric: e2e
  max_ms: 500
baseline: {num_predict: 64}
space: &space
  num_batch: [128, 512]
objective: {minimize: e2e_p99}
notify: {urls_from: MY_URLS}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.yaml").write_text(STUDY)
    (tmp_path / "p.jsonl").write_text('{"template": "a"}\n')
    monkeypatch.chdir(tmp_path)


def values(*options: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Return what is said of each key."""
    found = CliRunner(env=variables).invoke(cli, ["config", "show", "s.yaml", "--json", *options])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)

    assert document["schema"] == "tuner.config/1"
    assert document["study"] == "s.yaml"
    keys = [value["key"] for value in document["values"]]
    assert len(keys) == len(set(keys))
    return {value["key"]: value for value in document["values"]}


@pytest.mark.parametrize(
    ("key", "value", "begins"),
    [
        ("name", "mine", "name:"),
        ("engine.kind", "fake", "engine:"),
        ("workload.load.concurrency", 2, "  load:"),
        ("slo.ttft.p50", 80.0, "- {metric: ttft"),
        ("slo.e2e.p99", 500.0, "  max_ms: 500"),
        ("baseline.num_predict", 64, "baseline:"),
        ("space.num_batch", [128, 512], "  num_batch:"),
        ("objective", "e2e_p99", "objective:"),
    ],
)
def test_a_value_of_the_file_names_its_line(key: str, value: Any, begins: str) -> None:
    """The line is the one on which the key stands."""
    found = values()[key]

    assert found["value"] == value
    assert (found["origin"]["source"], found["origin"]["name"]) == ("file", "s.yaml")
    assert STUDY.splitlines()[found["origin"]["line"] - 1].startswith(begins)


def test_what_nobody_says_is_a_default() -> None:
    """Knobs that the baseline leaves open have the engine's, and none is missing."""
    found = values()

    for key in ("search.budget", "baseline.num_ctx", "guard.min_valid", "workload.load.rate"):
        assert found[key]["origin"] == {"source": "default", "name": None, "line": None}
    assert found["guard.min_valid"]["value"] is None
    assert found["search.budget"]["value"] == 600.0


def test_an_option_wins_over_its_variable_and_that_over_the_file() -> None:
    """Each is named as it was given."""
    by_variable = values(TUNE_TARGET_P99="300", TUNE_SEED="4", TUNE_BUDGET="5m")
    by_option = values("--target-p99", "200", TUNE_TARGET_P99="300")

    assert by_variable["slo.e2e.p99"]["value"] == 300.0
    assert by_variable["slo.e2e.p99"]["origin"]["name"] == "TUNE_TARGET_P99"
    assert by_variable["search.budget"]["value"] == 300.0
    assert by_variable["search.seed"]["origin"]["source"] == "variable"
    assert by_option["slo.e2e.p99"]["value"] == 200.0
    assert by_option["slo.e2e.p99"]["origin"] == {
        "source": "option",
        "name": "--target-p99",
        "line": None,
    }


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["--sampler", "random"], "search.sampler"),
        (["--objective", "memory"], "objective"),
        (["--stop-when-met"], "search.stop_when_met"),
        (["--client-processes", "2"], "workload.load.client_processes"),
        (["--nice", "5"], "beside.nice"),
        (["--memory", "4GiB"], "beside.memory"),
        (["--model", "--ttft-ms 3"], "engine.model"),
        (["--target-ttft-p99", "90"], "slo.ttft.p99"),
    ],
)
def test_each_option_is_the_origin_of_what_it_sets(options: list[str], key: str) -> None:
    """What it sets differs from what was there without it."""
    before, after = values().get(key), values(*options)[key]

    assert after["origin"]["name"] == options[0]
    assert before is None or before["value"] != after["value"]


def test_what_may_be_a_secret_is_not_shown() -> None:
    """Only where it stands."""
    found = values()["notify.urls_from"]

    assert "MY_URLS" not in json.dumps(found)
    assert STUDY.splitlines()[found["origin"]["line"] - 1].startswith("notify:")


def test_for_people_the_file_is_named_once() -> None:
    """Then lines are enough."""
    printed = CliRunner(env={"COLUMNS": "90"}).invoke(cli, ["config", "show", "s.yaml"]).stdout

    assert printed.startswith("study: s.yaml\n")
    assert printed.count("s.yaml") == 1
    assert "line 11" in printed
