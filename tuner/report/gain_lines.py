"""Say what a run gained over the baseline, and how the machine's pace moved meanwhile."""

from __future__ import annotations

import math

from tuner.report.cells import floor_percent
from tuner.search.result import BaselineDrift, FewerLate, Gain, Result
from tuner.spec.values import Slo
from tuner.stats.noise import Drift


def gain_in_words(result: Result) -> str:
    """Say which gains in latency are claimed, and what was counted where none is."""
    slo = result.study.slos[0]
    floor = "unknown" if result.noise_floor is None else floor_percent(result.noise_floor)
    found = [g for g in (result.mean_gain, result.median_gain, result.gain) if g is not None]
    claims = [_gain_text(gain) for gain in found]
    if result.late_gain is not None:
        claims.append(_late_text(result.late_gain))
    if claims:
        words = f"Gain in {slo.metric} over the baseline: {'; '.join(claims)}. Noise floor {floor}."
        return f"{words} {_ONE_START}" if result.study.one_start else words
    words = f"Gain in {slo.metric}: none claimed (noise floor {floor})."
    if result.keeps_baseline or result.best is None or result.baseline is None:
        return words
    return f"{words} {_late_shares(result, slo)}"


_ONE_START = "It holds for the start that served: other starts of the server were not seen."


def _gain_text(gain: Gain) -> str:
    r = gain.ratio
    less = "?" if r.value is None else f"{(1 - r.value) * 100:.0f}"
    return (
        f"{gain.name} {less} % less ({_change(r.high)} to {_change(r.low)} at "
        f"{gain.confidence:.1%} confidence)"
    )


def _late_text(gain: FewerLate) -> str:
    d = gain.difference
    fewer, least, most = (
        "?" if end is None else f"{-end * 100:.1f}" for end in (d.value, d.high, d.low)
    )
    return (
        f"{fewer} points fewer of the requests miss {gain.slo.max_s * 1000:g} ms "
        f"({least} to {most} at {gain.confidence:.1%} confidence)"
    )


def _late_shares(result: Result, slo: Slo) -> str:
    """Say how many requests were late on both sides, which is a count and no claim."""
    scheduled = result.study.workload.load.open_loop
    parts = [
        f"{sum(s.latency_s(slo.metric, scheduled=scheduled) > slo.max_s for s in m.samples)} of "
        f"{m.n} ({name})"
        for name, m in (("baseline", result.baseline), ("best", result.best))
        if m is not None
    ]
    return f"Late, as counted: {', '.join(parts)}."


def drift_in_words(drift: BaselineDrift | None) -> list[str]:
    """Say how the pace of the machine moved, as the baseline shows it."""
    if drift is None:
        return []
    trend, changed = drift.trend, drift.trend.ratio - 1
    what = "time per output token" if drift.metric == "tpot" else "time to first token"
    size = f"{abs(changed):.1%} {'longer' if changed > 0 else 'shorter'}"
    chance = floor_percent(trend.chance, longer=changed > 0)
    if not trend.beyond_chance:
        words = f"none found; the baseline's {what} became {size} over {trend.blocks} blocks"
        return [f"Drift: {words}, {_no_trend(trend)} (chance alone makes {chance})."]
    return [
        f"Drift: the baseline's {what} became {size} from the first to the last of its "
        f"{trend.blocks} blocks (chance alone makes {chance}): the machine changed its pace, and "
        "trials far apart are not alike; from a gain a steady trend over the proof is taken out."
    ]


def _no_trend(trend: Drift) -> str:
    """Say which of the two marks of a drift is missing."""
    if abs(math.log(trend.ratio)) <= trend.chance:
        return "which is noise"
    return f"but not steadily: so clear an order comes by chance with {trend.p:.0%}"


def _change(ratio: float | None) -> str:
    return "unbounded" if ratio is None else f"{(1 - ratio) * 100:.0f} %"
