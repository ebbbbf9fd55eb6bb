"""All that a report shows, as one JSON document: `tuner.report/1`. Seconds throughout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tuner import __version__
from tuner.spec.values import Metric
from tuner.workflow.reporting.course import (
    baseline_blocks,
    ended_s,
    knobs,
    outcome,
    outcomes,
    parts_of_the_time,
)
from tuner.workflow.reporting.latencies import in_order_of_size, samples_of
from tuner.workflow.reporting.read import Kept
from tuner.workflow.reporting.service import service

LEFT_OUT = ("finalists",)
"""What the page shows nothing of, and `result.json` has."""


def island(kept: Kept) -> dict[str, Any]:
    """Return what the report of a folder shows; each number on the page has its place in it."""
    document = {key: value for key, value in kept.document.items() if key not in LEFT_OUT}
    found = {
        "schema": "tuner.report/1",
        "tuner_version": __version__,
        "folder": str(kept.folder),
        "document": document,
        "night": kept.night,
        "latencies": _latencies(kept),
    }
    if document["schema"] == "tuner.result/1":
        found["service"] = service(kept.folder, document)
    return found | (_course(kept) if document["schema"] == "tuner.result/1" else {})


def sides(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the measurements that a page sets side by side, each by its name."""
    if document["schema"] == "tuner.measurement/1":
        return {"measured": document}
    return {name: document[name] for name in ("baseline", "best") if document.get(name)}


def _latencies(kept: Kept) -> dict[str, dict[str, Any]]:
    """Return for each metric of a target, e2e without any, the latencies of each side."""
    found = sides(kept.document)
    told = {name: samples_of(kept.trials, side) for name, side in found.items()}
    verdicts = next(iter(found.values()))["verdicts"] if found else []
    metrics = dict.fromkeys(v["metric"] for v in verdicts) or {"e2e": None}
    scheduled = kept.document.get("loop") == "open"
    return {
        metric: {
            name: in_order_of_size(samples, cast(Metric, metric), scheduled=scheduled)
            for name, samples in told.items()
            if samples
        }
        for metric in metrics
    }


def _course(kept: Kept) -> dict[str, Any]:
    document, scheduled = kept.document, kept.document["loop"] == "open"
    trials, baseline = document["trials"], document["baseline"] or {}
    return {
        "ended_s": ended_s(kept.trials),
        "outcome": {str(t["number"]): outcome(t) for t in trials},
        "outcomes": outcomes(trials),
        "spent": parts_of_the_time(kept.trials, document["spent"]["seconds"]),
        "blocks": baseline_blocks(kept.trials, baseline.get("candidate", {}), scheduled=scheduled),
        "knobs": knobs(trials),
    }
