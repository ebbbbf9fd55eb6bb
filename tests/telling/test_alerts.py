"""The shipped alert rules are about metrics that are written, and fire when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.telling.nights import WHOLE
from tuner.telling.textfile import write_textfile
from tuner.workflow.schedule.alerts import FILE, plan

PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Give the file of the rules."""
    path = tmp_path / FILE
    path.write_text(plan().files[FILE])
    return path


def test_every_rule_is_about_a_metric_that_is_written(rules: Path, tmp_path: Path) -> None:
    """A name that nobody writes would never fire."""
    written = write_textfile(WHOLE, tmp_path).read_text()
    found = [
        rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]
    ]
    named = {name for rule in found for name in re.findall(r"tuner_\w+", rule["expr"])}

    assert found[0]["alert"] == "TuneNightMissing"
    assert len(named) >= 5
    assert all(f"\n{name}{{" in written for name in named)


@PROMTOOL
def test_promtool_takes_the_rules(rules: Path) -> None:
    """It finds nothing to say."""
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@PROMTOOL
def test_promtool_takes_the_metrics(tmp_path: Path) -> None:
    """It reads the file; that a gauge has quantiles is all that it has to say."""
    text = write_textfile(WHOLE, tmp_path).read_text()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if '"quantile"' not in line]

    assert said == []


def series(named: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series of a name in service on one machine."""
    told = {"name": "chat", "instance": "a:9100"} | labels
    return {"series": f"{named}{{{','.join(f'{k}={v!r}' for k, v in told.items())}}}",
            "values": values}  # fmt: skip


RAN = "tuner_retune_last_run_timestamp_seconds"
SUCCEEDED = "tuner_retune_last_success_timestamp_seconds"
FINE = [series(RAN, "0x720"), series(SUCCEEDED, "0x720")]
"""A night that succeeded at the beginning of time; samples follow for 60 hours."""

CASES = {
    "well": (FINE, "35h", []),
    "a night was missed": (FINE, "38h", ["TuneNightMissing"]),
    "no night ever succeeded": (
        [series(RAN, "0x720"), series(SUCCEEDED, "0x720", name="other")], "3h",
        ["TuneNightMissing"],
    ),
    "no metrics at all": ([], "3h", ["TuneNightMissing"]),
    "rolled back": (
        [*FINE, series("tuner_retune_decision", "1x720", decision="rolled_back"),
         series("tuner_retune_decision", "0x720", decision="failed")], "3h", ["TuneRolledBack"],
    ),
    "failed": (
        [*FINE, series("tuner_retune_decision", "1x720", decision="failed")], "3h",
        ["TuneNightFailed"],
    ),
    "target lost": (
        [*FINE, series("tuner_regression", "1x720", metric="e2e"),
         series("tuner_regression", "0x720", metric="ttft")], "3h", ["TuneTargetLost"],
    ),
    "nobody told": ([*FINE, series("tuner_untold_targets", "2x720")], "3h", ["TuneNobodyTold"]),
}  # fmt: skip
ALERTS = ["TuneNightMissing", "TuneNightFailed", "TuneRolledBack", "TuneTargetLost",
          "TuneNobodyTold"]  # fmt: skip


@PROMTOOL
@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_where_it_should_and_no_other_does(case: str, rules: Path) -> None:
    """As promtool evaluates the rules."""
    given, at, firing = CASES[case]
    asked = [
        {"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
         "eval_time": at, "exp_samples": [{"labels": "{}", "value": int(name in firing)}]}
        for name in ALERTS
    ]  # fmt: skip
    tests = {
        "rule_files": [rules.name],
        "evaluation_interval": "5m",
        "tests": [{"interval": "5m", "input_series": given, "promql_expr_test": asked}],
    }
    (rules.parent / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yaml"],
        cwd=rules.parent, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
