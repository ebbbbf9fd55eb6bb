"""Stop production while something is measured in its place; whatever happens, it runs again.

A note in the user's state folder says that production is paused. It is written before anything is
stopped and removed when production has been seen to serve again. Where `tune` is killed, its
`guardian` starts production; where that is killed too, the next `tune` does so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from tuner.machine import durable
from tuner.machine.interrupts import put_off
from tuner.spec.beside import Production
from tuner.spec.errors import Busy, InputError, Locked, ProductionDown
from tuner.spec.study import Study
from tuner.store.run_folder import writing
from tuner.store.state_folder import locked_state, state_folder
from tuner.workflow.beside import commands
from tuner.workflow.beside.guardian import guarded

WAITS_S = (0.0, 1.0, 3.0)
"""Seconds before each try to start production again."""

_PREFIX = "production-"


def to_pause(study: Study) -> Production:
    """Return the production that a study may stop; raise InputError where it names none."""
    if study.beside is None or study.beside.production is None:
        raise InputError(
            "--pause-production: the study does not say how production is stopped; add beside: "
            "{pause: [...], resume: [...], health: URL}"
        )
    return study.beside.production


@contextlib.contextmanager
def paused(production: Production, note: Callable[[str], None]) -> Iterator[None]:
    """Stop production, and start it again after the block, however that ends.

    Production that does not serve before is left as it is, and that is told. Raises Busy where it
    cannot be stopped, and then it runs again; Locked while another `tune` has it paused; InputError
    for commands that cannot be run; ProductionDown where it does not come back.
    """
    commands.ensure_runnable(production.pause, production.resume)
    base = _base(production)
    with _locked(base):
        _bring_back_left(base, note)
        if not commands.serves(production.health):
            note(
                f"production did not serve before: {production.health} does not answer; it is "
                "neither stopped nor started"
            )
            yield
            return
        with guarded(base.with_suffix(".guardian.log")):
            _write_down(base, production)
            try:
                _stop(production, base, note)
                yield
            finally:
                with put_off():
                    _start_again(production, base, note)


def bring_back(note: Callable[[str], None]) -> None:
    """Start again what a killed `tune` left stopped; nothing where none did.

    Raises ProductionDown where it does not come back. What another `tune` has paused is its own.
    """
    for file in left_paused():
        base = file.with_suffix("")
        with contextlib.suppress(Locked), _locked(base):
            _bring_back_left(base, note)


def left_paused() -> list[Path]:
    """Return the notes of productions that are stopped now."""
    return sorted(state_folder().glob(f"{_PREFIX}*.json"))


def _bring_back_left(base: Path, note: Callable[[str], None]) -> None:
    production = _read(base.with_suffix(".json"))
    if production is not None:
        note("an earlier tune was killed while production was paused: it is started again")
        with put_off():
            _start_again(production, base, note)


def _stop(production: Production, base: Path, note: Callable[[str], None]) -> None:
    note(f"production is stopped: {commands.shown(production.pause)}")
    failed = commands.run(production.pause, production.deadline_s, base.with_suffix(".pause.log"))
    if failed is not None:
        raise Busy(
            f"not started: production could not be stopped: {commands.shown(production.pause)} "
            f"{failed}; it was started again, to be safe: mend beside.pause"
        )
    if commands.serves(production.health):
        note(f"{production.health} still answers, though production was stopped")


def _start_again(production: Production, base: Path, note: Callable[[str], None]) -> None:
    """Start production and remove the note of its pause; raise ProductionDown."""
    failed: str | None = None
    for wait_s in WAITS_S:
        time.sleep(wait_s)
        failed = _resumed(production, base)
        if failed is None:
            with writing(base.parent):
                base.with_suffix(".json").unlink(missing_ok=True)
            note(f"production serves again: {production.health} answers")
            return
        note(f"production does not serve yet: {failed}")
    raise ProductionDown(
        f"PRODUCTION IS DOWN: it was stopped for measuring, and {failed}, {len(WAITS_S)} times; "
        f"start it by hand: {commands.shown(production.resume)}, and see that {production.health} "
        "answers; the next tune tries again"
    )


def _resumed(production: Production, base: Path) -> str | None:
    """Start production once; return why it does not serve, None where it does."""
    output = base.with_suffix(".resume.log")
    failed = commands.run(
        production.resume, production.deadline_s, output, lambda: commands.serves(production.health)
    )
    if commands.until_serving(production.health, 0.0 if failed else production.deadline_s):
        return None
    said = commands.shown(production.resume)
    if failed is not None:
        return f"{said} {failed}"
    within = f"within {production.deadline_s:g} s"
    return f"{production.health} does not answer {within} of {said} (its output: {output})"


# notes
def _base(production: Production) -> Path:
    about = json.dumps([production.resume, production.health])
    return state_folder() / f"{_PREFIX}{hashlib.sha256(about.encode()).hexdigest()[:16]}"


def _locked(base: Path) -> AbstractContextManager[None]:
    taken = "production is paused by another tune; wait until it has ended"
    return locked_state(base.with_suffix(".lock"), taken, "which production is paused")


def _write_down(base: Path, production: Production) -> None:
    """Write down that production is to be paused, so that a machine that goes down knows it."""
    file = base.with_suffix(".json")
    with writing(file):
        durable.replace(file, json.dumps(asdict(production)).encode())


def _read(file: Path) -> Production | None:
    """Return the production that a note says is paused, None without a note."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        pause, resume = (tuple(map(str, found[key])) for key in ("pause", "resume"))
        return Production(pause, resume, str(found["health"]), float(found["deadline_s"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as broken:
        raise InputError(
            f"{file} is no note of a production that is paused ({broken}); see that production "
            "serves, and remove it"
        ) from None
