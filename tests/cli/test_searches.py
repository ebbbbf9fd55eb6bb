"""Searches that ended wrongly once, as their users ran them: through the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cli import tune

SERVER = [
    sys.executable, "-m", "tuner.testing.fake_server",
    '{"n_threads": {{ threads }}, "n_parallel": 4, "n_ctx": 32768, "port": {{ port }}}',
    "--answer", "answers.json", "--ttft-ms", "10", "--itl-ms", "1",
    "--prompt-us-per-token", "1", "--noise", "0.05", "--keep-alive",
]  # fmt: skip


def written(folder: Path, prompts: int, **study: Any) -> Path:
    """Write a study of a server that answers each of its prompts right, half of them held out."""
    numbers = [f"{i:05d}" for i in range(prompts)]
    lines = [
        {"template": f"item {n}, please", "expect": {"contains": f"is {n}"}, "held_out": i % 2 == 1}
        for i, n in enumerate(numbers)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "answers.json").write_text(json.dumps({n: f"the item is {n}" for n in numbers}))
    given: dict[str, Any] = {
        "version": 1,
        "name": "fast",
        "engine": {
            "kind": "command", "model": "default", "command": SERVER, "ready": "/health",
            "knobs": {
                "threads": {"tier": "restart", "default": 2},
                "temperature": {"tier": "request", "default": 0.8},
            },
        },
        "workload": {"prompts": "prompts.jsonl", "load": {"concurrency": 4}},
        "baseline": {"threads": 2, "temperature": 0.8},
        "space": {"threads": [2, 4], "temperature": [0.0, 0.8]},
        "search": {"budget": "20s"},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump({**given, **study}))
    return folder / "study.yaml"


@pytest.mark.timeout(120)
def test_a_baseline_that_is_always_right_ends_no_search(tmp_path: Path) -> None:
    """`max_drop` beside perfect answers is decided, or the result says what would decide it."""
    written(
        tmp_path, 900,
        slo=[{"metric": "e2e", "quantile": 0.99, "max_ms": 400}],
        guard={"min_valid": 0.97, "min_correct": 0.9, "max_drop": 0.02},
    )  # fmt: skip
    found = tune("run", "study.yaml", "--out", "out", cwd=tmp_path)

    assert "Traceback" not in found.stderr
    assert found.returncode in (0, 3), found.stderr
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert document["finalists"]
    assert found.returncode == 0 or any("would decide it" in r for r in document["reasons"])


@pytest.mark.timeout(120)
def test_nobody_is_told_of_a_guard_that_is_not_there(tmp_path: Path) -> None:
    """Without a guard the report says so; progress shows the metric that the target is on."""
    written(tmp_path, 900, slo=[{"metric": "ttft", "quantile": 0.9, "max_ms": 300}])
    found = tune("run", "study.yaml", "--out", "out", cwd=tmp_path)
    report = " ".join((tmp_path / "out" / "report.txt").read_text().split())

    assert found.returncode == 0, found.stderr
    assert "nothing was asked of them (no guard); 100% of them were whole" in report
    assert "as good as asked" not in report
    assert "ttft p90 ~" in found.stderr
    assert "e2e p99 ~" not in found.stderr
