"""Say what the figures of a run hold for, and what they cannot know."""

from __future__ import annotations

from itertools import groupby

from tuner.evaluate.estimates import latencies
from tuner.evaluate.lateness import by_block, ended_ns
from tuner.evaluate.measurement import Measurement
from tuner.spec.study import Study
from tuner.spec.values import Sample
from tuner.stats.starts import Spread, spread

ONE_START = (
    "All of this comes from one start of the server, the one that answered, since `tune` cannot "
    "start it again.",
    "Unproven: other starts of it, what its caches held, where it runs, load by others, and "
    "updates behind the same name.",
)

APART = (
    "Requests in flight together are taken as independent (claim.in_flight: apart): where they "
    "stall together the verdicts do not hold."
)
_BEYOND = ", which is more than the target"


def scope(study: Study) -> tuple[str, ...]:
    """Return sentences on what the figures of a study do not hold for."""
    return ONE_START if study.one_start else ()


def claim(study: Study, m: Measurement) -> list[str]:
    """Return sentences on what the verdicts of a measurement hold for."""
    if not m.samples:
        return []
    once = "; each was asked once, so templates like them" if templates(m) == m.n else ""
    lines = [
        f"Verdicts on latency speak of what was sent: {templates(m)} templates in their "
        f"mix{once}, {starts_text(m.starts)}, {minutes(m):.1f} min of this machine. They cannot "
        "know other hours, nor stalls rarer than one in that time.",
        *_in_flight(study, m),
        *_new_start(study, m),
    ]
    if study.guard.asks:
        lines.append(
            "Floors on answers speak of templates like these: each counts once, by its first "
            "answer."
        )
    return lines


def doubts(study: Study, m: Measurement) -> list[str]:
    """Return those sentences of `claim` that tell of more than the usual doubt."""
    apart = _taken_apart(study)
    beyond = [said for said in _new_start(study, m) if said.endswith(f"{_BEYOND}.")]
    return [*([APART] if apart and m.samples else []), *beyond]


def templates(m: Measurement) -> int:
    """Return from how many templates the requests of a measurement came."""
    return len({s.cluster for s in m.samples})


def minutes(m: Measurement) -> float:
    """Return how many minutes the blocks of a measurement lasted."""
    return sum(_seconds(block) for block in by_block(m.samples)) / 60


def _taken_apart(study: Study) -> bool:
    load = study.workload.load
    alone = load.concurrency == 1 and not load.open_loop
    return study.claim.in_flight == "apart" and not alone


def _in_flight(study: Study, m: Measurement) -> list[str]:
    load = study.workload.load
    if load.concurrency == 1 and not load.open_loop:
        return []
    if _taken_apart(study):
        return [APART]
    together = max((c.m + 1 for c in m.certificates.values()), default=1)
    return [f"Up to {together} requests in flight together may stall together: they count as one."]


def _new_start(study: Study, m: Measurement) -> list[str]:
    """Say what to expect of a further engine start, where starts can be compared."""
    found = start_spread(study, m)
    slo = study.slos[0] if study.slos else None
    value = m.quantiles[slo.metric][slo.quantile].value if slo else None
    if found is None or slo is None or value is None:
        return []
    ms, name = value * found.slower * 1000, f"{slo.metric} p{slo.quantile * 100:g}"
    beyond = "" if ms <= slo.max_s * 1000 else _BEYOND
    return [
        f"Its {found.starts} starts differ by {found.deviation:.1%} (standard deviation of the "
        f"median): of further starts like them 95 % would have their {name} at {ms:.0f} "
        f"ms or less{beyond}."
    ]


def start_spread(study: Study, m: Measurement) -> Spread | None:
    """Return how the engine starts of a measurement differ in the first target's metric."""
    metric = study.slos[0].metric if study.slos else "e2e"
    groups = groupby(m.samples, key=lambda s: s.engine_start)
    starts = [latencies(study, metric, list(group)) for _, group in groups]
    return spread(starts)


def _seconds(block: list[Sample]) -> float:
    return (max(map(ended_ns, block)) - block[0].sent_ns) / 1e9


def starts_text(starts: int) -> str:
    """Return a number of engine starts in words."""
    return f"{starts} engine start{'' if starts == 1 else 's'}"
