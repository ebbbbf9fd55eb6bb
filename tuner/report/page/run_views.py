"""What a page says of a search: its trials, knobs, time and the machine's pace; and of loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from tuner.report.page import charts
from tuner.report.page.figures import Figures
from tuner.report.page.sides import latency_verdict
from tuner.report.page.words import OUTCOMES

FRONTS = (
    ("correct", "share", "Right answers"),
    ("output_tokens_per_s", "rate", "Output tokens a second"),
    ("memory_bytes", "mib", "Memory in MiB"),
)
"""What the frontier sets against the p99: its place in a trial, its unit, its words."""


def of_run(island: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Return what the sections about a search show."""
    document, kinds = island["document"], island["outcome"]
    target = document["target"][0] if document["target"] else None
    name, max_s = _target(target)
    trials = document["trials"]
    return {
        "fronts": list(_fronts(island)),
        "front_tip": lambda of, unit: _front_tip(figures, of, unit),
        "course": charts.course(trials, island["ended_s"], kinds, name, max_s),
        "course_of": f"the {name.split(' <=')[0]}" if name else "the p99",
        "trial_tip": _trial_tip(island, figures, name),
        "outcome_words": OUTCOMES,
        "outcome_legend": [(o, OUTCOMES[o]) for o in dict.fromkeys(kinds.values())],
        "knob_chart": charts.whiskered(island["knobs"]["found"]),
        "knob_tip": lambda row, i: figures.tip(
            f"{row}: {{}}", (f"/knobs/found/{i}/share", "share")
        ),
        **_course(island, figures),
    }


def _target(target: Mapping[str, Any] | None) -> tuple[str | None, float | None]:
    """Return the first target's name in a trial's estimates, and its bound in seconds."""
    if target is None:
        return None, None
    name = f"{target['metric']} p{target['quantile'] * 100:g} <= {target['max_ms']:g} ms"
    return name, target["max_ms"] / 1000


def _fronts(island: Mapping[str, Any]) -> Iterator[tuple[str, str, str, charts.Points]]:
    document = island["document"]
    for of, unit, words in FRONTS:
        found = charts.against(document["trials"], document["frontier"], of)
        if found is not None:
            yield of, unit, words, found


def _front_tip(figures: Figures, of: str, unit: str) -> Callable[[int], Markup]:
    def tip(index: int) -> Markup:
        at = f"/document/trials/{index}"
        return figures.tip(
            "trial {}: p99 {} ms; {}",
            (f"{at}/number", "plain"), (f"{at}/e2e_p99_s", "ms"), (f"{at}/{of}", unit),
        )  # fmt: skip

    return tip


def _trial_tip(
    island: Mapping[str, Any], figures: Figures, target: str | None
) -> Callable[[int], Markup]:
    trials = island["document"]["trials"]

    def tip(index: int) -> Markup:
        at, trial = f"/document/trials/{index}", trials[index]
        words = OUTCOMES[island["outcome"][str(trial["number"])]]
        told = target in trial.get("estimates_s", {})
        level = f"{at}/estimates_s/{target}" if told else f"{at}/e2e_p99_s"
        places = ((f"{at}/number", "plain"), (level, "ms"))
        return figures.tip(f"trial {{}}: {{}} ms, {words}", *places)

    return tip


def _course(island: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    spent = island["spent"]
    names = [part["part"] for part in spent]

    def spent_tip(row: str, index: int) -> Markup:
        at = f"/spent/{index}"
        return figures.tip("{}: {}", (f"{at}/part", "text"), (f"{at}/seconds", "duration"))

    def pace_tip(index: int) -> Markup:
        at = f"/blocks/{index}"
        return figures.tip("{}: {} ms", (f"{at}/name", "text"), (f"{at}/median_s", "ms"))

    return {
        "spent_chart": charts.stacked(
            {"": [(p["part"], p["seconds"]) for p in spent]}, names, charts.MINUTE_S
        ),
        "spent_names": names,
        "spent_tip": spent_tip,
        "pace": charts.pace(island["blocks"], island["document"]["noise_floor"]),
        "pace_tip": pace_tip,
    }


def of_loads(island: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Return what the section about loads shows."""

    def tip(index: int) -> Markup:
        at, level = f"/document/levels/{index}", island["document"]["levels"][index]
        slo = level["verdicts"][0]
        value = f"{at}/{slo['metric']}/quantiles/{slo['quantile']:g}/value"
        return figures.tip("at {}: {} ms", (f"{at}/size", "plain"), (value, "ms"))

    levels = island["document"]["levels"]
    verdicts = [latency_verdict(level) for level in levels]
    return {"load_chart": charts.loads(levels, verdicts), "load_tip": tip}
