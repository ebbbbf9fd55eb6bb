"""What is checked and left out before a study is tuned, and what the user is warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.engines.base import Engine, Limited
from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.workflow.measuring.candidates import without_refused
from tuner.workflow.tune.production_warning import production_warnings
from tuner.workflow.tune.searching.inert_knobs import without_inert

if TYPE_CHECKING:  # Optuna is slow to import, and a check needs none
    from tuner.workflow.tune.searching.screening import Watcher


def check(study: Study) -> None:
    """Raise InputError where a study cannot be tuned."""
    if not study.slos:
        raise InputError(
            f"{study.file or 'the study'}: no target; say --target-p99 MS or add slo to the study"
        )
    if not study.space:
        raise InputError(f"{study.file or 'the study'}: space: missing; name the knobs to search")
    if study.objective == "memory" and study.url is not None:
        raise InputError(
            "objective memory: a server that somebody else runs does not show what it takes; name "
            "another objective"
        )


def unguarded(study: Study) -> tuple[str, ...]:
    """Return a warning where the guard asks nothing of the answers."""
    if study.guard.asks:
        return ()
    return (
        "no guard: a candidate may win by cutting its answers or answering badly; add "
        "guard: {min_valid: 0.8}",
    )


def unlimited(study: Study, engine: Engine) -> tuple[str, ...]:
    """Return a warning where limits are asked for of a server that `tune` does not start."""
    if study.limits is None or isinstance(engine, Limited):
        return ()
    return (
        "nice, cpus and memory are not in force: tune does not start this server; set them where "
        "it is started",
    )


async def as_served(study: Study, engine: Engine, watcher: Watcher) -> tuple[Study, dict[str, str]]:
    """Return a study less what its server refuses or makes nothing of, and the latter.

    Warns of that, and of what disturbs.
    """
    study, left_out = await without_refused(study, engine)
    study, inert = await without_inert(study, engine)
    for name, why in {**left_out, **inert}.items():
        watcher.note(f"{name} is left out: {why}")
    check(study)
    for warning in (
        *unguarded(study),
        *unlimited(study, engine),
        *await production_warnings(engine),
    ):
        watcher.note(warning)
    return study, inert
