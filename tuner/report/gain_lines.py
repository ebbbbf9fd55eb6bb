"""Say what a run gained over the baseline, and how the machine's pace moved meanwhile."""

from __future__ import annotations

import math

from tuner.report.cells import floor_percent
from tuner.search.result import BaselineDrift, FewerLate, Gain, Result
from tuner.spec.values import Slo
from tuner.stats.noise import Drift


def better_in_words(result: Result) -> str:
    """Say how much better the best is than the baseline, in the target's own figure if it can.

    What else is claimed says `gain_in_words`.
    """
    slo, floor = result.study.slos[0], _floor(result)
    latency = result.gain or result.mean_gain or result.median_gain
    claims = [f"{slo.metric} {_lower(latency)}"] if latency else []
    if result.late_gain is not None:
        claims.append(_late_text(result.late_gain))
    if claims:
        words = f"{'; '.join(claims)}; noise floor {floor}."
        return f"{words} {_ONE_START}" if result.study.one_start else words
    if result.noise_floor is None:
        if result.best is not None and not result.changed:
            return "none: the baseline itself is the best that was found."
        return f"none: {slo.metric} of baseline and best was not compared. {_seen(result)}".strip()
    return f"no gain in {slo.metric} above the noise floor of {floor}. {_seen(result)}".strip()


def _floor(result: Result) -> str:
    return "unknown" if result.noise_floor is None else floor_percent(result.noise_floor)


def _seen(result: Result) -> str:
    """Say how many requests were late on both sides, "" where they are not two."""
    if result.keeps_baseline or result.best is None or result.baseline is None:
        return ""
    return _late_shares(result, result.study.slos[0])


def gain_in_words(result: Result) -> str:
    """Say which gains in latency are claimed, and what was counted where none is."""
    slo, floor = result.study.slos[0], _floor(result)
    found = [g for g in (result.mean_gain, result.median_gain, result.gain) if g is not None]
    claims = [_gain_text(gain) for gain in found]
    if result.late_gain is not None:
        claims.append(_late_text(result.late_gain))
    if claims:
        words = f"Gain in {slo.metric} over the baseline: {'; '.join(claims)}. Noise floor {floor}."
        return f"{words} {_ONE_START}" if result.study.one_start else words
    return f"Gain in {slo.metric}: none claimed (noise floor {floor}). {_seen(result)}".strip()


_ONE_START = "It holds for the start that served: other starts of the server were not seen."


def _gain_text(gain: Gain) -> str:
    return f"{gain.name} {_percent(gain)} % less ({_ends(gain)})"


def _lower(gain: Gain) -> str:
    """Return a gain as a part of a sentence: by how much, in which figure, how surely."""
    where = {None: "on average", 0.5: "at the median"}.get(gain.quantile, f"at {gain.name}")
    return f"is {_percent(gain)} % lower than the baseline's {where} ({_ends(gain)})"


def _percent(gain: Gain) -> str:
    value = gain.ratio.value
    return "?" if value is None else f"{(1 - value) * 100:.0f}"


def _ends(gain: Gain) -> str:
    r = gain.ratio
    return f"{_change(r.high)} to {_change(r.low)} at {gain.confidence:.1%} confidence"


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
