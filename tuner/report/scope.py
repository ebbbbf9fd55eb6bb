"""What the figures of a run hold for, where that is less than every start of the server."""

from __future__ import annotations

from tuner.spec.study import Study

ONE_START = (
    "All of this comes from one start of the server, the one that answered, since `tune` cannot "
    "start it again.",
    "Unproven: other starts of it, what its caches held, where it runs, load by others, and "
    "updates behind the same name.",
)


def scope(study: Study) -> tuple[str, ...]:
    """Return sentences that say what figures hold for, and what that leaves unproven."""
    return ONE_START if study.one_start else ()


def starts_text(starts: int) -> str:
    """Return a number of engine starts in words."""
    return f"{starts} engine start{'' if starts == 1 else 's'}"
