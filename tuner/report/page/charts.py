"""Lay out the charts of a report: which mark lies where. The templates draw them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.report.page.scale import Scale, fitting

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 348, 12, 190
"""The frame of a chart, in the units of its viewBox: narrow, so that a phone can show its words."""

ROW = 34
BAR_TOP, BAR_LEFT = 6, 4

APART = 3.5
"""By so much the intervals of two sides lie beside the line of their quantile."""

MINUTE_S = 60.0
MIB = float(2**20)

SHARES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Axes:
    """The two scales of a chart with the words of their ends; `units` are those of its ticks."""

    x: Scale
    y: Scale
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One side's latencies as a path of steps, with the interval of the target's quantile."""

    side: str
    path: str
    points: int
    whisker: tuple[float, float, float] | None = None
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """Latencies of several sides: the share of requests that were answered in time."""

    axes: Axes
    curves: Sequence[Curve]
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: where it lies, what kind it is, and to which entry of the data it belongs."""

    x: float
    y: float
    kind: str
    index: int | str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Points on two scales; `line` is a level to meet, `band` a range of levels that is noise."""

    axes: Axes
    marks: Sequence[Mark]
    line: float | None = None
    band: tuple[float, float] | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a bar: where it begins, how long it is, which colour of the row it has."""

    x: float
    width: float
    colour: int
    index: int | str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows of bars on one scale; each row has its name and its pieces."""

    scale: Scale
    ticks: Sequence[float]
    rows: Sequence[tuple[str, Sequence[Piece]]]
    whiskers: Sequence[tuple[float, float]] = field(default_factory=tuple)

    @property
    def height(self) -> int:
        """Return the height of the drawing."""
        return BAR_TOP + ROW * len(self.rows) + 26


def rarity(share: float) -> float:
    """Return the place of a share on a scale on which each step is ten times rarer."""
    return -math.log10(max(1 - share, 1e-9))


def steps(
    latencies: Mapping[str, Mapping[str, Any]],
    bounds: Mapping[str, Mapping[str, float | None]],
    quantile: float | None,
    target_s: float | None,
) -> Steps | None:
    """Return the distribution of latencies of each side, with the bounds of one quantile.

    A request of rank r of n is drawn at the share (r - 0.5) / n. None without a request.
    """
    drawn = {side: told for side, told in latencies.items() if told["points"]}
    if not drawn:
        return None
    seconds = [s for told in drawn.values() for _, s in told["points"]]
    ends = [b[k] for b in bounds.values() for k in ("low", "high")]
    x = fitting([*seconds, *[e for e in (*ends, target_s) if e is not None]], LEFT, RIGHT)
    top = max(rarity((told["n"] - 0.5) / told["n"]) for told in drawn.values())
    asked = 1.0 if quantile is None else rarity(quantile)
    y = Scale(0.0, max(top, asked, 1.0) * 1.12, BOTTOM, TOP)
    shares = [s for s in SHARES if rarity(s) <= y.high]
    curves = [_curve(side, told, bounds.get(side), quantile, x, y) for side, told in drawn.items()]
    target = None if target_s is None else x.at(target_s)
    return Steps(Axes(x, y, x.ticks(), shares), curves, target)


def _curve(
    side: str,
    told: Mapping[str, Any],
    bound: Mapping[str, float | None] | None,
    quantile: float | None,
    x: Scale,
    y: Scale,
) -> Curve:
    path, n = "", told["n"]
    for rank, seconds in told["points"]:
        across, up = x.at(seconds), y.at(rarity((rank - 0.5) / n))
        path += f"H{across}V{up}" if path else f"M{across} {up}"
    if bound is None or quantile is None or bound["low"] is None:
        return Curve(side, path, len(told["points"]))
    high = bound["high"]
    apart = -APART if side == "baseline" else APART
    level = round(y.at(rarity(quantile)) + apart, 1)
    whisker = (x.at(bound["low"]), RIGHT if high is None else x.at(high), level)
    return Curve(side, path, len(told["points"]), whisker, high is None)


def course(
    trials: Sequence[Mapping[str, Any]],
    ended_s: Mapping[str, float],
    kinds: Mapping[str, str],
    target: str | None,
    target_s: float | None,
) -> Points | None:
    """Return the trials over time, by their estimate of the target's quantile."""
    found = [
        (ended_s[str(t["number"])], _estimate(t, target), kinds[str(t["number"])], i)
        for i, t in enumerate(trials)
        if str(t["number"]) in ended_s and _estimate(t, target) is not None
    ]
    if not found:
        return None
    levels = [level for _, level, _, _ in found if level is not None]
    x = fitting([when for when, *_ in found], LEFT, RIGHT, zero=True)
    y = fitting([*levels, *([target_s] if target_s else [])], BOTTOM, TOP)
    marks = [Mark(x.at(w), y.at(v), kind, i) for w, v, kind, i in found if v is not None]
    line = None if target_s is None else y.at(target_s)
    axes = Axes(x, y, x.ticks(5, MINUTE_S), y.ticks())
    return Points(axes, marks, line, None, len(trials) - len(marks))


def _estimate(trial: Mapping[str, Any], target: str | None) -> float | None:
    found: float | None = trial.get("estimates_s", {}).get(target, trial.get("e2e_p99_s"))
    return found


def against(
    trials: Sequence[Mapping[str, Any]], frontier: Sequence[Mapping[str, Any]], of: str
) -> Points | None:
    """Return one figure of the trials against their p99, those of the frontier marked."""
    best = {point["trial"] for point in frontier}
    found = [
        (i, t, t["e2e_p99_s"], t[of])
        for i, t in enumerate(trials)
        if t.get("e2e_p99_s") is not None and t.get(of) is not None and t["state"] == "complete"
    ]
    if not found:
        return None
    x = fitting([p99 for _, _, p99, _ in found], LEFT, RIGHT)
    y = fitting([value for *_, value in found], BOTTOM, TOP, log=False)
    marks = [
        Mark(x.at(p99), y.at(value), "frontier" if t["number"] in best else "other", i)
        for i, t, p99, value in found
    ]
    marks.sort(key=lambda m: m.kind != "other")  # those of the frontier are drawn last
    return Points(Axes(x, y, x.ticks(4), y.ticks(4, MIB if of == "memory_bytes" else 1.0)), marks)


def pace(blocks: Sequence[Mapping[str, Any]], floor: float | None) -> Points | None:
    """Return the baseline's blocks over time, with the band in which like ones lie."""
    if len(blocks) < 2:
        return None
    levels = sorted(block["median_s"] for block in blocks)
    middle = levels[len(levels) // 2]
    band = [] if floor is None else [middle * math.exp(-floor), middle * math.exp(floor)]
    x = fitting([block["ended_s"] for block in blocks], LEFT, RIGHT, zero=True)
    y = fitting([*levels, *band], BOTTOM, TOP, log=False)
    marks = [Mark(x.at(b["ended_s"]), y.at(b["median_s"]), "met", i) for i, b in enumerate(blocks)]
    drawn = (y.at(band[1]), y.at(band[0])) if band else None
    return Points(Axes(x, y, x.ticks(5, MINUTE_S), y.ticks()), marks, None, drawn)


def loads(levels: Sequence[Mapping[str, Any]], verdicts: Sequence[str]) -> Points | None:
    """Return the first target's quantile at each load, with its interval and its verdict."""
    told = [(i, v, v["verdicts"][0]) for i, v in enumerate(levels) if v["verdicts"]]
    found = [(i, v, _bound(v, slo)) for i, v, slo in told if _bound(v, slo)["value"] is not None]
    if not found:
        return None
    target_s = found[0][1]["verdicts"][0]["max_ms"] / 1000
    ends = [b[k] for *_, b in found for k in ("low", "value", "high") if b[k] is not None]
    x = fitting([v["size"] for _, v, _ in found], LEFT, RIGHT)
    y = fitting([*ends, target_s], BOTTOM, TOP)
    kinds = {"PASS": "met", "FAIL": "too slow", "UNDECIDED": "cut"}
    marks = [
        Mark(x.at(v["size"]), y.at(b["value"]), kinds[verdicts[i]], i,
             None if b["low"] is None else y.at(b["low"]),
             TOP if b["high"] is None else y.at(b["high"]))
        for i, v, b in found
    ]  # fmt: skip
    return Points(Axes(x, y, x.ticks(), y.ticks()), marks, y.at(target_s))


def _bound(level: Mapping[str, Any], slo: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = level[slo["metric"]]["quantiles"][f"{slo['quantile']:g}"]
    return found


def stacked(
    rows: Mapping[str, Sequence[tuple[str, float]]], names: Sequence[str], unit: float = 1.0
) -> Bars | None:
    """Return bars of pieces: for each row its pieces as (name, size), coloured by `names`.

    What is below zero has no room. Ticks are round in `unit`.
    """
    wholes = [sum(max(size, 0.0) for _, size in row) for row in rows.values()]
    if not wholes or max(wholes) <= 0:
        return None
    scale = Scale(0.0, max(wholes), BAR_LEFT, RIGHT)
    return Bars(
        scale, scale.ticks(4, unit), [(n, _pieces(row, names, scale)) for n, row in rows.items()]
    )


def _pieces(
    row: Sequence[tuple[str, float]], names: Sequence[str], scale: Scale
) -> Sequence[Piece]:
    found, passed = [], 0.0
    for index, (name, size) in enumerate(row):
        begin, passed = scale.at(passed), passed + max(size, 0.0)
        width = round(scale.at(passed) - begin, 1)
        if size > 0:
            found.append(Piece(begin, width, names.index(name), index, name))
    return found


def whiskered(found: Sequence[Mapping[str, Any]]) -> Bars | None:
    """Return a bar for each knob's importance, with the interval over the resamples."""
    if not found:
        return None
    scale = Scale(0.0, max(max(k["high"], k["share"]) for k in found), BAR_LEFT, RIGHT)
    rows = [
        (k["knob"], [Piece(BAR_LEFT, round(scale.at(k["share"]) - BAR_LEFT, 1), 0, i)])
        for i, k in enumerate(found)
    ]
    ends = [(scale.at(k["low"]), scale.at(k["high"])) for k in found]
    return Bars(scale, scale.ticks(4), rows, ends)
