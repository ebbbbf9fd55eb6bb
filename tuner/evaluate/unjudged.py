"""Say which requests and floors a check cannot judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.evaluate.estimates import is_late
from tuner.evaluate.measurement import Measurement
from tuner.spec.study import Study
from tuner.spec.values import Sample

_MOST_NAMED = 5


def never_judged(study: Study) -> tuple[str, ...]:
    """Say which floors of a guard no requests to one server can judge."""
    if study.guard.max_drop is None:
        return ()
    return (
        "guard.max_drop is not judged: it compares answers with the baseline's, which nobody "
        "asks here",
    )


def not_judged(study: Study, m: Measurement) -> tuple[str, ...]:
    """Say which requests of a measurement its verdict cannot judge, by their templates."""
    lines = list(never_judged(study))
    for slo in study.slos:
        unknown = [s for s in m.samples if is_late(study, slo, s) is None]
        if unknown:
            lines.append(
                f"{slo.metric} is unknown in {len(unknown)} of {m.n} requests, whose output tokens "
                f"nobody tells: {_templates(unknown)}"
            )
    asked = {s.cluster for s in m.samples}
    part = study.workload.part(held_out=study.workload.held_out)
    if left := [t.id for t in part if t.id not in asked]:
        lines.append(f"{len(left)} of {len(part)} templates were not asked: {_named(left)}")
    free = [t.id for t in part if t.expect is None and t.id in asked]
    if study.workload.judged and free:
        lines.append(f"answers to templates without `expect` cannot be wrong: {_named(free)}")
    return tuple(lines)


def _templates(samples: Sequence[Sample]) -> str:
    return _named(dict.fromkeys(s.cluster for s in samples))


def _named(found: Iterable[str]) -> str:
    names = list(found)
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
