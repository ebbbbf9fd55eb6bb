"""`run --iterate`: round after round, each a run of its own, under one budget and one error.

Gain and `max_drop` stand against the study's own baseline in every round, which is measured anew
beside each finalist. So small drops cannot add up, and each round's verdict is one of its own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuner.engines.base import Engine
from tuner.spec.differences import differences, short
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.study import Study
from tuner.store.default_folder import point_latest
from tuner.store.run_folder import (
    ROUNDS,
    RUN_FILE,
    begun_as,
    holds_rounds,
    holds_run,
    take,
    write_json,
)
from tuner.workflow.measuring.environment import asked
from tuner.workflow.tune.iterating.ending import ending, percent
from tuner.workflow.tune.iterating.result import Iterated, written
from tuner.workflow.tune.iterating.rounds import (
    Round,
    earlier,
    folder_of,
    next_study,
    read_rounds,
)
from tuner.workflow.tune.preparation import check
from tuner.workflow.tune.run import run
from tuner.workflow.tune.searching.screening import Watcher


async def iterate(
    study: Study,
    out: Path,
    watcher: Watcher,
    engines: Callable[[], Engine] | None = None,
    *,
    resume: bool = False,
) -> Iterated:
    """Tune a study in rounds below `out`, until its target is proven or another does not pay.

    `engines` makes an engine for each round in place of the study's own. `out` has the result of
    the best round so far after each of them; with `resume` it goes on there. Raises what `run`
    does, and InputError for a folder that holds something else.
    """
    check(study)
    with _claimed(out, resume=resume):
        rounds = read_rounds(out)
        _ensure_same(study, out)
        while (why := ending(study, rounds)) is None:
            rounds.append(await _round(study, out, watcher, engines, rounds))
            written(study, out, rounds, why)
            point_latest(out)
        watcher.note(why.said)
        return written(study, out, rounds, why)


async def _round(
    study: Study,
    out: Path,
    watcher: Watcher,
    engines: Callable[[], Engine] | None,
    rounds: Sequence[Round],
) -> Round:
    """Hold the next round, or go on with it where it was ended."""
    number, asked_of = len(rounds) + 1, next_study(study, rounds)
    assert asked_of is not None  # else there would be an ending
    folder = _prepared(out, number, asked_of.error)
    watcher.note(
        f"round {number}: {asked_of.budget_s / 60:.1f} min, {percent(asked_of.error)} of error"
    )
    result = await run(
        asked_of, folder, watcher, engines() if engines else None, resume=holds_run(folder),
        earlier=earlier(out, rounds),
    )  # fmt: skip
    return Round.of(number, result, [r.folder(out) for r in rounds])


def _prepared(out: Path, number: int, error: float) -> Path:
    """Return the folder of a round; it is about what the first one is about, with its own error.

    So the run refuses to hold it where anything else than the error has changed.
    """
    folder = folder_of(out, number)
    if number > 1 and not holds_run(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / RUN_FILE, (begun_as(folder_of(out, 1)) or {}) | {"error": error})
    return folder


def _ensure_same(study: Study, out: Path) -> None:
    """Raise NotComparable where the first round was about something else."""
    now = json.loads(json.dumps(asked(study)))
    for found in differences(begun_as(folder_of(out, 1)) or now, now, now):
        raise NotComparable(
            f"{out} was begun with another {found.fact}: then {short(found.a)}, now "
            f"{short(found.b)}; rounds of unlike studies are not continued: name another --out"
        )


@contextlib.contextmanager
def _claimed(out: Path, *, resume: bool) -> Iterator[None]:
    """Hold the folder of an iteration for this process alone; raises what `claimed` does."""
    there = holds_rounds(out)
    if holds_run(out) and not there:
        raise InputError(
            f"{out} holds a run without rounds, whose error is its own; name another --out"
        )
    if there != resume:
        raise InputError(
            f"{out} already holds rounds; go on with --iterate --resume, or name another --out"
            if there
            else f"{out} holds no rounds that could be continued; leave --resume out"
        )
    try:
        (out / ROUNDS).mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot write to {out}: {error.strerror}; make it writable, or name another --out"
        ) from None
    with lock:
        take(lock, f"{out} is in use by another tune; wait for it or name another --out")
        yield
