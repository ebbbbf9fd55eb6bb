"""What a page says of the measurements that it sets side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tuner.report.page import charts
from tuner.report.page.figures import Figures
from tuner.report.page.words import CLASSES, FLOORS, METRICS, SIDES


@dataclass(frozen=True, slots=True)
class Side:
    """A measurement: its name, what it is called, its place in the data, and itself."""

    name: str
    words: str
    at: str
    m: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A target as the last side meets it, with whether its quantile is known on each side."""

    index: int
    metric: str
    key: str
    quantile_words: str
    verdict: str
    max_s: float
    known: bool
    before_known: bool


def sides_of(document: Mapping[str, Any]) -> list[Side]:
    """Return the sides of a document, what serves first; none where the last was sent nothing."""
    if document["schema"] == "tuner.measurement/1":
        return [Side("measured", SIDES["measured"], "/document", document)]
    names = [name for name in ("baseline", "best") if document.get(name)]
    if document.get("keeps_baseline"):
        names = names[:1]
    found = [Side(name, SIDES[name], f"/document/{name}", document[name]) for name in names]
    return found if found and found[-1].m["n"] else []


def targets_of(sides: Sequence[Side]) -> list[Target]:
    """Return the targets, as the last side meets them."""
    if not sides:
        return []
    first, last = sides[0], sides[-1]
    return [
        _target(index, verdict, first, last) for index, verdict in enumerate(last.m["verdicts"])
    ]


def _target(index: int, verdict: Mapping[str, Any], first: Side, last: Side) -> Target:
    key, metric = f"{verdict['quantile']:g}", verdict["metric"]

    def known(side: Side) -> bool:
        return side.m[metric]["quantiles"][key]["value"] is not None

    return Target(
        index, metric, key, quantile_words(key), verdict["verdict"], verdict["max_ms"] / 1000,
        known(last), known(first) and first is not last,
    )  # fmt: skip


def latency_verdict(m: Mapping[str, Any]) -> str:
    """Return the verdict of a measurement on its targets alone, whatever its answers are like."""
    found = {v["verdict"] for v in m["verdicts"]} if m["client"]["valid"] else {"UNDECIDED"}
    return next((v for v in ("FAIL", "UNDECIDED") if v in found), "PASS")


def quantile_words(key: str) -> str:
    """Return a quantile as it stands behind a p."""
    return f"{float(key) * 100:g}"


def of_sides(island: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Return what the sections about the sides show."""
    document = island["document"]
    sides = sides_of(document)
    targets = targets_of(sides)
    return {
        "sides": sides,
        "targets": targets,
        "before": sides[0] if len(sides) > 1 else None,
        "judged": any("wrong_fields" in s.m["guard"]["classes"] for s in sides)
        or any("min_correct" in s.m["guard"]["verdicts"] for s in sides),
        "claims": [(name, words) for name, words in _CLAIMS.items() if document.get(name)],
        "ecdfs": list(_ecdfs(island, sides, targets)),
        "side_words": SIDES,
        "chart_sides": lambda metric: [(n, SIDES[n]) for n in island["latencies"][metric]],
        "open_ended": lambda chart: any(c.open_ended for c in chart.curves),
        "quantile_words": quantile_words,
        "metric_words": METRICS,
        **_parts(sides, figures),
        **_classes(sides, figures),
    }


COLOURED = (
    "correct", "wrong_fields", "refused", "schema_violation", "unparseable", "truncated", "empty",
    "error",
)  # fmt: skip
"""Classes of answers in the order of their colours: each has the same on every page."""

_CLAIMS = {"mean_gain": "its mean", "median_gain": "its median", "gain": "its target's quantile"}


def _ecdfs(
    island: Mapping[str, Any], sides: Sequence[Side], targets: Sequence[Target]
) -> Iterator[tuple[str, charts.Steps | None, Target | None]]:
    """Yield for each metric of a target its chart, and the target that it shows."""
    for metric, told in island["latencies"].items():
        target = next((t for t in targets if t.metric == metric), None)
        shown = {s.name: told[s.name] for s in sides if s.name in told}
        bounds = {s.name: s.m[metric]["quantiles"][target.key] for s in sides} if target else {}
        q, max_s = (float(target.key), target.max_s) if target else (None, None)
        yield metric, charts.steps(shown, bounds, q, max_s), target


def _parts(sides: Sequence[Side], figures: Figures) -> dict[str, Any]:
    told = {s.words: s for s in sides if s.m["breakdown"]}
    rows = {
        words: [(part["part"], part["mean"]) for part in s.m["breakdown"]["parts"]]
        for words, s in told.items()
    }
    names = list(dict.fromkeys(name for row in rows.values() for name, _ in row))

    def tip(row: str, index: int) -> Markup:
        at = f"{told[row].at}/breakdown/parts/{index}"
        return figures.tip("{}: {} ms", (f"{at}/part", "text"), (f"{at}/mean", "ms"))

    def place(side: Side, name: str) -> int | None:
        found = (i for i, p in enumerate(side.m["breakdown"]["parts"]) if p["part"] == name)
        return next(found, None)

    def how(name: str) -> str:
        every = (p for s in told.values() for p in s.m["breakdown"]["parts"] if p["part"] == name)
        return next(f"{p['known']}, {p['how']}" for p in every)

    return {
        "parts_chart": charts.stacked(rows, names),
        "part_names": names,
        "part_tip": tip,
        "part_index": place,
        "part_how": how,
    }


def _classes(sides: Sequence[Side], figures: Figures) -> dict[str, Any]:
    seen = [c for c in CLASSES if any(s.m["guard"]["classes"].get(c) for s in sides)]
    by_words = {s.words: s for s in sides}
    rows = {s.words: _shares(s.m["guard"]["classes"], seen) for s in sides}

    def tip(row: str, index: int) -> Markup:
        at = f"{by_words[row].at}/guard/classes/{seen[index]}"
        return figures.tip(f"{CLASSES[seen[index]]}: {{}} answers", (at, "count"))

    asked = [f for f in FLOORS if any(f in s.m["guard"]["verdicts"] for s in sides)]
    return {
        "class_chart": charts.stacked(rows, COLOURED),
        "class_names": seen,
        "class_colours": [COLOURED.index(name) for name in seen],
        "class_words": [CLASSES[name] for name in seen],
        "class_tip": tip,
        "floors": asked,
        "floor_words": FLOORS,
    }


def _shares(counts: Mapping[str, int], names: Sequence[str]) -> list[tuple[str, float]]:
    whole = sum(counts.values()) or 1
    return [(name, counts.get(name, 0) / whole) for name in names]
