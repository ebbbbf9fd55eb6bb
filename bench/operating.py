"""Operating characteristics of ways to judge a late rate, as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tuner.stats.planning import sprt_bound

VERDICTS = ("PASS", "FAIL", "UNDECIDED")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way of judging came to at one late rate.

    `passed`, `failed`, `undecided`: their chances; `n`: mean requests; `passed_se`, `n_se`:
    standard errors of the simulation, 0 where computed; `m`: the dependence of the world.
    """

    lateness: str
    quantile: float
    rate: float
    way: str
    m: int
    passed: float
    passed_se: float
    failed: float
    undecided: float
    n: float
    n_se: float

    @property
    def harmful(self) -> bool:
        """Tell whether a PASS would be false."""
        return self.rate > 1 - self.quantile - 1e-12

    @property
    def ratio(self) -> float | None:
        """Return mean requests over the SPRT bound; None where some runs were cut short."""
        return None if self.undecided >= 0.01 else self.n / sprt_bound(self.rate, self.quantile)


def tables(found: Sequence[Outcome]) -> str:
    """Return all tables: goals, independent lateness, clustered lateness, other quantiles."""
    p99 = [o for o in found if o.quantile == 0.99]
    alone = [o for o in p99 if o.lateness == "independent"]
    clustered = [o for o in p99 if o.lateness != "independent"]
    others = [o for o in found if o.way == "m = 0" and o.quantile != 0.99]
    parts = (_goals(p99), _independent(alone), _clustered(clustered), _quantiles(others))
    return "\n\n".join("\n".join(part) for part in parts)


def _goals(p99: Sequence[Outcome]) -> list[str]:
    """Return what was aimed at, and the worst that came."""
    head = _head("goal", "at most", "worst (± standard error)")
    return head + [_line(row) for row in (*_false_passes(p99), *_costs(p99))]


def _false_passes(p99: Sequence[Outcome]) -> Iterator[tuple[str, str, str]]:
    for kind, way, what in (
        ("independent", "m = 0", "independent, `m = 0`"),
        ("independent", "observed m", "independent, as used"),
        ("bursts", "stated m", "bursts, stated m"),
        ("bursts", "burst seen", "bursts, as used, after one was seen"),
        ("bursts", "claimed", "bursts, as used, claimed for such"),
    ):
        found = [o for o in p99 if o.lateness.startswith(kind) and o.way == way and o.harmful]
        worst = max(found, key=lambda o: o.passed)
        text = f"{worst.passed:.2%} ± {worst.passed_se:.2%} ({worst.lateness}, {worst.rate:.1%})"
        yield f"false PASS: {what}", "5 %", text


def _costs(p99: Sequence[Outcome]) -> Iterator[tuple[str, str, str]]:
    for low, high, most in ((0.0, 0.003, "1.15"), (0.02, 0.05, "1.5")):
        for way, what in (("m = 0", "`m = 0`"), ("observed m", "as used")):
            alone = [o for o in p99 if o.lateness == "independent" and o.way == way]
            found = [o for o in alone if low <= o.rate <= high]
            worst = max(found, key=lambda o: o.ratio or math.inf)
            error = worst.n_se / sprt_bound(worst.rate, worst.quantile)
            text = f"{_ratio(worst)} ± {error:.2f} ({worst.rate:.1%})"
            yield f"requests / SPRT bound, {low:.1%} to {high:.1%} late: {what}", most, text


def _independent(found: Sequence[Outcome]) -> list[str]:
    ways = ("m = 0", "observed m")
    names = [f"{way}: {what}" for way in ways for what in (*VERDICTS, "requests", "/ bound")]
    lines = _head("late rate", "SPRT bound", *names, "none of 299 late passes", "p99 of 100 passes")
    for rate in _rates(found):
        at = {o.way: o for o in found if o.rate == rate}
        judged = [cell for way in ways for cell in (*_cells(at[way]), _ratio(at[way]))]
        fixed = [f"{at[way].passed:.1%}" for way in ("299", "p99 of 100")]
        lines.append(_line([f"{rate:.1%}", _bound(rate, 0.99), *judged, *fixed]))
    return lines


def _clustered(found: Sequence[Outcome]) -> list[str]:
    ways = ("stated m", "observed m")
    names = [f"{way}: {what}" for way in ways for what in (*VERDICTS, "requests")]
    fixed = ("burst seen", "claimed", "299", "p99 of 100")
    lines = _head(
        "lateness", "late rate", "m = 0: PASS", "m", *names, "PASS after a burst was seen",
        "PASS claimed for such bursts", "none of 299 late passes", "p99 of 100 passes",
    )  # fmt: skip
    for name in dict.fromkeys(o.lateness for o in found):
        for rate in _rates(found):
            at = {o.way: o for o in found if (o.lateness, o.rate) == (name, rate)}
            lone, m = f"{at['m = 0'].passed:.1%}", str(at["m = 0"].m)
            judged = [cell for way in ways for cell in _cells(at[way])]
            others = [f"{at[way].passed:.1%}" for way in fixed]
            lines.append(_line([name, f"{rate:.1%}", lone, m, *judged, *others]))
    return lines


def _quantiles(found: Sequence[Outcome]) -> list[str]:
    lines = _head("quantile", "late rate", "SPRT bound", *VERDICTS, "requests", "/ bound")
    for o in found:
        rate = f"{o.rate:.2%}".replace(".00%", "%")
        bound = _bound(o.rate, o.quantile)
        lines.append(_line([f"p{o.quantile * 100:g}", rate, bound, *_cells(o), _ratio(o)]))
    return lines


def _cells(o: Outcome) -> list[str]:
    shares = [f"{share:.1%}" for share in (o.passed, o.failed, o.undecided)]
    return [*shares, f"{o.n:.0f} ± {o.n_se:.0f}" if o.n_se else f"{o.n:.0f}"]


def _ratio(o: Outcome) -> str:
    return "-" if o.ratio is None else f"{o.ratio:.2f}"


def _bound(rate: float, quantile: float) -> str:
    bound = sprt_bound(rate, quantile)
    return f"{bound:.0f}" if math.isfinite(bound) else "never"


def _rates(found: Iterable[Outcome]) -> list[float]:
    return sorted({o.rate for o in found})


def _head(*names: str) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
